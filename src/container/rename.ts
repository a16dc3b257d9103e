// rename: the new name is taken before the old one is given back.
import { EngineError, isEngineError } from '#base/error.ts';
import { Undo } from '#base/undo.ts';
import type { Deps } from './deps.ts';
import { publish } from './event.ts';
import { guard } from './guard.ts';
import { parseName } from './name.ts';

export async function rename(deps: Deps, ref: string, wish: string): Promise<void> {
  if (ref === '' || wish === '') {
    throw new EngineError('invalid_argument', 'Neither old nor new names may be empty');
  }
  const { id } = deps.store.get(ref);
  using _lock = await deps.locks.acquire(id);
  const record = deps.store.get(id);
  guard(record, 'rename', ref);
  const name = allocating(() => parseName(wish.startsWith('/') ? wish : `/${wish}`));
  if (name === record.name) {
    const text = 'Renaming a container with the same name as its current name';
    throw new EngineError('invalid_argument', text);
  }
  allocating(() => deps.store.reserve(name, id));
  await using undo = new Undo(deps.report);
  undo.add('release the new name', () => {
    if (deps.store.get(id).name !== name) deps.store.release(name, id);
  });
  // A container that runs is found by its name on its networks.
  await deps.networks.rename(id, name);
  undo.add('give the old name back', () => deps.networks.rename(id, record.name));
  await deps.store.put({ ...record, name }, { durable: true });
  undo.commit();
  publish(deps, deps.store.get(id), 'rename', { oldName: `/${record.name}` });
}

/** In Docker's words, which programs search. */
function allocating<T>(take: () => T): T {
  try {
    return take();
  } catch (error) {
    if (!isEngineError(error)) throw error;
    const text = `Error when allocating new name: ${error.message}`;
    throw new EngineError(error.code, text, { cause: error });
  }
}
