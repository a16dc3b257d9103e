// The /volumes endpoints.
import { EngineError } from '#base/error.ts';
import type { Volume as VolumeRecord } from '#volume/volume.ts';
import type { Volume, VolumeList, VolumePruneReply } from '#wire/volume.ts';
import { readJsonBody } from '../body.ts';
import { type Exchange, sendEmpty, sendJson } from '../exchange.ts';
import { boolFilter, type Filters, matchLabels, parseFilters } from '../filters.ts';
import type { Route } from '../router.ts';

const LIST_FILTERS = ['dangling', 'driver', 'label', 'name'];
const PRUNE_FILTERS = ['all', 'label', 'label!'];

export function renderVolume(volume: VolumeRecord): Volume {
  const options = Object.keys(volume.options).length > 0 ? volume.options : null;
  return {
    CreatedAt: volume.createdAt,
    Driver: volume.driver,
    Labels: Object.keys(volume.labels).length > 0 ? volume.labels : null,
    Mountpoint: volume.mountpoint,
    Name: volume.name,
    Options: options,
    Scope: 'local',
  };
}

async function listVolumes(exchange: Exchange): Promise<void> {
  const { deps, query } = exchange;
  const filters = parseFilters(query.text('filters'), LIST_FILTERS);
  const dangling = boolFilter(filters, 'dangling');
  const names = filters.get('name') ?? [];
  const drivers = filters.get('driver') ?? [];
  const found = (await deps.volumes.list()).filter(
    (volume) =>
      (names.length === 0 || names.some((name) => volume.name.includes(name))) &&
      (drivers.length === 0 || drivers.includes(volume.driver)) &&
      matchLabels(volume.labels, filters.get('label') ?? []) &&
      (dangling === undefined || dangling === (usersOf(exchange, volume.name).length === 0)),
  );
  const list: VolumeList = { Volumes: found.map(renderVolume), Warnings: null };
  sendJson(exchange, 200, list);
}

async function inspectVolume(exchange: Exchange): Promise<void> {
  const { deps, params } = exchange;
  sendJson(exchange, 200, renderVolume(await deps.volumes.get(params['name'] ?? '')));
}

async function createVolume(exchange: Exchange): Promise<void> {
  const { deps, request } = exchange;
  const body = await readJsonBody(request, 'CreateOptions');
  const driver = body.string('Driver');
  const volume = await deps.volumes.create({
    name: body.string('Name'),
    ...(driver === '' ? {} : { driver }),
    labels: body.stringMap('Labels'),
    options: body.stringMap('DriverOpts'),
  });
  sendJson(exchange, 201, renderVolume(volume));
}

async function removeVolume(exchange: Exchange): Promise<void> {
  const { deps, params, query } = exchange;
  const name = params['name'] ?? '';
  try {
    await deps.volumes.get(name);
  } catch (error) {
    if (query.bool('force')) return sendEmpty(exchange, 204);
    throw error;
  }
  const users = usersOf(exchange, name);
  if (users.length > 0) {
    const text = `remove ${name}: volume is in use - [${users.join(', ')}]`;
    throw new EngineError('conflict', text);
  }
  await deps.volumes.remove(name);
  sendEmpty(exchange, 204);
}

/** Without all=1 only volumes that nobody named. */
async function pruneVolumes(exchange: Exchange): Promise<void> {
  const { deps, query } = exchange;
  const filters = parseFilters(query.text('filters'), PRUNE_FILTERS);
  const all = boolFilter(filters, 'all') === true;
  const deleted: string[] = [];
  for (const volume of await deps.volumes.list()) {
    if (!all && !volume.anonymous) continue;
    if (!wanted(filters, volume) || usersOf(exchange, volume.name).length > 0) continue;
    await deps.volumes.remove(volume.name);
    deleted.push(volume.name);
  }
  const reply: VolumePruneReply = {
    VolumesDeleted: deleted.length > 0 ? deleted : null,
    SpaceReclaimed: 0,
  };
  sendJson(exchange, 200, reply);
}

function wanted(filters: Filters, volume: VolumeRecord): boolean {
  if (!matchLabels(volume.labels, filters.get('label') ?? [])) return false;
  return (filters.get('label!') ?? []).every((label) => !matchLabels(volume.labels, [label]));
}

function usersOf({ deps }: Exchange, name: string): readonly string[] {
  return deps.containers
    .list()
    .filter(({ mounts }) => mounts.some((mount) => mount.type === 'volume' && mount.name === name))
    .map(({ id }) => id);
}

export const VOLUME_ROUTES: readonly Route[] = [
  { method: 'GET', path: '/volumes', handler: listVolumes },
  { method: 'POST', path: '/volumes/create', handler: createVolume },
  { method: 'POST', path: '/volumes/prune', handler: pruneVolumes },
  { method: 'GET', path: '/volumes/{name:.*}', handler: inspectVolume },
  { method: 'DELETE', path: '/volumes/{name:.*}', handler: removeVolume },
];
