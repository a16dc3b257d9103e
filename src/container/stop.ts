// stop: the stop signal, the grace period, SIGKILL.
import { EngineError, isEngineError } from '#base/error.ts';
import type { Deps } from './deps.ts';
import { publish } from './event.ts';
import { guard, isRunning } from './guard.ts';
import { KILL_WAIT_MS, killAndWait, sendSignal } from './kill.ts';
import type { ContainerRecord } from './record.ts';
import { parseSignal, SIGTERM } from './signal.ts';
import { allows, type State } from './state.ts';

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
  const record = await startedOf(deps, ref);
  guard(record, 'stop', ref);
  await end(deps, record, options);
  publish(deps, record, 'stop');
}

/** After a start in flight, which is to be stopped too: a client may have given it up (Ctrl-C). */
async function startedOf(deps: Deps, ref: string): Promise<ContainerRecord> {
  const record = deps.store.get(ref);
  if (allows(record.state.status, 'stop') || !deps.locks.busy(record.id)) return record;
  using _lock = await deps.locks.acquire(record.id);
  return deps.store.get(record.id);
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
    return hasEnded(deps, record, error);
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
    await hasEnded(deps, record, error);
  }
}

/**
 * There was nothing to signal: it ended by itself between the look and the signal, which is what
 * was asked for. Its exit may still wait for its turn, and is told before this resolves: who has
 * stopped a container may start or remove it.
 */
async function hasEnded(deps: Deps, before: ContainerRecord, error: unknown): Promise<void> {
  if (!isEngineError(error, 'conflict') && !isEngineError(error, 'not_found')) throw error;
  let told: Promise<unknown>;
  {
    // An exit is settled under the lock: who has it sees an exit that is whole, or not begun.
    using _lock = await deps.locks.acquire(before.id);
    const now = deps.store.find(before.id);
    if (now === undefined || !sameRun(now.state, before.state)) return;
    told = deps.lives.of(before.id).exited.next(AbortSignal.timeout(KILL_WAIT_MS));
  }
  await told.catch((cause: unknown) => {
    const text = `container ${before.id} has ended, but did not tell how`;
    throw new EngineError('internal', text, { cause });
  });
}

/** Somebody may have started it again meanwhile. */
function sameRun(now: State, before: State): boolean {
  return isRunning(now) && 'startedAt' in before && now.startedAt === before.startedAt;
}

function stopSignalOf(record: ContainerRecord, wish: string | undefined): number {
  const text = wish === undefined || wish === '' ? record.merged.stopSignal : wish;
  return text === undefined || text === '' ? SIGTERM : parseSignal(text);
}
