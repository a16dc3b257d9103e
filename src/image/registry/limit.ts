// The time limits of the transport. All are of one request; how often one is made again is the
// configuration's `attemptsMax`.

export type RegistryLimits = {
  /** Name, TCP and TLS. */
  readonly connectMs: number;
  /** From the end of a request to the head of its answer. */
  readonly headersMs: number;
  /** The same when a blob's upload ends: the registry hashes or moves it first. */
  readonly finishMs: number;
  /** No byte of a body for so long. */
  readonly silenceMs: number;
  /** The first wait before an attempt is made again; see backoffMs(). */
  readonly retryMs: number;
  /** The thread ends when nothing was asked of it for so long. */
  readonly idleMs: number;
};

export const REGISTRY_LIMITS: RegistryLimits = {
  connectMs: 15_000,
  headersMs: 60_000,
  finishMs: 600_000,
  silenceMs: 60_000,
  retryMs: 1_000,
  idleMs: 10_000,
};

/** Attempts at content whose digest or length was wrong: it is begun again from nothing. */
export const WRONG_CONTENT_MAX = 2;
/** An attempt that brought so much counts as a new beginning. */
export const PROGRESS_BYTES_MIN = 1024 * 1024;
/** A mirror that failed is not asked for so long. */
export const MIRROR_REST_MS = 30_000;
/** Between two reports of one transfer. */
export const PROGRESS_MS_MIN = 200;
