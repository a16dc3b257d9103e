// POST /build?remote=URL: a git repository, an archive with the context, or a Dockerfile.
import { EngineError, messageOf } from '#base/error.ts';
import { isGitContext, redactUrl } from '#build/git/url.ts';
import type { BuildSource } from '#build/service.ts';
import { parseWebUrl } from '#build/web-url.ts';
import { isWhole, openWeb, type WebFile } from '#image/web.ts';
import { detectCompression } from '#tar/compression.ts';

const DOCKERFILE_BYTES_MAX = 16 * 1024 * 1024;
const HEAD_BYTES = 512;
const TAR_MAGIC_AT = 257;

export async function openRemoteSource(url: string, signal: AbortSignal): Promise<BuildSource> {
  if (isGitContext(url)) return { kind: 'git', url };
  if (!/^https?:\/\//i.test(url)) {
    const text = `cannot build from ${redactUrl(url)}: git repositories (https, http or git), and archives and Dockerfiles by http(s) are read`;
    throw new EngineError('not_implemented', text);
  }
  const web = parseWebUrl(url);
  if (web === undefined) {
    throw new EngineError('invalid_argument', `cannot read the URL ${redactUrl(url)}`);
  }
  const { headers, href, shown } = web;
  let file: WebFile;
  try {
    file = await openWeb(href, { signal, headers });
  } catch (error) {
    signal.throwIfAborted();
    const text = `error fetching: failed to GET ${shown}: ${messageOf(error)}`;
    throw new EngineError('unavailable', text, { cause: error });
  }
  if (!isWhole(file)) {
    const text = `error fetching: failed to GET ${shown} with status ${file.status}`;
    throw new EngineError('not_found', text);
  }
  const reader = file.body[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  let size = 0;
  while (size < HEAD_BYTES) {
    const next = await reader.next();
    if (next.done === true) break;
    chunks.push(next.value);
    size += next.value.length;
  }
  const head = Buffer.concat(chunks);
  async function* whole(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield head;
      for (let next = await reader.next(); next.done !== true; next = await reader.next()) {
        yield next.value;
      }
    } finally {
      await reader.return?.();
    }
  }
  const isTar = head.subarray(TAR_MAGIC_AT, TAR_MAGIC_AT + 5).toString('latin1') === 'ustar';
  if (isTar || detectCompression(head) !== 'none') return { kind: 'archive', archive: whole() };
  const text: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of whole()) {
    bytes += chunk.length;
    if (bytes > DOCKERFILE_BYTES_MAX) {
      throw new EngineError(
        'limit_exceeded',
        `${shown} is no archive, and too large for a Dockerfile`,
      );
    }
    text.push(chunk);
  }
  return { kind: 'dockerfile', text: Buffer.concat(text).toString('utf8') };
}
