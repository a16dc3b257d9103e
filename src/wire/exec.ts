// The /exec endpoints.
import type { Strings } from './container-config.ts';

/** Body of `POST /containers/{id}/exec`. */
export type ExecCreateBody = {
  readonly User?: string;
  readonly Privileged?: boolean;
  readonly Tty?: boolean;
  readonly ConsoleSize?: readonly [number, number] | null;
  readonly AttachStdin?: boolean;
  readonly AttachStdout?: boolean;
  readonly AttachStderr?: boolean;
  readonly Detach?: boolean;
  readonly DetachKeys?: string;
  readonly Env?: Strings | null;
  readonly WorkingDir?: string;
  readonly Cmd?: Strings | null;
};

export type ExecCreateReply = { readonly Id: string };

/** Body of `POST /exec/{id}/start`. */
export type ExecStartBody = {
  readonly Detach?: boolean;
  readonly Tty?: boolean;
  readonly ConsoleSize?: readonly [number, number] | null;
};

export type ExecInspect = {
  readonly ID: string;
  readonly Running: boolean;
  readonly ExitCode: number | null;
  readonly ProcessConfig: {
    readonly tty: boolean;
    readonly entrypoint: string;
    readonly arguments: Strings;
    readonly privileged: boolean;
    readonly user?: string;
    readonly workingDir?: string;
    readonly env?: Strings;
  };
  readonly OpenStdin: boolean;
  readonly OpenStderr: boolean;
  readonly OpenStdout: boolean;
  readonly CanRemove: boolean;
  readonly ContainerID: string;
  /** Base64: Go writes a byte slice. */
  readonly DetachKeys: string;
  readonly Pid: number;
};
