// A container that runs (or waits for go): the handle that container/ works with. The same for our
// own init and for an external OCI runtime.
import type { Duplex } from 'node:stream';
import { parseOomKills } from '#kernel/cgroup/oom.ts';
import type { Agent, ExecSession, Monitor, Streams } from '#kernel/native/native.ts';
import type { Exit, OpResult } from '#kernel/native/op.ts';
import type { BoxLimits } from './box.ts';
import type { ExecRequest } from './exec.ts';
import type { UsageReader } from './usage.ts';

export type Size = { readonly height: number; readonly width: number };

export type TaskExit = Exit & {
  readonly oomKilled: boolean;
  /** How many of its processes the kernel has killed for want of memory. */
  readonly oomKills: number;
};

export interface Task {
  /** On the host. */
  readonly pid: number;
  /** Lets the process run; resolves when its execve has succeeded. */
  go(): Promise<void>;
  /** Resolves when the process has ended, its output is logged and its cgroups are gone. */
  readonly exited: Promise<TaskExit>;
  /** Resolves when the monitor is gone without having told an exit: then sweep. */
  readonly lost: Promise<void>;
  /** exec: the id given to exec(), or "" for the container's first process. */
  signal(exec: string, signal: number): Promise<void>;
  resize(exec: string, size: Size): Promise<void>;
  attach(streams: Streams): Promise<Duplex>;
  exec(id: string, request: ExecRequest, streams: Streams): Promise<ExecSession>;
  pause(signal?: AbortSignal): Promise<void>;
  resume(): Promise<void>;
  /** All of its limits from now on; when one cannot be kept, all stay as they were. */
  update(limits: BoxLimits): Promise<void>;
  /** On the host, of all its processes. */
  pids(): Promise<readonly number[]>;
  /** Reads what it uses, again and again; to be disposed. */
  openUsage(): UsageReader;
  /** How many of its processes the kernel has killed for want of memory. */
  oomKills(): number;
  /** Ends the connection, not the process; before go() it ends the process too. */
  close(): Promise<void>;
}

/** A monitor that waits for the plan of its container; to be disposed when none comes. */
export type Spare = Monitor;

/** What goes on beside a launch, each part optional. */
export type Beside = {
  /** Forked before, in the directory of the launch. */
  readonly spare?: Promise<Spare> | undefined;
  /**
   * What the box names is there, a network namespace and files; awaited as late as possible.
   */
  readonly ready?: Promise<unknown>;
  /**
   * Told as soon as the process can be attached to, while it still is set up: so the connections of
   * waiting clients cost a start no time. What comes too early is refused, and asked for again
   * after launch().
   */
  readonly onAttachable?: (attach: Task['attach']) => void;
};

/** Monitors that are forked already, each in a directory of its own. */
export type SpareMonitors = {
  /**
   * One whose directory becomes this one, which is not there yet; undefined when there is none.
   * `makesNetwork`: with the network namespace of its container.
   */
  readonly take: (directory: string, makesNetwork: boolean) => Spare | undefined;
};

/** What the runtime needs of kernel/native. */
export type RuntimeDeps = {
  readonly agent: Agent;
  readonly connectMonitor: (directory: string) => Promise<Monitor>;
  readonly spares?: SpareMonitors | undefined;
};

export type ExitFacts = Exit & { readonly teardown: readonly OpResult[] };

export function taskExit(exit: ExitFacts): TaskExit {
  const { exitCode, signal, finishedAt, teardown } = exit;
  // The oom file is the one file that a teardown list reads.
  const read = teardown.find((result) => result.op === 'read' && result.errno === 0);
  const oomKills = parseOomKills(read?.output.toString('utf8') ?? '');
  return { exitCode, signal, finishedAt, oomKilled: oomKills > 0, oomKills };
}
