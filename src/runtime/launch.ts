// From a box to a running task: reads what planning needs, has the plan performed, and hands back a
// handle. What failed half way is undone by the monitor itself; see launch() for what is ours.
import { readFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { EngineError, errnoOf } from '#base/error.ts';
import { type CgroupPlan, factFiles, planCgroup } from '#kernel/cgroup/cgroup.ts';
import { checkReadBack } from '#kernel/cgroup/step.ts';
import type { ExecSession, Monitor, Streams } from '#kernel/native/native.ts';
import type { LaunchPlan, OpResult } from '#kernel/native/op.ts';
import type { Box } from './box.ts';
import { compileExec, type ExecRequest } from './exec.ts';
import { type HostFacts, readHostDevices } from './facts.ts';
import { describeExecFailure, describeFailure, failedResult } from './failure.ts';
import { freeze, thaw } from './freeze.ts';
import type { OciSpec } from './oci.ts';
import { compileLaunch, launchExtras } from './plan.ts';
import { cgroupRequest, makeSpec } from './spec.ts';
import {
  cgroupState,
  execBase,
  execState,
  freezerOf,
  type RuntimeState,
} from './state.ts';
import {
  cgroupProcesses,
  cleanUp,
  readExit,
  type Size,
  type Task,
  type TaskDeps,
  type TaskExit,
  taskExit,
} from './task.ts';

export type LaunchPlace = {
  /** Of the monitor; exists already. */
  readonly directory: string;
};

export type Prepared = {
  readonly box: Box;
  readonly spec: OciSpec;
  readonly cgroup: CgroupPlan;
  readonly plan: LaunchPlan;
};

/** All decisions of a launch, for launch() and for a plan that nobody performs (--dry-run). */
export function prepare(box: Box, facts: HostFacts): Prepared {
  const full = withHostDevices(box);
  const cgroup = planContainerCgroup(full, facts);
  const spec = makeSpec(full, facts);
  const plan = compileLaunch(spec, launchExtras(full, cgroup), facts);
  return { box: full, spec, cgroup, plan };
}

/** --privileged has the host's devices; those the user names go over them. */
export function withHostDevices(box: Box): Box {
  if (!box.security.privileged || box.namespaces.user.mode === 'map') return box;
  return { ...box, devices: [...readHostDevices(), ...box.devices] };
}

export function planContainerCgroup(box: Box, facts: HostFacts): CgroupPlan {
  const request = cgroupRequest(box);
  const texts: Record<string, string> = {};
  for (const file of factFiles(facts.cgroups, request)) {
    const text = readIfThere(file);
    if (text !== undefined) texts[file] = text;
  }
  return planCgroup(facts.cgroups, request, texts);
}

/** Four short files of cgroupfs: asynchronous reads would take longer than the reads do. */
function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Makes the container up to the point where it waits for go(). When it fails, the monitor has
 * already removed what it made; when this connection is given up before go(), it does so then.
 */
export async function launch(
  deps: TaskDeps,
  box: Box,
  facts: HostFacts,
  place: LaunchPlace,
): Promise<Task> {
  const prepared = prepare(box, facts);
  const { cgroup, plan, spec } = prepared;
  await deps.agent.monitor(place.directory);
  const monitor = await deps.connectMonitor(place.directory);
  try {
    const ready = await monitor.launch(plan);
    checkCgroups(cgroup, ready.results);
    const state: RuntimeState = {
      version: 1,
      runtime: 'coracle',
      id: box.id,
      directory: place.directory,
      pid: ready.pid,
      cgroup: cgroupState(cgroup),
      exec: execState(prepared.box, spec),
    };
    return new MonitoredTask(monitor, facts, state, plan, ready.results);
  } catch (error) {
    await monitor[Symbol.asyncDispose]();
    throw failureOf(plan, error);
  }
}

function failureOf(plan: LaunchPlan, error: unknown): unknown {
  const result = failedResult(error);
  return result === undefined ? error : describeFailure(plan, result, error);
}

/** The kernel rounds and clamps limits without a word; we say so, and do not start. */
function checkCgroups(cgroup: CgroupPlan, results: readonly OpResult[]): void {
  for (const result of results) {
    if (result.place !== 'host') continue;
    const step = cgroup.create[result.index];
    if (step?.op === 'cgroup_write') checkReadBack(step, result.output.toString('utf8'));
  }
}

export type Reconnected =
  | { readonly status: 'running'; readonly task: Task }
  /** It ended while no daemon was there. */
  | { readonly status: 'exited'; readonly exit: TaskExit }
  /** Its monitor was killed: its processes are gone with it, and its cgroups were removed now. */
  | { readonly status: 'lost' }
  /** The daemon died between launch() and go(): nothing of it ran, and it is gone. */
  | { readonly status: 'never_started' };

/** Takes over a container that another daemon process launched. */
export async function reconnect(
  deps: TaskDeps,
  state: RuntimeState,
  facts: HostFacts,
): Promise<Reconnected> {
  const monitor = await deps.connectMonitor(state.directory).catch((error: unknown) => {
    // Nobody listens, or the directory is gone (unix(7)).
    if (GONE.includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  });
  if (monitor === undefined) return whatIsLeft(deps, state);
  const known = await monitor.state();
  if (!known.started && known.exit === undefined) {
    await monitor[Symbol.asyncDispose]();
    return { status: 'never_started' };
  }
  const task = new MonitoredTask(monitor, facts, state, undefined, []);
  return { status: 'running', task };
}

const GONE = ['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'];

async function whatIsLeft(deps: TaskDeps, state: RuntimeState): Promise<Reconnected> {
  const exit = await readExit(state.directory);
  if (exit !== undefined) return { status: 'exited', exit: taskExit(exit, state.cgroup) };
  await cleanUp(deps, state.cgroup);
  return { status: 'lost' };
}

class MonitoredTask implements Task {
  readonly pid: number;
  readonly state: RuntimeState;
  readonly plan: LaunchPlan | undefined;
  readonly exited: Promise<TaskExit>;
  readonly lost: Promise<void>;
  readonly #monitor: Monitor;
  readonly #facts: HostFacts;
  #results: readonly OpResult[];

  constructor(
    monitor: Monitor,
    facts: HostFacts,
    state: RuntimeState,
    plan: LaunchPlan | undefined,
    results: readonly OpResult[],
  ) {
    this.pid = state.pid;
    this.state = state;
    this.plan = plan;
    this.lost = monitor.lost;
    this.exited = monitor.exited.then((exit) => taskExit(exit, state.cgroup));
    this.#monitor = monitor;
    this.#facts = facts;
    this.#results = results;
  }

  get results(): readonly OpResult[] {
    return this.#results;
  }

  async go(): Promise<void> {
    try {
      const results = await this.#monitor.go();
      this.#results = [...this.#results, ...results];
    } catch (error) {
      throw this.plan === undefined ? error : failureOf(this.plan, error);
    }
  }

  signal(signal: number): Promise<void> {
    return this.#monitor.signal('', signal);
  }

  resize(size: Size): Promise<void> {
    return this.#monitor.resize('', size);
  }

  attach(wanted: Streams): Promise<Duplex> {
    return this.#monitor.attach('', wanted);
  }

  async exec(id: string, request: ExecRequest, wanted: Streams): Promise<ExecSession> {
    const plan = compileExec(execBase(this.state, this.#facts), request, this.#facts);
    try {
      return await this.#monitor.exec(id, plan, wanted);
    } catch (error) {
      const result = failedResult(error);
      throw result === undefined ? error : describeExecFailure(plan, result, error);
    }
  }

  signalExec(id: string, signal: number): Promise<void> {
    return this.#monitor.signal(id, signal);
  }

  resizeExec(id: string, size: Size): Promise<void> {
    return this.#monitor.resize(id, size);
  }

  async pause(signal?: AbortSignal): Promise<void> {
    await freeze(this.#freezer(), signal);
  }

  async resume(): Promise<void> {
    await thaw(this.#freezer());
  }

  #freezer(): ReturnType<typeof freezerOf> & object {
    const freezer = freezerOf(this.state);
    if (freezer !== undefined) return freezer;
    throw new EngineError('unavailable', 'the freezer cgroup is not mounted on this host');
  }

  async processes(): Promise<readonly number[]> {
    const directory = this.state.cgroup.killDirectory;
    return directory === null ? [this.pid] : cgroupProcesses(directory);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#monitor[Symbol.asyncDispose]();
  }
}
