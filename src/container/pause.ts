// pause and unpause: the freezer of the container's cgroup.
import { EngineError, errnoOf, isEngineError } from '#base/error.ts';
import type { Deps } from './deps.ts';
import { publish } from './event.ts';
import { guard } from './guard.ts';
import type { Task } from './port.ts';
import { putFact } from './put-fact.ts';
import type { ContainerRecord } from './record.ts';

const NO_PROCESS = 'ESRCH';

export async function pause(
  deps: Deps,
  ref: string,
  { forCommit }: { readonly forCommit: boolean } = { forCommit: false },
): Promise<void> {
  const { id } = deps.store.get(ref);
  using _lock = await deps.locks.acquire(id);
  const record = deps.store.get(id);
  guard(record, 'pause', ref);
  if (record.state.status !== 'running') return;
  const { pid, startedAt } = record.state;
  await onTask(deps, id, (task) => task.pause());
  await putFact(deps, { ...record, state: { status: 'paused', pid, startedAt, forCommit } });
  publish(deps, record, 'pause');
}

export async function unpause(deps: Deps, ref: string): Promise<void> {
  const { id } = deps.store.get(ref);
  using _lock = await deps.locks.acquire(id);
  const record = deps.store.get(id);
  guard(record, 'unpause', ref);
  await onTask(deps, id, (task) => thaw(deps, record, task));
}

/** The caller holds the lock. */
export async function thaw(deps: Deps, record: ContainerRecord, task: Task): Promise<void> {
  if (record.state.status !== 'paused') return;
  const { pid, startedAt } = record.state;
  await task.resume();
  await putFact(deps, { ...record, state: { status: 'running', pid, startedAt } });
  publish(deps, record, 'unpause');
}

/** The task of a container whose record says that it runs. */
export function taskOf(deps: Pick<Deps, 'lives'>, id: string): Task {
  const { task } = deps.lives.of(id);
  if (task !== undefined) return task;
  throw notRunning(id, undefined);
}

/**
 * A verb that is not held back until the exit of the container is handled may meet its end: then
 * cgroups and monitor are gone while the record still says that it runs.
 */
export async function onTask<T>(
  deps: Pick<Deps, 'lives'>,
  id: string,
  work: (task: Task) => Promise<T>,
): Promise<T> {
  const task = taskOf(deps, id);
  try {
    return await work(task);
  } catch (error) {
    throw isNotRunning(error) || !isAlive(task.pid) ? notRunning(id, error) : error;
  }
}

function notRunning(id: string, cause: unknown): EngineError {
  const facts = { errno: NO_PROCESS };
  return new EngineError('conflict', `container ${id} is not running`, { cause, facts });
}

/** Also of what the runtime says for want of a process. */
export function isNotRunning(error: unknown): boolean {
  return isEngineError(error) && error.facts['errno'] === NO_PROCESS;
}

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return errnoOf(error) !== NO_PROCESS;
  }
}
