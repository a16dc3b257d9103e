// A task whose first process is a child of our monitor.
import type { Duplex } from 'node:stream';
import { EngineError } from '#base/error.ts';
import type { CgroupPlan } from '#kernel/cgroup/cgroup.ts';
import { parseOomKills } from '#kernel/cgroup/oom.ts';
import { planUsage } from '#kernel/cgroup/usage/usage.ts';
import type { Agent, ExecSession, Monitor, Streams } from '#kernel/native/native.ts';
import type { LaunchPlan, OpResult } from '#kernel/native/op.ts';
import type { Box, BoxLimits } from './box.ts';
import { cgroupProcesses, processDirectory } from './cgroup.ts';
import { changeCgroups } from './change-cgroup.ts';
import { compileExec, type ExecBase, type ExecRequest } from './exec.ts';
import type { HostFacts } from './facts.ts';
import { describeExecFailure, failureOf } from './failure.ts';
import { freezeAround, thaw } from './freeze.ts';
import { cgroupName, cgroupRequest } from './spec.ts';
import { type Size, type Task, type TaskExit, taskExit } from './task.ts';
import { writeTrace, writeTraceLater } from './trace.ts';
import { RereadFile, UsageReader } from './usage.ts';

export type MonitoredParts = {
  readonly box: Box;
  readonly facts: HostFacts;
  readonly directory: string;
  readonly agent: Agent;
  readonly cgroup: CgroupPlan;
  readonly execBase: ExecBase;
  readonly monitor: Monitor;
  readonly pid: number;
  /** Of a task that waits for go(). */
  readonly launched?: Launched;
};

/** What is told of when it fails, and written down when it does not. */
type Launched = { readonly plan: LaunchPlan; readonly results: readonly OpResult[] };

/** What is asked of the cgroups while it runs: the whole plan is ten times as large. */
type RunningCgroup = Pick<CgroupPlan, 'join' | 'freezer' | 'oomFile'> & {
  readonly processes: string | undefined;
};

function runningCgroup(plan: CgroupPlan): RunningCgroup {
  const { join, freezer, oomFile } = plan;
  return {
    join,
    processes: processDirectory(plan),
    ...(freezer === undefined ? {} : { freezer }),
    ...(oomFile === undefined ? {} : { oomFile }),
  };
}

export class MonitoredTask implements Task {
  readonly pid: number;
  readonly exited: Promise<TaskExit>;
  readonly lost: Promise<void>;
  readonly #parts: Omit<MonitoredParts, 'box' | 'cgroup' | 'launched'>;
  /** Gone once it runs: a thousand containers would hold a hundred megabytes of them. */
  #launched: Launched | undefined;
  /** With the limits that hold now. */
  #box: Box;
  #cgroup: RunningCgroup;

  constructor({ box, cgroup, launched, ...parts }: MonitoredParts) {
    this.pid = parts.pid;
    this.lost = parts.monitor.lost;
    this.exited = parts.monitor.exited.then(taskExit);
    this.#parts = parts;
    this.#launched = launched;
    this.#box = box;
    this.#cgroup = runningCgroup(cgroup);
  }

  get box(): Box {
    return this.#box;
  }

  async go(): Promise<void> {
    const { monitor, directory } = this.#parts;
    const box = this.#box;
    const launched = this.#launched;
    this.#launched = undefined;
    let results: readonly OpResult[];
    try {
      results = [...(launched?.results ?? []), ...(await monitor.go())];
    } catch (error) {
      throw launched === undefined ? error : failureOf(launched.plan, error);
    }
    if (box.root.volatile) this.#traceLater(results);
    else writeTrace(directory, box, results);
  }

  /**
   * What is removed at its end is explained only while it runs, and it may end at once: whoever
   * waits for its start and its end comes first.
   */
  #traceLater(results: readonly OpResult[]): void {
    const forget = writeTraceLater(this.#parts.directory, this.#box, results);
    this.exited.then(forget, forget);
    this.lost.then(forget, forget);
  }

  signal(exec: string, signal: number): Promise<void> {
    return this.#parts.monitor.signal(exec, signal);
  }

  resize(exec: string, size: Size): Promise<void> {
    return this.#parts.monitor.resize(exec, size);
  }

  attach(streams: Streams): Promise<Duplex> {
    return this.#parts.monitor.attach('', streams);
  }

  async exec(id: string, request: ExecRequest, streams: Streams): Promise<ExecSession> {
    const { execBase, facts, monitor } = this.#parts;
    const base = { ...execBase, cgroupDirectories: this.#cgroup.join };
    const plan = compileExec(base, request, facts);
    try {
      return await monitor.exec(id, plan, streams);
    } catch (error) {
      throw describeExecFailure(plan, error);
    }
  }

  async pause(signal?: AbortSignal, pid: number = this.pid): Promise<void> {
    await freezeAround(pid, this.#freezer(), signal);
  }

  async resume(): Promise<void> {
    await thaw(this.#freezer());
  }

  #freezer(): NonNullable<CgroupPlan['freezer']> {
    const { freezer } = this.#cgroup;
    if (freezer !== undefined) return freezer;
    throw new EngineError('unavailable', 'the freezer cgroup is not mounted on this host');
  }

  async update({ resources, deviceRules, reclaim }: BoxLimits): Promise<void> {
    const { facts, agent } = this.#parts;
    const box = { ...this.#box, deviceRules, cgroup: { ...this.#box.cgroup, resources } };
    const change = {
      before: cgroupRequest(this.#box),
      after: cgroupRequest(box),
      ...(reclaim === undefined ? {} : { reclaim }),
    };
    const plan = await changeCgroups({ agent, pids: () => this.pids() }, facts, change);
    this.#cgroup = runningCgroup(plan);
    this.#box = box;
  }

  async pids(): Promise<readonly number[]> {
    const directory = this.#cgroup.processes;
    return directory === undefined ? [this.pid] : cgroupProcesses(directory);
  }

  openUsage(pid: number = this.pid): UsageReader {
    const box = this.#box;
    const request = { parent: box.cgroup.parent, name: cgroupName(box) };
    return new UsageReader(planUsage(this.#parts.facts.cgroups, request), pid);
  }

  oomKills(): number {
    const { oomFile } = this.#cgroup;
    if (oomFile === undefined) return 0;
    using file = new RereadFile(oomFile);
    return parseOomKills(file.read() ?? '');
  }

  async close(): Promise<void> {
    await this.#parts.monitor[Symbol.asyncDispose]();
  }
}
