// What Docker has no words for: snapshots of what a container has written.
import type { TopSnapshot } from '#container/engine.ts';
import type { SnapshotCopyReply, SnapshotInspect, SnapshotSummary } from '#wire/snapshot.ts';
import { readJsonBody } from '../body.ts';
import { ref } from '../container/lifecycle.ts';
import { type Exchange, sendEmpty, sendJson } from '../exchange.ts';
import type { Route } from '../router.ts';

async function createSnapshot(exchange: Exchange): Promise<void> {
  const { deps, params, request } = exchange;
  const body = await readJsonBody(request, 'ContainerSnapshot');
  const made = await deps.containers.snapshot(ref(params), body.string('Name'));
  sendJson(exchange, 201, renderCopy(made));
}

async function listSnapshots(exchange: Exchange): Promise<void> {
  const found = await exchange.deps.containers.snapshots(ref(exchange.params));
  sendJson(exchange, 200, found.map(renderSummary));
}

async function inspectSnapshot(exchange: Exchange): Promise<void> {
  const { deps, params } = exchange;
  const found = await deps.containers.inspectSnapshot(ref(params), params['snapshot'] ?? '');
  const reply: SnapshotInspect = { ...renderSummary(found), Size: found.size };
  sendJson(exchange, 200, reply);
}

async function removeSnapshot(exchange: Exchange): Promise<void> {
  const { deps, params } = exchange;
  await deps.containers.removeSnapshot(ref(params), params['snapshot'] ?? '');
  sendEmpty(exchange, 204);
}

async function rollback(exchange: Exchange): Promise<void> {
  const { deps, params, request } = exchange;
  const body = await readJsonBody(request, 'ContainerRollback');
  const done = await deps.containers.rollback(ref(params), body.string('Snapshot'));
  sendJson(exchange, 200, renderCopy(done));
}

function renderCopy({ name, bytesCopied, bytesShared }: TopSnapshot): SnapshotCopyReply {
  return { Name: name, BytesCopied: bytesCopied, BytesShared: bytesShared };
}

function renderSummary(snapshot: TopSnapshot): SnapshotSummary {
  return { ...renderCopy(snapshot), CreatedAt: snapshot.createdAt };
}

const SNAPSHOTS = '/coracle/containers/{id:.*}/snapshots';

export const SNAPSHOT_ROUTES: readonly Route[] = [
  { method: 'GET', path: SNAPSHOTS, handler: listSnapshots },
  { method: 'POST', path: SNAPSHOTS, handler: createSnapshot },
  { method: 'GET', path: `${SNAPSHOTS}/{snapshot}`, handler: inspectSnapshot },
  { method: 'DELETE', path: `${SNAPSHOTS}/{snapshot}`, handler: removeSnapshot },
  { method: 'POST', path: '/coracle/containers/{id:.*}/rollback', handler: rollback },
];
