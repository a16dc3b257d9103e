// What the unpack pool and its workers say to each other, and one job's work. A job reads a blob
// from disk, so no layer byte crosses the main thread.
import { createHash, type Hash } from 'node:crypto';
import type { Digest } from '#base/digest.ts';
import { EngineError, type ErrorCode, type Facts, isEngineError, messageOf } from '#base/error.ts';
import { decompress } from '#tar/compression.ts';
import { adoptParents, applyLayer } from './apply.ts';
import { BlobFile } from './blob-file.ts';
import type { Growth } from './growth.ts';
import type { Tree } from './tree.ts';

/** One unpacked layer archive. */
export const LAYER_BYTES_MAX = 256 * 1024 ** 3;

export type UnpackJob = {
  readonly kind: 'unpack';
  /** The blob, compressed or not. */
  readonly blob: string;
  /** What its plain content must hash to; undefined if it is plain and was checked before. */
  readonly diffId: Digest | undefined;
  /** The directory to fill. */
  readonly root: string;
  /** See applyLayer(). */
  readonly lower: readonly string[] | undefined;
};

export type LayerJob =
  | UnpackJob
  /** See adoptParents(). */
  | {
      readonly kind: 'adopt';
      readonly root: string;
      readonly lower: readonly string[];
      readonly orphans: readonly string[];
    }
  /** Only reads the blob: is its plain content what `diffId` promises? */
  | { readonly kind: 'verify'; readonly blob: string; readonly diffId: Digest };

export type Unpacked = {
  readonly bytes: number;
  readonly tarBytes: number;
  readonly entries: number;
  readonly ownRoot: boolean;
  readonly orphans: readonly string[];
};

const NOTHING: Unpacked = { bytes: 0, tarBytes: 0, entries: 0, ownRoot: true, orphans: [] };

export type ToWorker =
  | {
      readonly type: 'job';
      readonly id: number;
      readonly job: LayerJob;
      /** The blob still grows: `grown` tells how far it is. */
      readonly follow: boolean;
    }
  | {
      readonly type: 'grown';
      readonly id: number;
      readonly bytes: number;
      readonly whole: boolean;
    }
  | { readonly type: 'abort'; readonly id: number };

export type WireError = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly facts: Facts;
};

export type FromWorker =
  | { readonly type: 'progress'; readonly id: number; readonly blobBytes: number }
  | { readonly type: 'done'; readonly id: number; readonly result: Unpacked }
  | { readonly type: 'failed'; readonly id: number; readonly error: WireError };

export function toWireError(error: unknown): WireError {
  if (isEngineError(error)) {
    return { code: error.code, message: error.message, facts: error.facts };
  }
  const aborted = error instanceof Error && error.name === 'AbortError';
  return { code: aborted ? 'cancelled' : 'internal', message: messageOf(error), facts: {} };
}

type Watch = {
  readonly signal: AbortSignal;
  readonly onProgress: (blobBytes: number) => void;
  /** Of a blob that is not whole yet; only one that is compressed can be followed. */
  readonly growth?: Growth | undefined;
};

/** `source` is the archive that the tree's copy() takes from. */
export type OpenTree = (root: string, source?: string) => Tree;

export async function runLayerJob(
  job: LayerJob,
  openTree: OpenTree,
  watch: Watch,
): Promise<Unpacked> {
  switch (job.kind) {
    case 'unpack':
      return unpackBlob(job, openTree, watch);
    case 'adopt': {
      await using tree = openTree(job.root);
      await adoptParents(tree, job.orphans, job.lower);
      await tree.finish();
      return NOTHING;
    }
    case 'verify': {
      using content = new PlainContent(job, watch);
      for await (const _ of content.chunks());
      content.check();
      return NOTHING;
    }
    default:
      return job satisfies never;
  }
}

/** Unpacks one blob and checks that its plain content is what `diffId` promises. */
async function unpackBlob(job: UnpackJob, openTree: OpenTree, watch: Watch): Promise<Unpacked> {
  if (job.diffId === undefined) return unpackPlain(job, openTree, watch);
  using content = new PlainContent(job, watch);
  await using tree = openTree(job.root);
  const options = { lower: job.lower, signal: watch.signal };
  const applied = await applyLayer(content.chunks(), tree, options);
  content.check();
  await tree.finish();
  return { ...applied, tarBytes: content.bytes };
}

/** Nothing has to be hashed any more: only the headers are read. */
async function unpackPlain(job: UnpackJob, openTree: OpenTree, watch: Watch): Promise<Unpacked> {
  using file = new BlobFile(job.blob, watch.onProgress);
  if (file.size > LAYER_BYTES_MAX) throw layerTooLarge();
  await using tree = openTree(job.root, job.blob);
  const applied = await applyLayer(file, tree, { lower: job.lower, signal: watch.signal });
  await tree.finish();
  return { ...applied, tarBytes: file.size };
}

function layerTooLarge(): EngineError {
  return new EngineError('limit_exceeded', 'layer exceeds LAYER_BYTES_MAX', {
    facts: { limit: 'LAYER_BYTES_MAX', max: LAYER_BYTES_MAX },
  });
}

/** A blob's plain content, counted and hashed while it is read. */
class PlainContent implements Disposable {
  readonly #job: { readonly blob: string; readonly diffId: Digest | undefined };
  readonly #watch: Watch;
  readonly #input: BlobFile;
  readonly #hash: Hash | undefined;
  bytes = 0;

  constructor(job: { readonly blob: string; readonly diffId: Digest | undefined }, watch: Watch) {
    this.#job = job;
    this.#watch = watch;
    const { growth, onProgress, signal } = watch;
    const follow = growth === undefined ? undefined : { growth, signal };
    this.#input = new BlobFile(job.blob, onProgress, follow);
    this.#hash = job.diffId === undefined ? undefined : createHash('sha256');
  }

  async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of decompress(this.#input, { lent: true })) {
      this.#watch.signal.throwIfAborted();
      this.#hash?.update(chunk);
      this.bytes += chunk.length;
      if (this.bytes > LAYER_BYTES_MAX) throw layerTooLarge();
      yield chunk;
    }
  }

  /** To be called when all of it was read. */
  check(): void {
    const { diffId } = this.#job;
    const actual = this.#hash === undefined ? undefined : `sha256:${this.#hash.digest('hex')}`;
    if (actual === diffId) return;
    throw new EngineError('corrupt', `layer has diffID ${actual}, expected ${diffId}`, {
      facts: { expected: diffId, actual },
    });
  }

  [Symbol.dispose](): void {
    this.#input[Symbol.dispose]();
  }
}
