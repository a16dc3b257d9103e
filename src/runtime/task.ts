// A container that runs (or waits for go): the handle that container/ works with. Made by launch()
// and reconnect(); the same for our own init and for an external OCI runtime.
import { readdir, readFile } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { EngineError, errnoOf } from '#base/error.ts';
import { parseOomKills } from '#kernel/cgroup/oom.ts';
import { parseExitFile } from '#kernel/native/encode.ts';
import type { Agent, ExecSession, Monitor, Streams } from '#kernel/native/native.ts';
import type { Exit, LaunchPlan, Op, OpResult } from '#kernel/native/op.ts';
import type { ExecRequest } from './exec.ts';
import type { CgroupState, RuntimeState } from './state.ts';

export type Size = { readonly height: number; readonly width: number };

export type TaskExit = Exit & {
  readonly oomKilled: boolean;
  readonly teardown: readonly OpResult[];
};

export interface Task extends AsyncDisposable {
  /** On the host. */
  readonly pid: number;
  /** To be stored, and given to reconnect() by the next daemon. */
  readonly state: RuntimeState;
  /** undefined after reconnect(). */
  readonly plan: LaunchPlan | undefined;
  /** Of the operations done so far; with `plan`, what explain() takes. */
  readonly results: readonly OpResult[];
  /** Lets the process run; resolves when its execve has succeeded. */
  go(): Promise<void>;
  /** Resolves when the process has ended, its output is logged and its cgroups are gone. */
  readonly exited: Promise<TaskExit>;
  /** Resolves when the monitor is gone without having told an exit: call cleanUp(). */
  readonly lost: Promise<void>;
  signal(signal: number): Promise<void>;
  resize(size: Size): Promise<void>;
  attach(wanted: Streams): Promise<Duplex>;
  exec(id: string, request: ExecRequest, wanted: Streams): Promise<ExecSession>;
  signalExec(id: string, signal: number): Promise<void>;
  resizeExec(id: string, size: Size): Promise<void>;
  pause(signal?: AbortSignal): Promise<void>;
  resume(): Promise<void>;
  /** Pids on the host of all its processes, for `top`. */
  processes(): Promise<readonly number[]>;
}

/** What every kind of task needs of the outside. */
export type TaskDeps = {
  readonly agent: Agent;
  readonly connectMonitor: (directory: string) => Promise<Monitor>;
};

/** The exit that a monitor has left in its directory, if it has. */
export async function readExit(
  directory: string,
): Promise<(Exit & { readonly teardown: readonly OpResult[] }) | undefined> {
  const text = await readFile(`${directory}/exit`, 'utf8').catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return '';
    throw error;
  });
  return parseExitFile(text);
}

export function taskExit(
  exit: Exit & { readonly teardown: readonly OpResult[] },
  cgroup: CgroupState,
): TaskExit {
  // The oom file is the one file that a teardown list reads.
  const read = exit.teardown.find((result) => result.op === 'read' && result.errno === 0);
  const text = cgroup.oomFile === null ? '' : (read?.output.toString('utf8') ?? '');
  return { ...exit, oomKilled: parseOomKills(text) > 0 };
}

/** What a monitor does at an exit, for one that was killed before it could. */
export async function cleanUp(deps: { readonly agent: Agent }, cgroup: CgroupState): Promise<void> {
  const kill: Op[] =
    cgroup.killDirectory === null ? [] : [{ op: 'cgroup_kill', path: cgroup.killDirectory }];
  const ops: Op[] = [
    ...kill,
    ...cgroup.directories.map((path): Op => ({ op: 'cgroup_rmdir', path })),
  ];
  // Each by itself: one directory that cannot be removed must not keep the others.
  const errors: unknown[] = [];
  for (const op of ops) {
    try {
      await deps.agent.perform([op]);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length === 0) return;
  throw new EngineError('kernel_refused', 'cannot remove all cgroups of the container', {
    cause: errors[0],
    facts: { directories: cgroup.directories.join(' '), failed: errors.length },
  });
}

/** Containers that make cgroups inside are rarely deeper than a few levels. */
const CGROUP_DEPTH_MAX = 32;

/** All processes of a cgroup and of those that the container made below it. */
export async function cgroupProcesses(directory: string, depth = 0): Promise<number[]> {
  const text = await readFile(`${directory}/cgroup.procs`, 'utf8').catch((error: unknown) => {
    // ENOTSUP: a threaded cgroup2 tells of its processes at the domain above it.
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTSUP') return '';
    throw error;
  });
  const pids = text.split('\n').filter((line) => line !== '').map(Number);
  if (depth >= CGROUP_DEPTH_MAX) return pids;
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    if (!entry.isDirectory()) continue;
    pids.push(...(await cgroupProcesses(`${directory}/${entry.name}`, depth + 1)));
  }
  return pids;
}
