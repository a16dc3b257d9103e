// rename: the new name is taken before the old one is given back.
import { EngineError } from '#base/error.ts';
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
  const name = parseName(wish);
  if (name === record.name) {
    const text = 'Renaming a container with the same name as its current name';
    throw new EngineError('invalid_argument', text);
  }
  deps.store.reserve(name, id);
  try {
    await deps.store.put({ ...record, name }, { durable: true });
  } catch (error) {
    deps.store.release(name, id);
    throw error;
  }
  publish(deps, deps.store.get(id), 'rename', { oldName: `/${record.name}` });
}
