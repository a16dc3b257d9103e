// The only place where an error code becomes an HTTP status. Below api/ nobody knows HTTP.
import { type ErrorCode, EngineError, isEngineError, messageOf } from '#base/error.ts';

export const STATUS = {
  invalid_argument: 400,
  not_found: 404,
  conflict: 409,
  not_modified: 304,
  forbidden: 403,
  unauthorized: 401,
  not_implemented: 501,
  unavailable: 503,
  // Docker answers 500 when the kernel or the runtime refuses a start.
  kernel_refused: 500,
  corrupt: 400,
  limit_exceeded: 400,
  // Nobody is left to read it; nginx's number for "client closed request".
  cancelled: 499,
  internal: 500,
} as const satisfies Record<ErrorCode, number>;

/** The program of the container could not be executed: Docker answers 400 for these. */
const BAD_COMMAND =
  /executable file not found|no such file or directory|permission denied|is a directory/i;

export function statusOf(error: unknown): number {
  if (!isEngineError(error) || error.facts[REGISTRY_FAILED] === true) return STATUS.internal;
  if (error.code === 'kernel_refused' && BAD_COMMAND.test(error.message)) return 400;
  return STATUS[error.code];
}

const REGISTRY_FAILED = 'registryFailed';

/**
 * Asks a registry, for whose failures dockerd answers 500: with 401 the docker CLI would ask for a
 * password, and 503 is for what this engine cannot do now.
 */
export async function askRegistry<T>(
  run: () => Promise<T>,
  codes: readonly ErrorCode[] = ['unavailable'],
): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!isEngineError(error) || !codes.includes(error.code)) throw error;
    const facts = { ...error.facts, [REGISTRY_FAILED]: true };
    throw new EngineError(error.code, error.message, { cause: error, facts });
  }
}

/** A message repeats names that the client gave; a hostile one does not fill logs with them. */
const MESSAGE_LENGTH_MAX = 4096;

/** What a client may read: an unexpected exception can hold host paths, so it stays in the log. */
export function publicMessage(error: unknown): string {
  if (error instanceof EngineError) return error.message.slice(0, MESSAGE_LENGTH_MAX);
  return `internal error: ${messageOf(error).split('\n')[0] ?? ''}`;
}
