// restart: stop if there is something to stop, then start. One verb to its callers: neither the
// restart policy nor --rm act in between.
import { EngineError, isEngineError, messageOf } from '#base/error.ts';
import type { Deps } from './deps.ts';
import { publish } from './event.ts';
import { guard, isRunning } from './guard.ts';
import { startLocked } from './start.ts';
import { stop, type StopOptions } from './stop.ts';

export async function restart(deps: Deps, ref: string, options: StopOptions): Promise<void> {
  const { id } = deps.store.get(ref);
  try {
    await stopAndStart(deps, id, ref, options);
  } catch (error) {
    throw goneOf(deps, id, ref, error) ?? failed(ref, error);
  }
}

/** Not a failure of the engine: somebody has removed it meanwhile, or is about to. */
function goneOf(deps: Deps, id: string, ref: string, cause: unknown): EngineError | undefined {
  if (!isEngineError(cause, 'not_found') && !isEngineError(cause, 'conflict')) return undefined;
  const state = deps.store.find(id)?.state;
  if (state === undefined) {
    return new EngineError('not_found', `No such container: ${ref}`, { cause });
  }
  const leaves = state.status === 'removing' || (deps.lives.find(id)?.removing ?? 0) > 0;
  return leaves && cause.code === 'conflict' ? cause : undefined;
}

/** dockerd says which verb it was, and does not tell a refusal (409) from a failure (500). */
function failed(ref: string, cause: unknown): EngineError {
  const known = isEngineError(cause) && cause.code !== 'internal';
  return new EngineError(
    known ? 'kernel_refused' : 'internal',
    `Cannot restart container ${ref}: ${messageOf(cause)}`,
    { cause, ...(isEngineError(cause) ? { facts: cause.facts } : {}) },
  );
}

async function stopAndStart(
  deps: Deps,
  id: string,
  ref: string,
  options: StopOptions,
): Promise<void> {
  const { state } = deps.store.get(id);
  guard(deps.store.get(id), 'restart', ref);
  const live = deps.lives.of(id);
  live.held += 1;
  try {
    if (isRunning(state) || state.status === 'restarting') await stopFirst(deps, id, options);
    using _lock = await deps.locks.acquire(id);
    const record = deps.store.get(id);
    // Somebody else has started it meanwhile: it runs anew, which is what was asked for.
    if (!isRunning(record.state)) {
      guard(record, 'start', ref);
      await startLocked(deps, { ...record, restartCount: 0, manuallyStopped: false });
    }
    publish(deps, record, 'restart');
  } finally {
    live.held -= 1;
  }
}

async function stopFirst(deps: Deps, id: string, options: StopOptions): Promise<void> {
  try {
    await stop(deps, id, options);
  } catch (error) {
    if (!isEngineError(error, 'not_modified')) throw error;
  }
}
