// The one way an image comes to be, from load, import, pull or build: its layers are unpacked and
// checked against the config's diffIDs, then the blobs and the record become visible. On failure
// nothing stays.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Digest } from '#base/digest.ts';
import { sha256 } from '#base/digest.ts';
import { EngineError } from '#base/error.ts';
import { Undo } from '#base/undo.ts';
import { type ChainId, chainOn, chainsOf } from '#snapshot/chain.ts';
import { decompress } from '#tar/compression.ts';
import { collect } from './collect.ts';
import { CONFIG_BYTES_MAX, type ImageSpec, checkHistory } from './config.ts';
import type { Ingest } from './content/content.ts';
import type { ImageDeps } from './deps.ts';
import { type ImageRecord, type LayerBlob, storedImage } from './record.ts';

/** A layer's archive as it came. */
export type NewLayer = {
  readonly diffId: Digest;
  readonly archive: Ingest;
  readonly mediaType: string;
};

export type NewImage = {
  readonly spec: ImageSpec;
  /** The config's bytes: their digest is the ID. */
  readonly config: Uint8Array;
  readonly layers: readonly NewLayer[];
  readonly parent?: Digest;
};

export type AddOptions = {
  readonly signal: AbortSignal;
  /** Bytes of a layer's archive that are unpacked. */
  readonly onLayer?: (diffId: Digest, current: number, total: number) => void;
  /** See applyLayer(). */
  readonly trailerOptional?: boolean;
};

export async function addImage(
  deps: ImageDeps,
  image: NewImage,
  options: AddOptions,
): Promise<ImageRecord> {
  const { content, leases, snapshots, store } = deps;
  const { spec } = image;
  if (image.layers.length !== spec.diffIds.length) {
    throw new EngineError(
      'corrupt',
      'invalid manifest, layers length mismatch: ' +
        `expected ${image.layers.length}, got ${spec.diffIds.length}`,
    );
  }
  checkHistory(spec);
  const id = sha256(image.config);
  const chains = chainsOf(spec.diffIds);
  const blobs = [id, ...image.layers.map((layer) => layer.archive.digest)];
  await using undo = new Undo(deps.report);
  undo.add('remove what the image brought', () => collect(deps, { chains, blobs }));
  using _lease = leases.hold([...chains, ...blobs]);
  // One at a time per image: two loads of the same image would otherwise write its record twice.
  using _lock = await deps.locks.acquire(`image ${id}`);

  const layers: LayerBlob[] = [];
  let size = 0;
  let parent: ChainId | undefined;
  for (const [i, layer] of image.layers.entries()) {
    layers.push(await addLayer(deps, parent, layer, i, options));
    parent = chainOn(parent, layer.diffId);
    size += snapshots.layer(parent)?.bytes ?? 0;
  }
  await using config = await content.ingest(once(image.config), {
    signal: options.signal,
    digest: id,
    bytesMax: CONFIG_BYTES_MAX,
  });
  await config.commit();
  const before = store.get(id);
  const extra = {
    layers,
    manifests: before?.manifests ?? [],
    size,
    parent: before?.parent ?? image.parent,
    lastTagged: before?.lastTagged,
  };
  await store.put(storedImage(id, spec, extra));
  undo.commit();
  const record = store.get(id);
  if (record === undefined) throw new EngineError('internal', `image ${id} was not stored`);
  return record;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

async function addLayer(
  deps: ImageDeps,
  parent: ChainId | undefined,
  layer: NewLayer,
  index: number,
  options: AddOptions,
): Promise<LayerBlob> {
  const { content, snapshots, store } = deps;
  const { archive, diffId } = layer;
  const chain = chainOn(parent, diffId);
  using _lock = await deps.locks.acquire(`layer ${chain}`);
  const blob = {
    diffId,
    digest: archive.digest,
    size: archive.size,
    mediaType: layer.mediaType,
  };
  if (snapshots.has(chain)) {
    // The tree is here already; of two archives for it, the first one is kept.
    const kept = store.blobOf(diffId);
    if (kept !== undefined && content.has(kept.digest)) return kept;
    if (archive.digest !== diffId) await checkDiffId(archive, diffId, index, options.signal);
  } else {
    void archive.sync(); // The disk works while the layer is unpacked; commit() waits for it.
    await unpackLayer(deps, parent, layer, index, options);
  }
  await archive.commit();
  return blob;
}

async function unpackLayer(
  deps: ImageDeps,
  parent: ChainId | undefined,
  layer: NewLayer,
  index: number,
  options: AddOptions,
): Promise<void> {
  const { snapshots, unpacker } = deps;
  const { archive, diffId } = layer;
  const { onLayer, signal } = options;
  if (archive.digest !== diffId && !isCompressedType(layer.mediaType)) {
    throw wrongDiffId(index, diffId, archive.digest);
  }
  await using stage = await snapshots.stage(parent);
  onLayer?.(diffId, 0, archive.size);
  const job = {
    blob: archive.path,
    root: stage.root,
    // A plain archive was hashed when it was received.
    diffId: archive.digest === diffId ? undefined : diffId,
    lower: snapshots.lower(parent),
    trailerOptional: options.trailerOptional ?? true,
  };
  try {
    const made = await unpacker.unpack(job, {
      signal,
      onProgress: (current) => onLayer?.(diffId, current, archive.size),
    });
    const chain = chainOn(parent, diffId);
    await stage.commit({ chain, diffId, bytes: made.bytes, tarBytes: made.tarBytes });
  } catch (error) {
    const actual = error instanceof EngineError ? error.facts['actual'] : undefined;
    if (typeof actual === 'string') throw wrongDiffId(index, diffId, actual);
    throw error;
  }
  onLayer?.(diffId, archive.size, archive.size);
}

function isCompressedType(mediaType: string): boolean {
  return /gzip$|zstd$/.test(mediaType);
}

function wrongDiffId(index: number, expected: string, actual: string): EngineError {
  return new EngineError(
    'corrupt',
    `invalid diffID for layer ${index}: expected "${expected}", got "${actual}"`,
    { facts: { expected, actual } },
  );
}

async function checkDiffId(
  archive: Ingest,
  diffId: Digest,
  index: number,
  signal: AbortSignal,
): Promise<void> {
  const hash = createHash('sha256');
  for await (const chunk of decompress(createReadStream(archive.path))) {
    signal.throwIfAborted();
    hash.update(chunk);
  }
  const actual = `sha256:${hash.digest('hex')}`;
  if (actual !== diffId) throw wrongDiffId(index, diffId, actual);
}
