// The /volumes endpoints.
import { EngineError, isEngineError } from '#base/error.ts';
import type { Volume as VolumeRecord } from '#volume/record.ts';
import { olderThan } from '#wire/version.ts';
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
    // Ours, where Docker's drivers say what they know; it has none for plain volumes.
    ...(volume.limit === undefined ? {} : { Status: limitStatus(volume.limit) }),
  };
}

type Limit = NonNullable<VolumeRecord['limit']>;

function limitStatus(limit: Limit): NonNullable<Volume['Status']> {
  return { SizeBytes: limit.bytes, LimitedBy: limit.kind === 'quota' ? 'project quota' : 'disk' };
}

async function listVolumes(exchange: Exchange): Promise<void> {
  const { deps, query } = exchange;
  const filters = parseFilters(query.text('filters'), LIST_FILTERS);
  const dangling = boolFilter(filters, 'dangling');
  const names = filters.get('name') ?? [];
  const drivers = filters.get('driver') ?? [];
  const users = deps.volumes.users();
  const found = deps.volumes
    .list()
    .filter(
      (volume) =>
        (names.length === 0 || names.some((name) => volume.name.includes(name))) &&
        (drivers.length === 0 || drivers.includes(volume.driver)) &&
        matchLabels(volume.labels, filters.get('label') ?? []) &&
        (dangling === undefined || dangling === !users.has(volume.name)),
    );
  const list: VolumeList = { Volumes: found.map(renderVolume), Warnings: null };
  sendJson(exchange, 200, list);
}

async function inspectVolume(exchange: Exchange): Promise<void> {
  const { deps, params } = exchange;
  sendJson(exchange, 200, renderVolume(deps.volumes.get(params['name'] ?? '')));
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
    await deps.volumes.remove(name);
  } catch (error) {
    if (!query.bool('force') || !isEngineError(error, 'not_found')) throw error;
  }
  sendEmpty(exchange, 204);
}

/**
 * Without all=1 only volumes that nobody named; before API 1.42 there was no difference. What lies
 * in a directory or on a server of somebody else is left alone, as in dockerd.
 */
async function pruneVolumes(exchange: Exchange): Promise<void> {
  const { deps, query, version } = exchange;
  const filters = parseFilters(query.text('filters'), PRUNE_FILTERS);
  const all = boolFilter(filters, 'all') ?? olderThan(version, ALL_SINCE);
  const deleted: string[] = [];
  let reclaimed = 0;
  const users = deps.volumes.users();
  for (const volume of deps.volumes.list()) {
    if (!(all || volume.anonymous) || volume.source.kind !== 'directory') continue;
    if (!wanted(filters, volume) || users.has(volume.name)) continue;
    const { bytes } = await deps.volumes.usage(volume.name);
    try {
      await deps.volumes.remove(volume.name);
    } catch (error) {
      // A container has it by now, or somebody else has removed it.
      if (isEngineError(error, 'conflict') || isEngineError(error, 'not_found')) continue;
      throw error;
    }
    deleted.push(volume.name);
    reclaimed += Math.max(0, bytes);
  }
  const reply: VolumePruneReply = {
    VolumesDeleted: deleted.length > 0 ? deleted : null,
    SpaceReclaimed: reclaimed,
  };
  deps.volumes.pruned(reclaimed);
  sendJson(exchange, 200, reply);
}

const ALL_SINCE = '1.42';

function wanted(filters: Filters, volume: VolumeRecord): boolean {
  if (!matchLabels(volume.labels, filters.get('label') ?? [])) return false;
  return (filters.get('label!') ?? []).every((label) => !matchLabels(volume.labels, [label]));
}

/** Of cluster volumes, which only a swarm has. */
function updateVolume({ deps, params }: Exchange): never {
  deps.volumes.get(params['name'] ?? '');
  throw new EngineError('unavailable', NOT_A_MANAGER);
}

const NOT_A_MANAGER =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect ' +
  'this node to swarm and try again.';

export const VOLUME_ROUTES: readonly Route[] = [
  { method: 'GET', path: '/volumes', handler: listVolumes },
  { method: 'POST', path: '/volumes/create', handler: createVolume },
  { method: 'POST', path: '/volumes/prune', handler: pruneVolumes },
  { method: 'GET', path: '/volumes/{name:.*}', handler: inspectVolume },
  { method: 'PUT', path: '/volumes/{name:.*}', handler: updateVolume },
  { method: 'DELETE', path: '/volumes/{name:.*}', handler: removeVolume },
];
