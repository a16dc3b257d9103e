// Ours: snapshots of what a container has written, and going back to one. One that runs is frozen
// for the copy, so that it is of one moment, as after a power cut.
import { EngineError } from '#base/error.ts';
import type { TopSnapshot } from '#snapshot/top-copies.ts';
import type { Deps } from './deps.ts';
import { publish } from './event.ts';
import { checkThere, isRunning } from './guard.ts';
import { taskOf } from './pause.ts';
import type { ContainerRecord } from './record.ts';

export type SnapshotView = TopSnapshot & {
  /** On disk, with what it shares. */
  readonly size: number;
};

/** "" names it after the moment. */
export async function snapshot(deps: Deps, ref: string, name: string): Promise<TopSnapshot> {
  const { id } = deps.store.get(ref);
  using _lock = await deps.locks.acquire(id);
  const record = deps.store.get(id);
  checkThere(record);
  const made = await whileFrozen(deps, record, () => deps.copies.create(id, name));
  publish(deps, record, 'snapshot', { snapshot: made.name });
  return made;
}

async function whileFrozen<T>(
  deps: Deps,
  { id, state }: ContainerRecord,
  run: () => Promise<T>,
): Promise<T> {
  if (state.status !== 'running') return run();
  const task = taskOf(deps, id);
  try {
    await task.pause();
  } catch (cause) {
    const text = `cannot take a snapshot of container ${id}: it runs and cannot be frozen`;
    throw new EngineError('conflict', text, { cause });
  }
  try {
    return await run();
  } finally {
    // It may have been killed meanwhile; a new daemon thaws what the death of this one leaves.
    await task.resume().catch(() => {});
  }
}

export function snapshots(deps: Deps, ref: string): Promise<readonly TopSnapshot[]> {
  return deps.copies.list(deps.store.get(ref).id);
}

export async function inspectSnapshot(
  deps: Deps,
  ref: string,
  name: string,
): Promise<SnapshotView> {
  const { id } = deps.store.get(ref);
  const found = await deps.copies.get(id, name);
  return { ...found, size: await deps.copies.usage(id, found.name) };
}

export async function removeSnapshot(deps: Deps, ref: string, name: string): Promise<void> {
  const { id } = deps.store.get(ref);
  using _lock = await deps.locks.acquire(id);
  await deps.copies.remove(id, name);
}

/** "" = the newest. The snapshot stays. */
export async function rollback(deps: Deps, ref: string, name: string): Promise<TopSnapshot> {
  const { id } = deps.store.get(ref);
  using _lock = await deps.locks.acquire(id);
  const record = deps.store.get(id);
  checkThere(record);
  if (isRunning(record.state) || record.state.status === 'restarting') {
    const why = `container is ${record.state.status}: stop the container before rolling it back`;
    throw new EngineError('conflict', `cannot roll back container "/${record.name}": ${why}`);
  }
  deps.lives.of(id).cutVisits('the container is rolled back');
  const done = await deps.copies.rollback(id, name);
  publish(deps, record, 'rollback', { snapshot: done.name });
  return done;
}
