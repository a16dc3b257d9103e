// What the unpack pool and its workers say to each other, and one job's work. A job reads a blob
// from disk, so no layer byte crosses the main thread.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Digest } from '#base/digest.ts';
import { EngineError, type ErrorCode, type Facts, isEngineError, messageOf } from '#base/error.ts';
import { decompress } from '#tar/compression.ts';
import { applyLayer } from './apply.ts';
import type { Tree } from './tree.ts';

const READ_BYTES = 1024 * 1024;
/** One unpacked layer archive. */
export const LAYER_BYTES_MAX = 256 * 1024 ** 3;

export type UnpackJob = {
  /** The blob, compressed or not. */
  readonly blob: string;
  /** What its plain content must hash to; undefined if that was checked when it was received. */
  readonly diffId: Digest | undefined;
  /** The directory to fill. */
  readonly root: string;
  readonly lower: readonly string[];
  /** See applyLayer(). */
  readonly trailerOptional: boolean;
};

export type Unpacked = {
  readonly bytes: number;
  readonly tarBytes: number;
  readonly entries: number;
};

export type ToWorker =
  | { readonly type: 'job'; readonly job: UnpackJob }
  | { readonly type: 'abort' };

export type WireError = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly facts: Facts;
};

export type FromWorker =
  | { readonly type: 'progress'; readonly blobBytes: number }
  | { readonly type: 'done'; readonly result: Unpacked }
  | { readonly type: 'failed'; readonly error: WireError };

export function toWireError(error: unknown): WireError {
  if (isEngineError(error)) {
    return { code: error.code, message: error.message, facts: error.facts };
  }
  const aborted = error instanceof Error && error.name === 'AbortError';
  return { code: aborted ? 'cancelled' : 'internal', message: messageOf(error), facts: {} };
}

/** Unpacks one blob and checks that its plain content is what `diffId` promises. */
export async function unpackBlob(
  job: UnpackJob,
  openTree: (root: string) => Tree,
  watch: {
    readonly signal: AbortSignal;
    readonly onProgress: (blobBytes: number) => void;
  },
): Promise<Unpacked> {
  const { signal, onProgress } = watch;
  const hash = job.diffId === undefined ? undefined : createHash('sha256');
  let tarBytes = 0;
  const input = createReadStream(job.blob, { highWaterMark: READ_BYTES });
  async function* plain(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of decompress(input)) {
      signal.throwIfAborted();
      hash?.update(chunk);
      tarBytes += chunk.length;
      if (tarBytes > LAYER_BYTES_MAX) {
        throw new EngineError('limit_exceeded', 'layer exceeds LAYER_BYTES_MAX', {
          facts: { limit: 'LAYER_BYTES_MAX', max: LAYER_BYTES_MAX },
        });
      }
      onProgress(input.bytesRead);
      yield chunk;
    }
  }
  try {
    await using tree = openTree(job.root);
    const { lower, trailerOptional } = job;
    const options = { lower, trailerOptional, signal };
    const { bytes, entries } = await applyLayer(plain(), tree, options);
    const actual = hash === undefined ? undefined : `sha256:${hash.digest('hex')}`;
    if (actual !== job.diffId) {
      throw new EngineError('corrupt', `layer has diffID ${actual}, expected ${job.diffId}`, {
        facts: { expected: job.diffId, actual },
      });
    }
    await tree.finish();
    return { bytes, tarBytes, entries };
  } finally {
    input.destroy();
  }
}
