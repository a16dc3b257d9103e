// Compressed archives are known by their first bytes, never by name or media type. gzip and zstd
// are read with node:zlib; bzip2 and xz are refused by name. Output is capped against bombs.
import type { Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { EngineError, messageOf } from '#base/error.ts';

export type Compression = 'none' | 'gzip' | 'zstd' | 'bzip2' | 'xz';

const CHUNK_BYTES = 128 * 1024;
/** How often larger the output may be than the input, once it is past the allowance. */
export const DECOMPRESSION_RATIO_MAX = 250;
/** Output that is never held against the ratio: a file of zeros is no attack. */
export const DECOMPRESSION_ALLOWANCE_BYTES = 256 * 1024 * 1024;
/** Bytes needed to know the compression. */
export const MAGIC_BYTES = 6;

export function detectCompression(head: Uint8Array): Compression {
  const hex = Buffer.from(head.subarray(0, MAGIC_BYTES)).toString('hex');
  if (hex.startsWith('1f8b08')) return 'gzip';
  if (hex.startsWith('28b52ffd')) return 'zstd';
  if (hex.startsWith('425a68')) return 'bzip2';
  if (hex.startsWith('fd377a585a00')) return 'xz';
  return 'none';
}

export type DecompressOptions = {
  /** A chunk is only good until the next one is asked for: its memory goes at once. */
  readonly lent?: boolean;
};

/**
 * The plain bytes of a stream, decompressed when its first bytes say so. The source may use a
 * chunk's memory again when it is asked for the next one.
 */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  options: DecompressOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    const head = await readHead(iterator);
    const rest = resume(head, iterator);
    const compression = detectCompression(head);
    if (compression === 'none') {
      yield* rest;
      return;
    }
    if (compression !== 'gzip' && compression !== 'zstd') {
      throw new EngineError('invalid_argument', `${compression} archives are not supported`);
    }
    yield* inflate(rest, compression, options.lent === true);
  } finally {
    await iterator.return?.();
  }
}

async function readHead(iterator: AsyncIterator<Uint8Array>): Promise<Buffer> {
  let head = Buffer.alloc(0);
  while (head.length < MAGIC_BYTES) {
    const next = await iterator.next();
    if (next.done === true) break;
    head = head.length === 0 ? Buffer.from(next.value) : Buffer.concat([head, next.value]);
  }
  return head;
}

async function* resume(
  head: Buffer,
  iterator: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (head.length > 0) yield head;
  for (;;) {
    const next = await iterator.next();
    if (next.done === true) return;
    yield next.value;
  }
}

async function* inflate(
  source: AsyncIterable<Uint8Array>,
  compression: 'gzip' | 'zstd',
  lent: boolean,
): AsyncGenerator<Uint8Array, void, undefined> {
  const count = { input: 0 };
  let output = 0;
  const inflater =
    compression === 'gzip'
      ? createGunzip({ chunkSize: CHUNK_BYTES })
      : createZstdDecompress({ chunkSize: CHUNK_BYTES });
  const pumped = pump(source, inflater, count);
  try {
    for await (const chunk of inflater as AsyncIterable<Buffer>) {
      output += chunk.length;
      checkRatio(count.input, output);
      yield chunk;
      if (lent) release(chunk);
    }
  } catch (error) {
    if (error instanceof EngineError) throw error;
    const sourceError = await pumped;
    if (sourceError !== undefined) throw sourceError.error;
    throw new EngineError('corrupt', `invalid ${compression} data: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    inflater.destroy();
    await pumped;
  }
}

/**
 * Feeds the inflater, chunk by chunk: each is used up before the next is asked for. Answers what
 * the source threw; the inflater's own failures are thrown where it is read.
 */
async function pump(
  source: AsyncIterable<Uint8Array>,
  inflater: Transform,
  count: { input: number },
): Promise<{ readonly error: unknown } | undefined> {
  try {
    for await (const chunk of source) {
      count.input += chunk.length;
      if (!(await feed(inflater, chunk))) return undefined;
    }
  } catch (error) {
    inflater.destroy(error instanceof Error ? error : new Error(messageOf(error)));
    return { error };
  }
  inflater.end();
  return undefined;
}

/** False when the inflater has ended, well or not. */
function feed(inflater: Transform, chunk: Uint8Array): Promise<boolean> {
  if (inflater.destroyed || inflater.readableEnded) return Promise.resolve(false);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const gone = (): void => resolve(false);
  inflater.once('close', gone);
  inflater.write(chunk, (error) => resolve(error === undefined || error === null));
  return promise.finally(() => inflater.off('close', gone));
}

/**
 * Gives a used buffer back at once. Collected, hundreds of them would stay: to the collector each
 * is a small object. The inflater fills one after the other; the last part of one is the end of it.
 */
function release(chunk: Buffer): void {
  const { buffer, byteLength, byteOffset } = chunk;
  if (buffer.byteLength !== CHUNK_BYTES || byteOffset + byteLength !== CHUNK_BYTES) return;
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}

function checkRatio(input: number, output: number): void {
  if (output <= DECOMPRESSION_ALLOWANCE_BYTES) return;
  if (output <= input * DECOMPRESSION_RATIO_MAX) return;
  throw new EngineError('limit_exceeded', 'compressed archive expands too much', {
    facts: { limit: 'DECOMPRESSION_RATIO_MAX', max: DECOMPRESSION_RATIO_MAX, input, output },
  });
}
