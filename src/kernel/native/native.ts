// What the C program offers to TypeScript: the agent (one per daemon) and the monitors (one per
// container). Interfaces only; agent.ts and monitor.ts implement them over unix sockets.
import type { Duplex } from 'node:stream';
import type { ExecPlan, Exit, LaunchPlan, Op, OpResult } from './op.ts';

/** The daemon's hands: short operations, one at a time, in order. */
export interface Agent extends AsyncDisposable {
  /**
   * Performs the list; throws an OpError at the first operation that fails (the rest is not done).
   */
  perform(ops: readonly Op[]): Promise<readonly OpResult[]>;
  /**
   * Forks a monitor that listens on `<directory>/monitor.sock`; answers its pid on the host.
   * `makesNetwork`: while nobody waits for it, the monitor makes the network namespace of a
   * container that is to have a new one.
   */
  monitor(directory: string, makesNetwork?: boolean): Promise<number>;
}

/** Answer to launch() and exec(): the process exists and waits for go(). */
export type Ready = { readonly pid: number; readonly results: readonly OpResult[] };

/** Facts a monitor tells a daemon that (re)connects. */
export type MonitorState = {
  readonly pid: number;
  /** false between launch() and go(). */
  readonly started: boolean;
  readonly exit: Exit | undefined;
  /** Running processes made by exec(), by the id that exec() was given. */
  readonly execs: readonly { readonly id: string; readonly pid: number }[];
};

/**
 * The control connection to one monitor. It outlives nothing: dispose it and the monitor goes on,
 * unless go() was never called; then the monitor ends the container's process and cleans up.
 */
export interface Monitor extends AsyncDisposable {
  /** false as soon as it is known that the connection has ended. */
  readonly connected: boolean;
  /** Its run directory has another name now; what it writes goes there. */
  movedTo(directory: string): void;
  /** Makes the process up to its `ready` step. Throws an OpError that names the failed step. */
  launch(plan: LaunchPlan): Promise<Ready>;
  /** Lets the process run; answers when execve(2) has succeeded. Throws an OpError otherwise. */
  go(): Promise<readonly OpResult[]>;
  state(): Promise<MonitorState>;
  /** Resolves when the process has ended, its output is logged and the teardown list is done. */
  readonly exited: Promise<Exit & { readonly teardown: readonly OpResult[] }>;
  /** Resolves when the connection ends without an exit (the monitor was killed). */
  readonly lost: Promise<void>;
  /** kill(2) by the monitor, its parent: no pid reuse race. "" = the container's first process. */
  signal(exec: string, signal: number): Promise<void>;
  resize(exec: string, size: { readonly height: number; readonly width: number }): Promise<void>;
  /**
   * Starts one more process, with its streams. The returned stream speaks like attach(). The
   * process has passed its execve(2) when this resolves. `exit` resolves before the stream ends.
   */
  exec(id: string, plan: ExecPlan, wanted: Streams): Promise<ExecSession>;
  /**
   * A raw stream to the process, in the Engine API's own framing: reading gives frames with the
   * 8-byte header (or raw bytes with a tty), writing gives bytes for stdin, end() is end of input.
   */
  attach(exec: string, wanted: Streams): Promise<Duplex>;
}

export type Streams = {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
};

export type ExecSession = {
  readonly pid: number;
  readonly stream: Duplex;
  readonly exit: Promise<Exit>;
  readonly results: readonly OpResult[];
};
