// logs --clear: the container's log begins anew, also while it is written and read.
import { readdir, rm, truncate } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoOf } from '#base/error.ts';
import type { Deps } from './deps.ts';
import { pathsOf } from './make-box.ts';

/** The file stays the one that the monitor appends to; the rotated ones go. */
export async function clearLogs(deps: Pick<Deps, 'store' | 'locks'>, ref: string): Promise<void> {
  const { id } = deps.store.get(ref);
  using _lock = await deps.locks.acquire(id);
  const { log } = pathsOf(deps.store.directory(deps.store.get(id).id), id);
  try {
    await truncate(log);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error; // it has not run yet, or keeps no file
  }
  const base = `${basename(log)}.`;
  for (const name of await readdir(dirname(log))) {
    if (!name.startsWith(base) || !/^\d{1,4}$/.test(name.slice(base.length))) continue;
    await rm(join(dirname(log), name), { force: true });
  }
}
