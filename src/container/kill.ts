// kill, and the parts of it that stop, restart and remove share.
import { EngineError, isEngineError } from '#base/error.ts';
import type { Deps } from './deps.ts';
import { publish } from './event.ts';
import { guard } from './guard.ts';
import { isAlive, thaw } from './pause.ts';
import type { Task } from './port.ts';
import { putFact } from './put-fact.ts';
import type { ContainerRecord } from './record.ts';
import { parseSignal, SIGKILL } from './signal.ts';

/** How long the kernel may take to end a process after SIGKILL (a stuck disk, a frozen cgroup). */
export const KILL_WAIT_MS = 10_000;

/** undefined = SIGKILL, and then it waits for the end, as Docker does. */
export async function kill(deps: Deps, ref: string, signal: string | undefined): Promise<void> {
  try {
    const number = signal === undefined ? SIGKILL : parseSignal(signal);
    const { id } = deps.store.get(ref);
    if (number === SIGKILL) await killAndWait(deps, id);
    else await sendSignal(deps, id, number);
  } catch (error) {
    if (!isEngineError(error)) throw error;
    const { code, facts } = error;
    const text = `cannot kill container: ${ref}: ${error.message}`;
    throw new EngineError(code, text, { cause: error, facts });
  }
}

/** SIGKILL, then the end; success when it has ended by itself meanwhile. */
export async function killAndWait(deps: Deps, id: string): Promise<void> {
  const ended = deps.lives.of(id).exited.next(AbortSignal.timeout(KILL_WAIT_MS));
  const sent = await sendSignal(deps, id, SIGKILL);
  if (!sent) return;
  try {
    await ended;
  } catch (error) {
    throw new EngineError(
      'internal',
      'tried to kill container, but did not receive an exit event',
      { cause: error, facts: { id } },
    );
  }
}

/** Answers false when there is no process to signal: it is waiting to be restarted. */
export async function sendSignal(deps: Deps, id: string, signal: number): Promise<boolean> {
  using _lock = await deps.locks.acquire(id);
  const record = deps.store.get(id);
  guard(record, 'kill');
  const live = deps.lives.of(id);
  if (await giveUpRestart(deps, record)) return false;
  const { stopSignal } = record.merged;
  // A signal that means "end" also means that no policy shall start it again.
  const isEnd =
    signal === SIGKILL || stopSignal === undefined || parseSignal(stopSignal) === signal;
  const marked = { ...record, manuallyStopped: record.manuallyStopped || isEnd };
  if (!record.manuallyStopped && isEnd) await putFact(deps, marked);
  const task = live.task;
  if (task === undefined) {
    throw new EngineError('unavailable', `container ${id} has lost its monitor`);
  }
  try {
    await task.signal('', signal);
  } catch (error) {
    if (!isEngineError(error, 'conflict')) throw error;
    // It has ended by itself, and its exit waits for our lock, or for an exec that is frozen.
    await letEnd(deps, marked, task, SIGKILL);
    // What SIGKILL asks for is so.
    if (signal === SIGKILL) return true;
    throw error;
  }
  publish(deps, record, 'kill', { signal: String(signal) });
  if (isEnd) await letEnd(deps, marked, task, signal);
  return true;
}

/** A frozen process takes its signal when it is thawed. */
async function letEnd(
  deps: Deps,
  record: ContainerRecord,
  task: Task,
  signal: number,
): Promise<void> {
  if (record.state.status !== 'paused') return;
  try {
    // By SIGKILL it ends paused, as with dockerd.
    await (signal === SIGKILL ? task.resume() : thaw(deps, record, task));
  } catch (error) {
    if (isAlive(task.pid)) throw error; // else it has ended, and its cgroups with it
  }
}

/**
 * True when it waited to be started again by its policy, which it does no more: who waits for its
 * end is told. The caller holds the lock.
 */
export async function giveUpRestart(deps: Deps, record: ContainerRecord): Promise<boolean> {
  if (record.state.status !== 'restarting') return false;
  const live = deps.lives.of(record.id);
  live.cancelRestart();
  const { exit, startedAt } = record.state;
  const state = { status: 'exited', exit, startedAt } as const;
  await putFact(deps, { ...record, manuallyStopped: true, state }, { durable: true });
  live.exited.tell({ statusCode: exit.exitCode, error: undefined });
  return true;
}
