// pause and unpause: the freezer of the container's cgroup.
import { EngineError } from '#base/error.ts';
import type { Deps } from './deps.ts';
import { publish } from './event.ts';
import { guard } from './guard.ts';
import type { Task } from './port.ts';

export async function pause(deps: Deps, ref: string): Promise<void> {
  const { id } = deps.store.get(ref);
  using _lock = await deps.locks.acquire(id);
  const record = deps.store.get(id);
  guard(record, 'pause', ref);
  if (record.state.status !== 'running') return;
  const { pid, startedAt } = record.state;
  await taskOf(deps, id).pause();
  await deps.store.put(
    { ...record, state: { status: 'paused', pid, startedAt } },
    { durable: false },
  );
  publish(deps, record, 'pause');
}

export async function unpause(deps: Deps, ref: string): Promise<void> {
  const { id } = deps.store.get(ref);
  using _lock = await deps.locks.acquire(id);
  const record = deps.store.get(id);
  guard(record, 'unpause', ref);
  if (record.state.status !== 'paused') return;
  const { pid, startedAt } = record.state;
  await taskOf(deps, id).resume();
  await deps.store.put(
    { ...record, state: { status: 'running', pid, startedAt } },
    { durable: false },
  );
  publish(deps, record, 'unpause');
}

/** The task of a container whose record says that it runs. */
export function taskOf(deps: Pick<Deps, 'lives'>, id: string): Task {
  const { task } = deps.lives.of(id);
  if (task !== undefined) return task;
  throw new EngineError('unavailable', `container ${id} has lost its monitor`, { facts: { id } });
}
