// HEAD, GET and PUT /containers/{id}/archive: what `docker cp` is made of.
import type { IncomingMessage } from 'node:http';
import { EngineError } from '#base/error.ts';
import { formatTime } from '#base/clock.ts';
import type { PathStat } from '#container/archive.ts';
import type { ContainerPathStat } from '#wire/archive.ts';
import { closeStream, type Exchange, openStream, sendAll, sendEmpty } from '../exchange.ts';
import { ref } from './lifecycle.ts';

const STAT_HEADER = 'X-Docker-Container-Path-Stat';

export async function headArchive(exchange: Exchange): Promise<void> {
  const { deps, params } = exchange;
  setStat(exchange, await deps.containers.statArchive(ref(params), pathOf(exchange)));
  sendEmpty(exchange, 200);
}

export async function getArchive(exchange: Exchange): Promise<void> {
  const { deps, params } = exchange;
  const { stat, chunks } = await deps.containers.getArchive(ref(params), pathOf(exchange));
  setStat(exchange, stat);
  openStream(exchange, 'application/x-tar');
  await sendAll(exchange, chunks);
  closeStream(exchange);
}

export async function putArchive(exchange: Exchange): Promise<void> {
  const { deps, params, query, request, signal } = exchange;
  await deps.containers.putArchive(ref(params), pathOf(exchange), bodyOf(request), {
    noOverwriteDirNonDir: query.bool('noOverwriteDirNonDir'),
    copyUidGid: query.bool('copyUIDGID'),
    signal,
  });
  sendEmpty(exchange, 200);
}

function pathOf({ query }: Exchange): string {
  const path = query.text('path');
  if (path === '') throw new EngineError('invalid_argument', 'bad parameter: path cannot be empty');
  if (!path.includes('\0')) return path;
  throw new EngineError('invalid_argument', 'bad parameter: path contains a NUL byte');
}

function setStat({ response }: Exchange, stat: PathStat): void {
  const value: ContainerPathStat = {
    name: stat.name,
    size: stat.size,
    mode: stat.mode,
    mtime: formatTime(stat.mtime),
    linkTarget: stat.linkTarget,
  };
  response.setHeader(STAT_HEADER, Buffer.from(JSON.stringify(value)).toString('base64'));
}

/** Leaving the loop must not destroy the connection, which still has to carry the answer. */
function bodyOf(request: IncomingMessage): AsyncIterable<Uint8Array> {
  return request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
}
