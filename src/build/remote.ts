// ADD of a URL: fetched to a file of the build, hashed on the way, compared with --checksum.
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { messageOf } from '#base/error.ts';
import { type CopyOptions, failed } from './copy-plan.ts';
import { failure } from './dockerfile/fault.ts';
import type { Copy } from './dockerfile/instruction.ts';
import type { BuildShared } from './shared.ts';

export const REMOTE_BYTES_MAX = 64 * 1024 ** 3;
const REDIRECTS_MAX = 10;
const HEADERS_MS_MAX = 60_000;

export type Remote = {
  readonly name: string;
  readonly size: number;
  readonly digest: string;
  readonly mtime: bigint;
  readonly body: () => AsyncIterable<Uint8Array>;
};

export function isRemote(source: string): boolean {
  return /^https?:\/\//i.test(source) || isGit(source);
}

function isGit(source: string): boolean {
  return /^(?:git@|git:\/\/|ssh:\/\/)/.test(source) || /^https?:\/\/.*\.git(?:#|$)/i.test(source);
}

export async function fetchRemote(
  build: BuildShared,
  url: string,
  copy: Copy,
  options: CopyOptions,
): Promise<Remote> {
  if (isGit(url)) {
    throw failed(
      options,
      `ADD of a git repository is not supported here: clone it and copy it: ${url}`,
    );
  }
  if (copy.checksum !== '' && !/^sha256:[0-9a-f]{64}$/.test(copy.checksum)) {
    throw failure(options.place, `invalid checksum ${copy.checksum}: it should be sha256:…`);
  }
  const name = nameOf(url, options);
  if (name === '' && copy.target.endsWith('/')) {
    throw failed(options, `cannot determine filename for source ${url}`);
  }
  const response = await request(build, url, options);
  const path = join(build.folder, randomUUID());
  const { size, digest } = await receive(build, response, path, options);
  if (copy.checksum !== '' && copy.checksum !== digest) {
    throw failed(options, `digest mismatch ${digest}: ${copy.checksum}`);
  }
  const modified = Date.parse(response.headers.get('last-modified') ?? '');
  const mtime = Number.isNaN(modified) ? 0n : BigInt(modified) * 1_000_000n;
  return { name, size, digest, mtime, body: () => readWhenAsked(path) };
}

function nameOf(url: string, options: CopyOptions): string {
  try {
    return posix.basename(decodeURI(new URL(url).pathname));
  } catch (error) {
    throw failed(options, `cannot read the URL ${url}: ${messageOf(error)}`);
  }
}

/** Opened when its turn in the archive comes. */
async function* readWhenAsked(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of createReadStream(path)) yield chunk as Uint8Array;
}

async function request(build: BuildShared, url: string, options: CopyOptions): Promise<Response> {
  let at = url;
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects += 1) {
    const late = new AbortController();
    // For the head of the answer alone: a large file may take as long as it takes.
    const timer = setTimeout(() => late.abort(new Error('no answer')), HEADERS_MS_MAX);
    let response: Response;
    try {
      const signal = AbortSignal.any([build.signal, late.signal]);
      response = await fetch(at, { redirect: 'manual', signal });
    } catch (error) {
      build.signal.throwIfAborted();
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
      throw failed(options, `failed to get ${url}: ${messageOf(cause)}`);
    } finally {
      clearTimeout(timer);
    }
    const location = response.headers.get('location');
    if (response.status >= 300 && response.status < 400 && location !== null) {
      await response.body?.cancel();
      const next = new URL(location, at);
      if (next.protocol !== 'https:' && (next.protocol !== 'http:' || at.startsWith('https:'))) {
        throw failed(options, `${url} leads to ${next.protocol}//, which is not followed`);
      }
      at = next.href;
      continue;
    }
    if (response.ok) return response;
    await response.body?.cancel();
    throw failed(
      options,
      `failed to GET ${url} with status ${response.status} ${response.statusText}`,
    );
  }
  throw failed(options, `${url} is redirected more than ${REDIRECTS_MAX} times`);
}

async function receive(
  build: BuildShared,
  response: Response,
  path: string,
  options: CopyOptions,
): Promise<{ readonly size: number; readonly digest: string }> {
  const hash = createHash('sha256');
  const file = await open(path, 'wx', 0o600);
  let size = 0;
  try {
    for await (const chunk of response.body ?? []) {
      build.signal.throwIfAborted();
      size += chunk.length;
      if (size > REMOTE_BYTES_MAX) throw failed(options, 'the remote file is too large');
      hash.update(chunk);
      await file.write(chunk);
    }
  } finally {
    await file.close();
  }
  return { size, digest: `sha256:${hash.digest('hex')}` };
}
