// ADD of a URL: fetched to a file of the build, hashed on the way, compared with --checksum.
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { messageOf } from '#base/error.ts';
import { failed } from './copy-plan.ts';
import { fault, type Place } from './dockerfile/fault.ts';
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
  place: Place,
): Promise<Remote> {
  if (isGit(url)) {
    throw failed(
      place,
      `ADD of a git repository is not supported here: clone it and copy it: ${url}`,
    );
  }
  if (copy.checksum !== '' && !/^sha256:[0-9a-f]{64}$/.test(copy.checksum)) {
    throw fault(place, `invalid checksum ${copy.checksum}: it should be sha256:…`);
  }
  const name = posix.basename(new URL(url).pathname);
  if (name === '' && copy.target.endsWith('/')) {
    throw failed(place, `cannot determine filename for source ${url}`);
  }
  const response = await request(build, url, place);
  const path = join(build.folder, randomUUID());
  const { size, digest } = await receive(build, response, path, place);
  if (copy.checksum !== '' && copy.checksum !== digest) {
    throw failed(place, `digest mismatch ${digest}: ${copy.checksum}`);
  }
  const modified = Date.parse(response.headers.get('last-modified') ?? '');
  const mtime = Number.isNaN(modified) ? 0n : BigInt(modified) * 1_000_000n;
  return { name, size, digest, mtime, body: () => createReadStream(path) };
}

async function request(build: BuildShared, url: string, place: Place): Promise<Response> {
  let at = url;
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects += 1) {
    const late = AbortSignal.timeout(HEADERS_MS_MAX);
    let response: Response;
    try {
      const signal = AbortSignal.any([build.signal, late]);
      response = await fetch(at, { redirect: 'manual', signal });
    } catch (error) {
      build.signal.throwIfAborted();
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
      throw failed(place, `failed to get ${url}: ${messageOf(cause)}`);
    }
    const location = response.headers.get('location');
    if (response.status >= 300 && response.status < 400 && location !== null) {
      await response.body?.cancel();
      const next = new URL(location, at);
      if (next.protocol !== 'https:' && (next.protocol !== 'http:' || at.startsWith('https:'))) {
        throw failed(place, `${url} leads to ${next.protocol}//, which is not followed`);
      }
      at = next.href;
      continue;
    }
    if (response.ok) return response;
    await response.body?.cancel();
    throw failed(
      place,
      `failed to GET ${url} with status ${response.status} ${response.statusText}`,
    );
  }
  throw failed(place, `${url} is redirected more than ${REDIRECTS_MAX} times`);
}

async function receive(
  build: BuildShared,
  response: Response,
  path: string,
  place: Place,
): Promise<{ readonly size: number; readonly digest: string }> {
  const hash = createHash('sha256');
  const file = await open(path, 'wx', 0o600);
  let size = 0;
  try {
    for await (const chunk of response.body ?? []) {
      build.signal.throwIfAborted();
      size += chunk.length;
      if (size > REMOTE_BYTES_MAX) throw failed(place, 'the remote file is too large');
      hash.update(chunk);
      await file.write(chunk);
    }
  } finally {
    await file.close();
  }
  return { size, digest: `sha256:${hash.digest('hex')}` };
}
