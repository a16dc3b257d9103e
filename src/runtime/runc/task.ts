// A task whose first process is a child of an external OCI runtime, which is a child of our
// monitor. Output and input pass through runc; signals go to the container's own first process.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError, errnoOf } from '#base/error.ts';
import type { ExecSession, Streams } from '#kernel/native/native.ts';
import type { BoxLimits } from '../box.ts';
import type { ExecRequest } from '../exec.ts';
import { describeExecFailure } from '../failure.ts';
import { MonitoredTask, type MonitoredParts } from '../monitored-task.ts';
import type { Size, Task, TaskExit } from '../task.ts';
import type { UsageReader } from '../usage.ts';
import { execProcessOf, jsonText } from './bundle.ts';
import { runcFailure } from './log.ts';
import { type ExecFiles, execFiles, planExec, type RuncPaths } from './plan.ts';

const SIGKILL = 9;
const PID_POLL_MS = 2;
/** runc makes a container in a tenth of a second; on a machine that swaps, in many. */
const PID_POLLS_MAX = 15_000;

export class RuncTask implements Task {
  readonly #inner: MonitoredTask;
  readonly #parts: Pick<MonitoredParts, 'execBase' | 'facts' | 'monitor'>;
  readonly #paths: RuncPaths;
  readonly #program: string;
  #pid: number | undefined;

  constructor(parts: MonitoredParts, paths: RuncPaths, program: string) {
    const { execBase, facts, monitor } = parts;
    this.#parts = { execBase, facts, monitor };
    this.#inner = new MonitoredTask(parts);
    this.#paths = paths;
    this.#program = program;
    this.#pid = readPid(paths.pidFile);
  }

  /** Of the container's process once it runs; before that, of the runc that will make it. */
  get pid(): number {
    return this.#pid ?? this.#inner.pid;
  }

  get exited(): Promise<TaskExit> {
    return this.#inner.exited;
  }

  get lost(): Promise<void> {
    return this.#inner.lost;
  }

  async go(): Promise<void> {
    await this.#inner.go();
    const ended = Promise.race([this.exited, this.lost]).then(() => true);
    this.#pid = await waitForPid(this.#paths.pidFile, ended);
    if (this.#pid === undefined) throw await runcFailure('create', this.#paths.log);
    await this.#limitMore();
  }

  /** A runtime older than these words of the specification passes over them (runc before 1.2). */
  async #limitMore(): Promise<void> {
    const { deviceRules, cgroup } = this.#inner.box;
    const { cpuBurst, cpuIdle, ...known } = cgroup.resources;
    if (cpuBurst === undefined && cpuIdle !== true) return;
    try {
      await this.#inner.update({ resources: known, deviceRules });
      await this.#inner.update({ resources: cgroup.resources, deviceRules });
    } catch (error) {
      await this.signal('', SIGKILL).catch(() => {});
      throw error;
    }
  }

  async signal(exec: string, signal: number): Promise<void> {
    const file = exec === '' ? this.#paths.pidFile : execFiles(this.#paths, exec).pidFile;
    const pid = readPid(file);
    if (pid === undefined) return this.#inner.signal(exec, signal);
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (errnoOf(error) !== 'ESRCH') throw error;
      throw new EngineError('conflict', 'no such process is running', { cause: error });
    }
  }

  /** runc copies the size of its terminal to the container's (SIGWINCH). */
  resize(exec: string, size: Size): Promise<void> {
    return this.#inner.resize(exec, size);
  }

  attach(streams: Streams): Promise<Duplex> {
    return this.#inner.attach(streams);
  }

  async exec(id: string, request: ExecRequest, streams: Streams): Promise<ExecSession> {
    const { execBase, facts, monitor } = this.#parts;
    const { box } = this.#inner;
    const files = execFiles(this.#paths, id);
    writeFileSync(files.process, jsonText(execProcessOf(box, execBase, request, facts)), {
      mode: 0o600,
    });
    const plan = planExec(this.#program, box, this.#paths, files, request);
    let session: ExecSession;
    try {
      session = await monitor.exec(id, plan, streams);
    } catch (error) {
      throw describeExecFailure(plan, error);
    }
    const ended = session.exit.then(
      () => true,
      () => true,
    );
    const pid = await waitForPid(files.pidFile, ended);
    void ended.then(() => removeFiles(files));
    if (pid !== undefined) {
      rmSync(files.log, { force: true });
      return { ...session, pid };
    }
    session.stream.destroy();
    const failure = await runcFailure('exec', files.log);
    rmSync(files.log, { force: true });
    throw failure;
  }

  pause(signal?: AbortSignal): Promise<void> {
    return this.#inner.pause(signal, this.pid);
  }

  resume(): Promise<void> {
    return this.#inner.resume();
  }

  update(limits: BoxLimits): Promise<void> {
    return this.#inner.update(limits);
  }

  pids(): Promise<readonly number[]> {
    return this.#inner.pids();
  }

  openUsage(): UsageReader {
    return this.#inner.openUsage(this.pid);
  }

  oomKills(): number {
    return this.#inner.oomKills();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

/** The log is removed by whoever reads its error. */
function removeFiles(files: ExecFiles): void {
  rmSync(files.process, { force: true });
  rmSync(files.pidFile, { force: true });
}

export function readPid(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, 'utf8'));
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** runc writes the file once the program runs; undefined when it ends before that. */
async function waitForPid(path: string, ended: Promise<boolean>): Promise<number | undefined> {
  for (let poll = 0; poll < PID_POLLS_MAX; poll += 1) {
    const pid = readPid(path);
    if (pid !== undefined) return pid;
    if (await Promise.race([ended, sleep(PID_POLL_MS, false)])) return readPid(path);
  }
  throw new EngineError('unavailable', 'the external runtime did not start the container in time');
}
