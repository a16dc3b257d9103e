// prune: removes all containers that are not running.
import { isEngineError, EngineError } from '#base/error.ts';
import { parseMoment } from '#base/clock.ts';
import type { Deps } from './deps.ts';
import type { ContainerRecord } from './record.ts';
import { removeLocked } from './remove.ts';
import { allows } from './state.ts';

const FILTERS: readonly string[] = ['until', 'label', 'label!'];

export async function prune(
  deps: Deps,
  filters: ReadonlyMap<string, readonly string[]>,
): Promise<{ readonly deleted: readonly string[]; readonly spaceReclaimed: number }> {
  const wanted = compile(filters);
  const deleted: string[] = [];
  let spaceReclaimed = 0;
  for (const record of deps.store.list()) {
    if (!allows(record.state.status, 'remove') || !wanted(record)) continue;
    const bytes = await takeOne(deps, record.id);
    if (bytes === undefined) continue;
    deleted.push(record.id);
    spaceReclaimed += bytes;
  }
  const attributes = { reclaimed: String(spaceReclaimed) };
  deps.events.publish({ type: 'container', action: 'prune', actor: { id: '', attributes } });
  return { deleted, spaceReclaimed };
}

/** Its bytes; undefined when it stays, or somebody else has removed or started it. */
async function takeOne(deps: Deps, id: string): Promise<number | undefined> {
  try {
    const { rw } = await deps.snapshots.usage(id);
    using _lock = await deps.locks.acquire(id);
    const record = deps.store.find(id);
    if (record === undefined || !allows(record.state.status, 'remove')) return undefined;
    await removeLocked(deps, record, { volumes: false });
    return rw;
  } catch (error) {
    // As dockerd: one that cannot be removed keeps none of the others.
    if (!isEngineError(error, 'not_found')) deps.report(`prune container ${id}`, error);
    return undefined;
  }
}

function compile(
  filters: ReadonlyMap<string, readonly string[]>,
): (record: ContainerRecord) => boolean {
  for (const key of filters.keys()) {
    if (!FILTERS.includes(key))
      throw new EngineError('invalid_argument', `invalid filter '${key}'`);
  }
  const until = filters.get('until') ?? [];
  if (until.length > 1) {
    throw new EngineError('invalid_argument', 'more than one until filter specified');
  }
  const limit = until[0] === undefined ? undefined : momentOf(until[0]);
  const labels = filters.get('label') ?? [];
  const without = filters.get('label!') ?? [];
  return (record) =>
    (limit === undefined || record.createdAt < limit) &&
    labels.every((label) => hasLabel(record, label)) &&
    !without.some((label) => hasLabel(record, label));
}

function momentOf(text: string): bigint {
  const time = parseMoment(text);
  if (time === undefined) {
    const why = `failed to parse value as time or duration: ${JSON.stringify(text)}`;
    throw new EngineError('invalid_argument', why);
  }
  return time;
}

function hasLabel(record: ContainerRecord, wanted: string): boolean {
  const at = wanted.indexOf('=');
  const key = at === -1 ? wanted : wanted.slice(0, at);
  const { labels } = record.merged;
  return Object.hasOwn(labels, key) && (at === -1 || labels[key] === wanted.slice(at + 1));
}
