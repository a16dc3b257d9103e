// stop: the stop signal, the grace period, SIGKILL.
import type { Deps } from './deps.ts';
import { publish } from './event.ts';
import { guard } from './guard.ts';
import { killAndWait, sendSignal } from './kill.ts';
import type { ContainerRecord } from './record.ts';
import { parseSignal, SIGTERM } from './signal.ts';
import { isEngineError } from '#base/error.ts';

/** Docker's grace period. */
export const STOP_TIMEOUT_SECONDS = 10;
/** setTimeout(2^31 ms) fires at once; nobody waits 24 days for a stop. */
const TIMEOUT_MS_MAX = 2_000_000_000;

export type StopOptions = {
  readonly signal: string | undefined;
  /** Negative = wait for ever. */
  readonly timeoutSeconds: number | undefined;
};

export async function stop(deps: Deps, ref: string, options: StopOptions): Promise<void> {
  const record = deps.store.get(ref);
  guard(record, 'stop', ref);
  await end(deps, record, options);
  publish(deps, record, 'stop');
}

/** Until the process has ended, one way or the other. Not cancelled when the client goes away. */
async function end(deps: Deps, record: ContainerRecord, options: StopOptions): Promise<void> {
  const signal = stopSignalOf(record, options.signal);
  const seconds = options.timeoutSeconds ?? record.spec.config.stopTimeout ?? STOP_TIMEOUT_SECONDS;
  const timeout =
    seconds < 0 ? undefined : AbortSignal.timeout(Math.min(seconds * 1000, TIMEOUT_MS_MAX));
  const ended = deps.lives.of(record.id).exited.next(timeout);
  try {
    if (!(await sendSignal(deps, record.id, signal))) return;
  } catch (error) {
    // It ended between the look and the signal: what was asked for is so.
    if (isEngineError(error, 'conflict') || isEngineError(error, 'not_found')) return;
    throw error;
  }
  try {
    await ended;
    return;
  } catch {
    // The grace period is over: the next step is the answer to that.
  }
  try {
    await killAndWait(deps, record.id);
  } catch (error) {
    if (isEngineError(error, 'conflict') || isEngineError(error, 'not_found')) return;
    throw error;
  }
}

function stopSignalOf(record: ContainerRecord, wish: string | undefined): number {
  const text = wish === undefined || wish === '' ? record.merged.stopSignal : wish;
  return text === undefined || text === '' ? SIGTERM : parseSignal(text);
}
