// One class for everything that goes wrong, also on the raw streams of Node below.
import { EngineError as BaseError, messageOf } from '#base/error.ts';
import { ClientError } from '#client/error.ts';

export { ClientError as EngineError };

/** What was thrown, as our class. */
export function engineError(error: unknown, signal?: AbortSignal): ClientError {
  if (error instanceof ClientError) return error;
  if (signal?.aborted === true) {
    return new ClientError('cancelled', 'context canceled', { cause: signal.reason });
  }
  if (error instanceof BaseError) {
    return new ClientError(error.code, error.message, { cause: error, facts: error.facts });
  }
  const message = `the connection to the daemon was lost: ${messageOf(error)}`;
  return new ClientError('unavailable', message, { cause: error });
}

/** True where there is nothing left to remove. */
export function isGone(error: unknown): boolean {
  return (
    error instanceof ClientError &&
    (error.status === 404 || (error.status === 409 && /in progress/.test(error.message)))
  );
}
