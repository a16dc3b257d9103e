// Images as streams: load, import, save and pull.
import type { IncomingMessage } from 'node:http';
import { EngineError } from '#base/error.ts';
import { closeStream, type Exchange, openStream, sendAll } from '../exchange.ts';
import { askRegistry } from '../status.ts';
import { registryAuth } from './auth.ts';
import { fetchRoot, parseRootUrl } from './fetch-root.ts';
import { onePlatformSince, platformOf } from './platform.ts';
import { type ProgressStream, renderProgress, withProgress } from './progress.ts';

export async function loadImages(exchange: Exchange): Promise<void> {
  const { deps, query, request, signal } = exchange;
  const quiet = query.bool('quiet');
  const platform = onePlatformSince('1.48', exchange);
  await withProgress(exchange, async ({ tell }) => {
    await deps.images.load(bodyOf(request), {
      signal,
      quiet,
      ...(platform === undefined ? {} : { platform }),
      onProgress: (progress) => tell(renderProgress(progress)),
    });
  });
}

/** POST /images/create: fromSrc imports the body or a URL, fromImage pulls. */
export async function createImage(exchange: Exchange): Promise<void> {
  const { query } = exchange;
  if (query.text('fromImage') !== '') return pullImage(exchange);
  const source = query.text('fromSrc');
  if (source === '') {
    const text = 'invalid request: one of fromImage and fromSrc is required';
    throw new EngineError('invalid_argument', text);
  }
  await importImage(exchange, source === '-' ? undefined : parseRootUrl(source));
}

async function importImage(exchange: Exchange, url: URL | undefined): Promise<void> {
  const { deps, query, request, signal } = exchange;
  const repo = query.text('repo');
  const platform = platformOf(query.text('platform'));
  const body =
    url === undefined ? bodyOf(request) : await askRegistry(() => fetchRoot(url, signal));
  await withProgress(exchange, async ({ tell }) => {
    if (url !== undefined) tell({ status: `Downloading from ${url.href}` });
    const image = await deps.images.import(body, {
      signal,
      changes: query.all('changes').filter((change) => change !== ''),
      message: query.text('message') || `Imported from ${url?.href ?? '-'}`,
      ...(repo === '' ? {} : { reference: withTag(repo, query.text('tag')) }),
      ...(platform === undefined ? {} : { platform }),
      onProgress: (progress) => tell(renderProgress(progress)),
    });
    tell({ status: image.id });
  });
}

async function pullImage(exchange: Exchange): Promise<void> {
  const { deps, query, request, signal } = exchange;
  // For all tags, a client of old ends the name with a colon.
  const [name, tag] = [query.text('fromImage').replace(/:$/, ''), query.text('tag')];
  const platform = platformOf(query.text('platform'));
  const pull = async ({ tell }: ProgressStream): Promise<void> => {
    await deps.images.pull(withTag(name, tag), {
      signal,
      auth: registryAuth(request),
      // Clients ask for all tags by naming none: the CLI adds "latest" where it means one.
      all: isWholeRepository(name, tag),
      ...(platform === undefined ? {} : { platform }),
      onProgress: (progress) => tell(renderProgress(progress)),
    });
  };
  await withProgress(exchange, (stream) =>
    askRegistry(() => pull(stream), ['unauthorized', 'unavailable']),
  );
}

/** Neither a tag beside the name nor a tag or digest in it. */
function isWholeRepository(name: string, tag: string): boolean {
  return tag === '' && !name.includes('@') && !name.slice(name.lastIndexOf('/') + 1).includes(':');
}

export async function saveImages(exchange: Exchange): Promise<void> {
  const { deps, params, query, signal } = exchange;
  const names = params['name'] === undefined ? query.all('names') : [params['name']];
  const platform = onePlatformSince('1.48', exchange);
  const chunks = deps.images.save(names, {
    signal,
    ...(platform === undefined ? {} : { platform }),
  });
  openStream(exchange, 'application/x-tar');
  await sendAll(exchange, chunks);
  closeStream(exchange);
}

/** Docker's clients send the tag beside the name; a digest goes there too. */
export function withTag(name: string, tag: string): string {
  if (tag === '') return name;
  return tag.includes(':') ? `${name}@${tag}` : `${name}:${tag}`;
}

/** Leaving the loop must not destroy the connection, which still has to carry the answer. */
function bodyOf(request: IncomingMessage): AsyncIterable<Uint8Array> {
  return request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
}
