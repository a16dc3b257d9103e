// The one error class of the engine. `code` decides behaviour (api/status.ts maps it to an HTTP
// status, cli/ to an exit code), `message` is for people, `facts` are for logs.
// Nobody matches on message text, except where Docker's clients do and we test that we say it.

/** Closed set of error codes; docs/errors.md lists each one and a test compares. */
export const ERROR_CODES = [
  'invalid_argument', // the request is wrong and will stay wrong
  'not_found', // the named object does not exist
  'conflict', // the object exists, but its state or another object forbids this
  'not_modified', // nothing to do: already in the wanted state
  'forbidden', // understood and refused by policy
  'unauthorized', // credentials missing or wrong
  'not_implemented', // a known request that this engine does not serve
  'unavailable', // cannot be served now; trying again may help
  'kernel_refused', // a system call failed; facts say which and with what errno
  'corrupt', // stored or received data does not match its digest or format
  'limit_exceeded', // a named limit of ours was reached
  'cancelled', // the caller went away
  'internal', // a defect of ours
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

export type Facts = Readonly<Record<string, string | number | boolean | null | undefined>>;

export class EngineError extends Error {
  readonly code: ErrorCode;
  readonly facts: Facts;
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown; facts?: Facts }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'EngineError';
    this.code = code;
    this.facts = options?.facts ?? {};
  }
}

export function isEngineError(error: unknown, code?: ErrorCode): error is EngineError {
  return error instanceof EngineError && (code === undefined || error.code === code);
}

/** The errno name (`ENOENT`) of a Node system error, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Text of anything thrown, without a stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
