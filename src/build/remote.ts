// ADD of a URL: fetched to a file of the build, hashed on the way, compared with --checksum.
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { messageOf } from '#base/error.ts';
import { isWhole, openWeb, type WebFile } from '#image/web.ts';
import { type CopyOptions, failed } from './copy-plan.ts';
import { failure } from './dockerfile/fault.ts';
import type { Copy } from './dockerfile/instruction.ts';
import { isGitUrl, redactUrl } from './git/url.ts';
import type { BuildShared } from './shared.ts';
import { parseWebUrl, type WebUrl } from './web-url.ts';

export const REMOTE_BYTES_MAX = 64 * 1024 ** 3;

export type Remote = {
  readonly name: string;
  readonly size: number;
  readonly digest: string;
  readonly mtime: bigint;
  readonly body: () => AsyncIterable<Uint8Array>;
};

/** A file: what names a repository is read by git/. */
export function isRemote(source: string): boolean {
  return /^https?:\/\//i.test(source) && !isGitUrl(source);
}

export async function fetchRemote(
  build: BuildShared,
  url: string,
  copy: Pick<Copy, 'checksum' | 'target'>,
  options: CopyOptions,
): Promise<Remote> {
  if (copy.checksum !== '' && !/^sha256:[0-9a-f]{64}$/.test(copy.checksum)) {
    throw failure(options.place, `invalid checksum ${copy.checksum}: it should be sha256:…`);
  }
  const web = parseWebUrl(url);
  if (web === undefined) throw failed(options, `cannot read the URL ${redactUrl(url)}`);
  const name = nameOf(web, options);
  if (name === '' && copy.target.endsWith('/')) {
    throw failed(options, `cannot determine filename for source ${web.shown}`);
  }
  const file = await request(build, web, options);
  const path = join(build.folder, randomUUID());
  const { size, digest } = await receive(build, file, path, options);
  if (copy.checksum !== '' && copy.checksum !== digest) {
    throw failed(options, `digest mismatch ${digest}: ${copy.checksum}`);
  }
  const modified = Date.parse(file.lastModified ?? '');
  const mtime = Number.isNaN(modified) ? 0n : BigInt(modified) * 1_000_000n;
  return { name, size, digest, mtime, body: () => readWhenAsked(path) };
}

function nameOf({ href, shown }: WebUrl, options: CopyOptions): string {
  try {
    return posix.basename(decodeURI(new URL(href).pathname));
  } catch (error) {
    throw failed(options, `cannot read the URL ${shown}: ${messageOf(error)}`);
  }
}

/** Opened when its turn in the archive comes. */
async function* readWhenAsked(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of createReadStream(path)) yield chunk as Uint8Array;
}

async function request(build: BuildShared, web: WebUrl, options: CopyOptions): Promise<WebFile> {
  const { headers, href, shown } = web;
  let file: WebFile;
  try {
    file = await openWeb(href, { signal: build.signal, headers, downgrade: false });
  } catch (error) {
    build.signal.throwIfAborted();
    throw failed(options, `failed to get ${shown}: ${messageOf(error)}`);
  }
  if (isWhole(file)) return file;
  throw failed(options, `failed to GET ${shown} with status ${file.status} ${file.statusText}`);
}

async function receive(
  build: BuildShared,
  file: WebFile,
  path: string,
  options: CopyOptions,
): Promise<{ readonly size: number; readonly digest: string }> {
  const hash = createHash('sha256');
  const kept = await open(path, 'wx', 0o600);
  let size = 0;
  try {
    for await (const chunk of file.body) {
      build.signal.throwIfAborted();
      size += chunk.length;
      if (size > REMOTE_BYTES_MAX) throw failed(options, 'the remote file is too large');
      hash.update(chunk);
      await kept.write(chunk);
    }
  } finally {
    await kept.close();
  }
  return { size, digest: `sha256:${hash.digest('hex')}` };
}
