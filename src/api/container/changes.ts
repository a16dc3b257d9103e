// GET /containers/{id}/changes.
import type { Change } from '#container/changes.ts';
import type { FilesystemChange } from '#wire/archive.ts';
import { type Exchange, sendJson } from '../exchange.ts';
import { ref } from './lifecycle.ts';

const KINDS = { changed: 0, added: 1, deleted: 2 } as const satisfies Record<
  Change['kind'],
  number
>;

export async function getChanges(exchange: Exchange): Promise<void> {
  const { deps, params } = exchange;
  const found = await deps.containers.changes(ref(params));
  const changes = found.map(
    ({ path, kind }): FilesystemChange => ({ Path: path, Kind: KINDS[kind] }),
  );
  sendJson(exchange, 200, changes.length === 0 ? null : changes);
}
