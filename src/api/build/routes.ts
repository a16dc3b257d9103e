// POST /build, POST /build/prune and what /system/df tells of the cache.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { formatTime, now, parseMoment } from '#base/clock.ts';
import { EngineError, isEngineError } from '#base/error.ts';
import type { BuildCacheRecord, BuildMessage, BuildPruneReply } from '#wire/build.ts';
import {
  closeStream,
  type Exchange,
  openStream,
  sendChunk,
  sendEmpty,
  sendJson,
} from '../exchange.ts';
import { type Filters, parseFilters } from '../filters.ts';
import { hijack } from '../hijack.ts';
import type { Route } from '../router.ts';
import { publicMessage } from '../status.ts';
import { openBody } from './contexts.ts';
import { parseBuild } from './parse.ts';
import type { BuildPort } from './port.ts';
import { openRemoteSource } from './remote.ts';
import type { BuildEvent } from '#build/request.ts';
import type { CacheUsage } from '#build/usage.ts';
import { isOrder, renderEvent } from './render-event.ts';
import { ClassicStream } from './stream.ts';

async function build(exchange: Exchange): Promise<void> {
  const { deps, query, request: http, response, signal } = exchange;
  const { contexts, events, quiet, remote, request } = parseBuild(query, http);
  const tell = async (message: BuildMessage): Promise<void> => {
    if (!response.headersSent) openStream(exchange, 'application/json');
    await sendChunk(exchange, `${JSON.stringify(message)}\r\n`);
  };
  const classic = new ClassicStream(tell, { quiet });
  const add = events
    ? (event: BuildEvent) => (isOrder(event) ? undefined : tell({ coracle: renderEvent(event) }))
    : (event: BuildEvent) => classic.add(event);
  try {
    await using body = openBody(bodyOf(http), contexts, remote === '');
    const { main, named } = body;
    const source =
      remote === ''
        ? ({ kind: 'archive', archive: main } as const)
        : await openRemoteSource(remote, signal);
    await deps.builds.build(source, { ...request, contexts: named }, add, signal);
    if (!response.headersSent) openStream(exchange, 'application/json');
  } catch (error) {
    if (!response.headersSent || isEngineError(error, 'cancelled') || signal.aborted) throw error;
    await classic.flush();
    const message = publicMessage(error);
    const facts = isEngineError(error) ? error.facts : {};
    const detail = {
      ...(typeof facts['exitCode'] === 'number' ? { code: facts['exitCode'] } : {}),
      message,
      ...(events && typeof facts['line'] === 'number' ? { line: facts['line'] } : {}),
    };
    await sendChunk(exchange, `${JSON.stringify({ errorDetail: detail, error: message })}\r\n`);
    deps.log.debug('a build ended with an error, told the client', { error });
  }
  closeStream(exchange);
}

/** A cache has no labels: `system prune --filter label=` has none of it to take. */
const PRUNE_FILTERS = [
  ...['until', 'unused-for', 'label', 'label!'],
  ...['id', 'type', 'description', 'inuse', 'shared', 'private'],
];

/** Left open when a build ends before its end: the answer still has to go out. */
function bodyOf(http: IncomingMessage): AsyncIterable<Uint8Array> {
  return http.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
}

async function prune(exchange: Exchange): Promise<void> {
  const { deps, query } = exchange;
  const filters = parseFilters(query.text('filters'), PRUNE_FILTERS);
  const text = filters.get('until')?.[0] ?? filters.get('unused-for')?.[0];
  const until = text === undefined ? undefined : parseMoment(text, now());
  if (text !== undefined && until === undefined) {
    throw new EngineError('invalid_argument', `invalid filter 'until=${text}'`);
  }
  const keepBytes = query.int('keep-storage') ?? query.int('reserved-space') ?? 0;
  if (filters.has('label')) {
    const nothing: BuildPruneReply = { CachesDeleted: null, SpaceReclaimed: 0 };
    return sendJson(exchange, 200, nothing);
  }
  const { bytes, deleted } = await deps.builds.prune({
    all: query.bool('all'),
    until,
    keepBytes,
    fits: fitsOf(filters),
  });
  const reply: BuildPruneReply = {
    CachesDeleted: deleted.length === 0 ? null : deleted,
    SpaceReclaimed: bytes,
  };
  sendJson(exchange, 200, reply);
}

/** As BuildKit: each field once; a flag without a value is one that is set. */
function fitsOf(filters: Pick<Filters, 'get'>): (usage: CacheUsage) => boolean {
  const one = (name: string): string | undefined => {
    const values = filters.get(name) ?? [];
    if (values.length < 2) return values[0];
    throw new EngineError('invalid_argument', 'filters expect only one value');
  };
  const [id, type, description] = [one('id'), one('type'), one('description')];
  const [inUse, shared, own] = [one('inuse'), one('shared'), one('private')];
  const is = (wish: string | undefined, value: string): boolean =>
    wish === undefined || wish === value;
  const has = (wish: string | undefined, value: boolean): boolean =>
    wish === undefined || (wish !== 'false' && wish !== '0') === value;
  return (usage) =>
    (id === undefined || usage.id.includes(id)) &&
    is(type, usage.type) &&
    is(description, usage.description) &&
    has(inUse, usage.inUse) &&
    has(shared, usage.shared) &&
    has(own, !usage.shared);
}

/** In no order: clients sort it. What an image has too costs nothing by itself. */
export async function renderBuildCache(
  builds: Pick<BuildPort, 'usage'>,
): Promise<readonly BuildCacheRecord[]> {
  return (await builds.usage()).map((entry) => ({
    ID: entry.id.slice(0, 25),
    Type: entry.type,
    Description: entry.description,
    InUse: entry.inUse,
    Shared: entry.shared,
    Size: entry.bytes,
    CreatedAt: formatTime(entry.created),
    LastUsedAt: entry.uses === 0 ? null : formatTime(entry.lastUsed),
    UsageCount: entry.uses,
  }));
}

/** The client of a build comes for a connection that one of its steps has made to an ssh agent. */
async function answerAgentCall(exchange: Exchange): Promise<void> {
  const { deps, params, upgrade } = exchange;
  if (upgrade === undefined) {
    throw new EngineError('invalid_argument', 'it takes the connection over: send Upgrade: tcp');
  }
  const step = deps.builds.takeAgentCall(params['connection'] ?? '');
  const { output: client } = await hijack(exchange, true);
  join(client, step);
  join(step, client);
}

/** Bytes and ends go over; who breaks off breaks off the other. */
function join(from: Duplex, to: Duplex): void {
  from.pipe(to);
  from.once('close', () => {
    const isWhole = from.readableEnded && from.writableFinished;
    if (!isWhole) to.destroy();
  });
  if (from.destroyed) to.destroy();
}

export const BUILD_ROUTES: readonly Route[] = [
  { method: 'POST', path: '/build', handler: build },
  { method: 'POST', path: '/build/prune', handler: prune },
  {
    method: 'POST',
    path: '/coracle/build/agents/{connection}',
    handler: answerAgentCall,
    hijacks: true,
  },
  // A classic build ends with its connection.
  { method: 'POST', path: '/build/cancel', handler: (exchange) => sendEmpty(exchange, 204) },
];
