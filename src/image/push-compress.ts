// A layer that came plain (import, commit, build, an archive of docker save) is compressed once,
// for the first push. The result takes the plain blob's place in every image that has the layer, so
// that the next push has the same digest, whatever this Node's zlib writes then, and less disk is
// used.
import { pipeline, Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import type { Digest } from '#base/digest.ts';
import type { Ingest } from './content/content.ts';
import type { ImageDeps } from './deps.ts';
import { MEDIA } from './manifest.ts';
import type { LayerBlob } from './record.ts';
import type { Slots } from './registry/rate.ts';

/** gzip's own default, as dockerd: the ratio of 9 costs twice the time for two percent. */
const GZIP_LEVEL = 6;
const CHUNK_BYTES = 256 * 1024;
/** Between two numbers of one layer. */
const PROGRESS_MS_MIN = 200;

export type CompressOptions = {
  readonly signal: AbortSignal;
  /** Keeps the new blob until it has been sent. */
  readonly hold: (digest: Digest) => void;
  /** Of how many may be compressed at once. */
  readonly slots: Slots;
  /** Plain bytes that are done; told a few times a second. */
  readonly onProgress: (current: number) => void;
};

/** The layer as it can be sent: itself if it is compressed. */
export async function compressLayer(
  deps: ImageDeps,
  layer: LayerBlob,
  options: CompressOptions,
): Promise<LayerBlob> {
  if (layer.digest !== layer.diffId) return layer;
  const { content, store } = deps;
  // Two pushes of one layer compress it once.
  using _lock = await deps.locks.acquire(`compress ${layer.diffId}`, options.signal);
  const known = store.blobOf(layer.diffId, (blob) => blob.digest !== blob.diffId);
  if (known !== undefined && content.has(known.digest)) {
    options.hold(known.digest);
    await store.replaceBlob(layer.digest, known);
    return known;
  }
  await using archive = await compressed(content, layer, options);
  options.hold(archive.digest);
  await archive.commit();
  const { digest, size } = archive;
  const made = { diffId: layer.diffId, digest, size, mediaType: MEDIA.dockerLayerGzip };
  await store.replaceBlob(layer.digest, made);
  return made;
}

async function compressed(
  content: ImageDeps['content'],
  { digest }: LayerBlob,
  options: CompressOptions,
): Promise<Ingest> {
  using _slot = await options.slots.take(options.signal);
  return await content.ingest(gzip(content.stream(digest), options), { signal: options.signal });
}

async function* gzip(
  source: AsyncIterable<Uint8Array>,
  { onProgress, signal }: CompressOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  let current = 0;
  let toldAtMs = Number.NEGATIVE_INFINITY;
  async function* counted(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of source) {
      signal.throwIfAborted();
      yield chunk;
      current += chunk.length;
      if (performance.now() - toldAtMs < PROGRESS_MS_MIN) continue;
      toldAtMs = performance.now();
      onProgress(current);
    }
  }
  // No name and no time are written, so the same bytes always give the same archive.
  const deflater = createGzip({ level: GZIP_LEVEL, chunkSize: CHUNK_BYTES });
  // The callback only keeps a failure from being unhandled: the iteration below throws it.
  pipeline(Readable.from(counted(), { objectMode: false }), deflater, () => {});
  try {
    yield* deflater as AsyncIterable<Buffer>;
  } finally {
    deflater.destroy();
  }
}
