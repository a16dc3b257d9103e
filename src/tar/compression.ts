// Compressed archives are known by their first bytes, never by name or media type. gzip and zstd
// are read with node:zlib; bzip2 and xz are refused by name. Output is capped against bombs.
import { Readable, pipeline } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { EngineError, messageOf } from '#base/error.ts';

export type Compression = 'none' | 'gzip' | 'zstd' | 'bzip2' | 'xz';

const CHUNK_BYTES = 256 * 1024;
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

/** The plain bytes of a stream, decompressed when its first bytes say so. */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
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
    yield* inflate(rest, compression);
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
): AsyncGenerator<Uint8Array, void, undefined> {
  let input = 0;
  let output = 0;
  let sourceError: unknown;
  // The inflater's own failure is thrown into counted() where it yields; it is not the source's.
  async function* watched(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* source;
    } catch (error) {
      sourceError = error;
      throw error;
    }
  }
  async function* counted(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of watched()) {
      input += chunk.length;
      yield chunk;
    }
  }
  const inflater =
    compression === 'gzip'
      ? createGunzip({ chunkSize: CHUNK_BYTES })
      : createZstdDecompress({ chunkSize: CHUNK_BYTES });
  // The callback only keeps the failure from being unhandled: the iteration below throws it.
  pipeline(Readable.from(counted(), { objectMode: false }), inflater, () => {});
  try {
    for await (const chunk of inflater as AsyncIterable<Buffer>) {
      output += chunk.length;
      checkRatio(input, output);
      yield chunk;
    }
  } catch (error) {
    if (sourceError !== undefined) throw sourceError;
    if (error instanceof EngineError) throw error;
    throw new EngineError('corrupt', `invalid ${compression} data: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    inflater.destroy();
  }
}

function checkRatio(input: number, output: number): void {
  if (output <= DECOMPRESSION_ALLOWANCE_BYTES) return;
  if (output <= input * DECOMPRESSION_RATIO_MAX) return;
  throw new EngineError('limit_exceeded', 'compressed archive expands too much', {
    facts: { limit: 'DECOMPRESSION_RATIO_MAX', max: DECOMPRESSION_RATIO_MAX, input, output },
  });
}
