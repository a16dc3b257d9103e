// A container's state as a discriminated union, and the table of which verb is legal in which
// state. A pid exists only while there is a process, so nothing can signal pid 0.

export type Pid = number & { readonly __brand: 'Pid' };

export type Created = { readonly status: 'created' };
export type Running = {
  readonly status: 'running';
  readonly pid: Pid;
  readonly startedAt: bigint;
};
export type Paused = {
  readonly status: 'paused';
  readonly pid: Pid;
  readonly startedAt: bigint;
  /** By a commit, which lets it go on: so does the next daemon, where this one died meanwhile. */
  readonly forCommit: boolean;
};
/** Ended, and the restart policy will start it again. */
export type Restarting = {
  readonly status: 'restarting';
  readonly exit: ExitFacts;
  readonly startedAt: bigint;
};
export type Exited = {
  readonly status: 'exited';
  readonly exit: ExitFacts;
  readonly startedAt: bigint;
};
export type Removing = { readonly status: 'removing'; readonly before: State };
/** Removal failed half way; only remove is legal. */
export type Dead = { readonly status: 'dead'; readonly error: string };

export type ExitFacts = {
  readonly exitCode: number;
  readonly oomKilled: boolean;
  /** "" or why the start failed. */
  readonly error: string;
  readonly finishedAt: bigint;
};

export type State = Created | Running | Paused | Restarting | Exited | Removing | Dead;
export type Status = State['status'];

export type Verb =
  | 'start'
  | 'stop'
  | 'kill'
  | 'pause'
  | 'unpause'
  | 'exec'
  | 'restart'
  | 'rename'
  | 'remove'
  | 'resize'
  | 'attach'
  | 'update'
  | 'top';

/** Complete by type: each state lists what it allows; everything else is a conflict. */
export const VERBS = {
  created: ['start', 'restart', 'rename', 'remove', 'attach', 'update'],
  running: [
    'stop',
    'kill',
    'pause',
    'exec',
    'restart',
    'rename',
    'resize',
    'attach',
    'update',
    'top',
  ],
  paused: ['stop', 'kill', 'unpause', 'rename', 'update', 'top', 'resize', 'restart'],
  restarting: ['stop', 'kill', 'rename', 'restart', 'update'],
  exited: ['start', 'restart', 'rename', 'remove', 'attach', 'update'],
  removing: [],
  dead: ['remove'],
} as const satisfies Record<Status, readonly Verb[]>;

export function allows(status: Status, verb: Verb): boolean {
  return (VERBS[status] as readonly Verb[]).includes(verb);
}
