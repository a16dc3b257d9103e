// What the instructions of a Dockerfile say, each as a typed value. Words are as they were written:
// variables are replaced when a build runs them, because each may change the next.
import type { Place } from './fault.ts';
import type { Heredoc, Statement } from './source.ts';

/** RUN, CMD, ENTRYPOINT: a line for the shell, or the arguments themselves. */
export type Command =
  | { readonly form: 'shell'; readonly line: string }
  | { readonly form: 'exec'; readonly argv: readonly string[] };

export type Pair = { readonly name: string; readonly value: string };

export type From = {
  readonly kind: 'from';
  readonly image: string;
  /** "" without AS. */
  readonly stage: string;
  readonly platform: string;
};
export type Arg = {
  readonly kind: 'arg';
  readonly args: readonly { readonly name: string; readonly value: string | undefined }[];
};
export type Env = { readonly kind: 'env'; readonly pairs: readonly Pair[] };
export type Label = { readonly kind: 'label'; readonly pairs: readonly Pair[] };
export type Run = {
  readonly kind: 'run';
  readonly command: Command;
  readonly mounts: readonly string[];
  readonly network: string;
  readonly security: string;
  readonly heredocs: readonly Heredoc[];
};
export type Copy = {
  readonly kind: 'copy' | 'add';
  readonly sources: readonly string[];
  readonly target: string;
  /** Files written in the Dockerfile itself; their names are among the sources. */
  readonly heredocs: readonly Heredoc[];
  readonly from: string;
  readonly chown: string;
  readonly chmod: string;
  readonly link: boolean;
  readonly parents: boolean;
  readonly exclude: readonly string[];
  readonly checksum: string;
  readonly keepGitDir: boolean;
  /** ADD --unpack; undefined: tar archives of the context are. */
  readonly unpack: boolean | undefined;
};
export type Cmd = { readonly kind: 'cmd'; readonly command: Command | undefined };
export type Entrypoint = { readonly kind: 'entrypoint'; readonly command: Command | undefined };
export type Expose = { readonly kind: 'expose'; readonly ports: readonly string[] };
export type Volume = { readonly kind: 'volume'; readonly paths: readonly string[] };
export type User = { readonly kind: 'user'; readonly user: string };
export type Workdir = { readonly kind: 'workdir'; readonly path: string };
export type Shell = { readonly kind: 'shell'; readonly argv: readonly string[] };
export type StopSignal = { readonly kind: 'stopsignal'; readonly signal: string };
export type Maintainer = { readonly kind: 'maintainer'; readonly name: string };
export type OnBuild = { readonly kind: 'onbuild'; readonly trigger: string };
export type Healthcheck = {
  readonly kind: 'healthcheck';
  /** undefined is NONE. */
  readonly command: Command | undefined;
  /** Nanoseconds; 0 is what Docker has by default. */
  readonly interval: number;
  readonly timeout: number;
  readonly startPeriod: number;
  readonly startInterval: number;
  readonly retries: number;
};

export type Instruction =
  | From
  | Arg
  | Env
  | Label
  | Run
  | Copy
  | Cmd
  | Entrypoint
  | Expose
  | Volume
  | User
  | Workdir
  | Shell
  | StopSignal
  | Maintainer
  | OnBuild
  | Healthcheck;

export type Located<T extends Instruction = Instruction> = {
  readonly place: Place;
  readonly statement: Statement;
  readonly instruction: T;
};
