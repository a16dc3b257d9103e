// What the engine's thread and the registry thread say to each other: one request is one coarse
// operation, and no byte of a layer crosses over.
import type { Digest } from '#base/digest.ts';
import { EngineError, type ErrorCode, type Facts, isEngineError, messageOf } from '#base/error.ts';
import type { Reference } from '#base/reference.ts';
import type { RegistryLimits } from './limit.ts';
import type {
  BlobName,
  FetchedManifest,
  ManifestHead,
  RegistryAction,
  RegistryAuth,
  RegistryConfig,
  SearchResult,
  SearchWish,
  TransferOptions,
} from './registry.ts';

/** One repository as one caller may use it. */
export type Target = {
  readonly name: Reference;
  readonly action: RegistryAction;
  readonly auth: RegistryAuth | undefined;
};

type About<T = unknown> = { readonly target: Target } & T;
type Put = { readonly reference: string; readonly bytes: Uint8Array; readonly mediaType: string };

/** Each operation's arguments and result. */
export type Ops = {
  manifest: [About<{ readonly digest: Digest | undefined }>, FetchedManifest];
  head: [About, ManifestHead];
  tags: [About, readonly string[]];
  download: [About<{ readonly blob: BlobName; readonly file: string }>, void];
  hasBlob: [About<{ readonly digest: Digest }>, boolean];
  mountBlob: [About<{ readonly digest: Digest; readonly from: string }>, boolean];
  upload: [About<{ readonly blob: BlobName; readonly file: string }>, void];
  putManifest: [About<Put>, Digest];
  search: [SearchWish, readonly SearchResult[]];
  login: [{ readonly auth: RegistryAuth }, { readonly identityToken: string }];
};
export type OpName = keyof Ops;
export type Performers = {
  readonly [K in OpName]: (args: Ops[K][0], options: TransferOptions) => Promise<Ops[K][1]>;
};
export type Call = { [K in OpName]: { readonly op: K; readonly args: Ops[K][0] } }[OpName];

export type WorkerSettings = {
  readonly config: RegistryConfig;
  readonly limits: RegistryLimits;
  /** HTTP_PROXY and its like. */
  readonly environment: Readonly<Record<string, string | undefined>>;
};

export type ToWorker =
  | { readonly type: 'call'; readonly id: number; readonly call: Call }
  | { readonly type: 'abort'; readonly id: number };

export type FromWorker =
  | { readonly type: 'progress'; readonly id: number; readonly current: number }
  | {
      readonly type: 'retry';
      readonly id: number;
      readonly seconds: number;
      readonly reason: string;
    }
  | { readonly type: 'done'; readonly id: number; readonly result: unknown }
  | { readonly type: 'failed'; readonly id: number; readonly error: SentError };

export type SentError = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly facts: Facts;
};

export function cancelled(): EngineError {
  return new EngineError('cancelled', 'context canceled');
}

/** An error without its class, which does not cross threads. */
export function sentError(error: unknown, signal: AbortSignal): SentError {
  if (signal.aborted) return { code: 'cancelled', message: 'context canceled', facts: {} };
  if (!isEngineError(error)) return { code: 'internal', message: messageOf(error), facts: {} };
  const { code, message, facts } = error;
  return { code, message, facts };
}
