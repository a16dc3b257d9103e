// What a command is: one row of the table. The row drives parsing, --help, completion and
// did-you-mean; the code behind it is loaded only when the command runs.
import type { EngineClient } from '#client/client.ts';
import type { Flags, FlagSpec } from './flags.ts';

export type ArgRule =
  | { readonly rule: 'none' }
  | { readonly rule: 'exact'; readonly count: number }
  | { readonly rule: 'at-least'; readonly count: number }
  | { readonly rule: 'range'; readonly min: number; readonly max: number };

/** What the shell completes the positionals with. */
export type Completion =
  | 'container'
  | 'running'
  | 'paused'
  | 'stopped'
  | 'image'
  | 'network'
  | 'volume'
  | 'slice'
  | 'context'
  | 'command';

export interface CommandSpec {
  readonly name: string;
  readonly aliases?: readonly string[];
  /** What follows the name in the usage line. */
  readonly usage: string;
  readonly short: string;
  readonly args: ArgRule;
  readonly flags?: readonly FlagSpec[];
  /** All the ways to call it, without our own name: "container ls", "ps". */
  readonly paths?: readonly string[];
  readonly children?: readonly CommandSpec[];
  /**
   * Of a command that also runs by itself: whether the words after a child's name are for the
   * child. The name may be an argument: of `port add 80` it is a container's.
   */
  readonly isForChild?: (rest: readonly string[]) => boolean;
  /** False: flags end at the first positional. */
  readonly interspersed?: false;
  readonly group?: 'common' | 'management' | 'other' | 'hidden';
  /** A list: the first positional, the second, and so on; the last one repeats. */
  readonly completes?: Completion | readonly Completion[];
  /** Only the first positional is completed. */
  readonly completesOne?: true;
  readonly load?: () => Promise<{ readonly run: Run }>;
}

export interface Context {
  readonly flags: Flags;
  readonly args: readonly string[];
  readonly client: EngineClient;
  /** The flags before the command. */
  readonly globals: Flags;
  /** --config, '' if not given: where docker's client configuration is. */
  readonly configFolder: string;
  /** "coracle run": for texts that name the command. */
  readonly path: string;
}

/** Resolves to the exit code. */
export type Run = (context: Context) => Promise<number>;

/** Ends the process with a code of its own; the message, if any, is printed as it is. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: number;
  constructor(exitCode: number, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.exitCode = exitCode;
  }
}
