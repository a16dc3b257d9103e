// What Docker has no words for: copies of volumes, other names, more room.
import { parseSize } from '#base/bytes.ts';
import { EngineError } from '#base/error.ts';
import type { Copied } from '#volume/content.ts';
import type { VolumeCopyReply, VolumeSnapshot } from '#wire/volume.ts';
import { readJsonBody } from '../body.ts';
import { type Exchange, sendEmpty, sendJson } from '../exchange.ts';
import type { Route } from '../router.ts';
import { renderVolume } from '../volume/routes.ts';

const nameOf = ({ params }: Exchange): string => params['name'] ?? '';

async function cloneVolume(exchange: Exchange): Promise<void> {
  const name = await wordOf(exchange, 'Name');
  const copied = await exchange.deps.volumes.clone(nameOf(exchange), name);
  sendJson(exchange, 201, renderCopy(name, copied));
}

async function snapshotVolume(exchange: Exchange): Promise<void> {
  const body = await readJsonBody(exchange.request, 'VolumeSnapshot');
  const copied = await exchange.deps.volumes.snapshot(nameOf(exchange), body.string('Name'));
  sendJson(exchange, 201, renderCopy(copied.name, copied));
}

async function listSnapshots(exchange: Exchange): Promise<void> {
  const snapshots = await exchange.deps.volumes.snapshots(nameOf(exchange));
  const list = snapshots.map(
    ({ name, createdAt, limit }): VolumeSnapshot => ({
      Name: name,
      CreatedAt: createdAt,
      Size: limit?.bytes ?? null,
    }),
  );
  sendJson(exchange, 200, list);
}

async function removeSnapshot(exchange: Exchange): Promise<void> {
  const { deps, params } = exchange;
  await deps.volumes.removeSnapshot(nameOf(exchange), params['snapshot'] ?? '');
  sendEmpty(exchange, 204);
}

async function rollbackVolume(exchange: Exchange): Promise<void> {
  const body = await readJsonBody(exchange.request, 'VolumeRollback');
  const copied = await exchange.deps.volumes.rollback(nameOf(exchange), body.string('Snapshot'));
  sendJson(exchange, 200, renderCopy(copied.name, copied));
}

async function renameVolume(exchange: Exchange): Promise<void> {
  const name = await wordOf(exchange, 'Name');
  sendJson(exchange, 200, renderVolume(await exchange.deps.volumes.rename(nameOf(exchange), name)));
}

async function resizeVolume(exchange: Exchange): Promise<void> {
  const bytes = parseSize(await wordOf(exchange, 'Size'));
  const resized = await exchange.deps.volumes.resize(nameOf(exchange), bytes);
  sendJson(exchange, 200, renderVolume(resized));
}

async function wordOf({ request }: Exchange, key: string): Promise<string> {
  const word = (await readJsonBody(request, 'VolumeChange')).string(key);
  if (word === '') throw new EngineError('invalid_argument', `${key} must not be empty`);
  return word;
}

function renderCopy(name: string, { bytesCopied, bytesShared }: Copied): VolumeCopyReply {
  return { Name: name, BytesCopied: bytesCopied, BytesShared: bytesShared };
}

const ONE = '/coracle/volumes/{name}';

export const VOLUME_COPY_ROUTES: readonly Route[] = [
  { method: 'POST', path: `${ONE}/clone`, handler: cloneVolume },
  { method: 'GET', path: `${ONE}/snapshots`, handler: listSnapshots },
  { method: 'POST', path: `${ONE}/snapshots`, handler: snapshotVolume },
  { method: 'DELETE', path: `${ONE}/snapshots/{snapshot}`, handler: removeSnapshot },
  { method: 'POST', path: `${ONE}/rollback`, handler: rollbackVolume },
  { method: 'POST', path: `${ONE}/rename`, handler: renameVolume },
  { method: 'POST', path: `${ONE}/resize`, handler: resizeVolume },
];
