// The one way an image comes to be, from load, import, pull or build: its layers are unpacked and
// checked against the config's diffIDs, several at once and in whatever order their archives come;
// then the blobs and the record become visible. On failure nothing stays.
import { type FileHandle, open } from 'node:fs/promises';
import { type Digest, sha256 } from '#base/digest.ts';
import { EngineError } from '#base/error.ts';
import { Undo } from '#base/undo.ts';
import { type ChainId, chainOn, chainsOf } from '#snapshot/chain.ts';
import type { LooseStage } from '#snapshot/snapshotter.ts';
import { collect } from './collect.ts';
import { CONFIG_BYTES_MAX, type ImageSpec, checkHistory } from './config.ts';
import type { Ingest } from './content/content.ts';
import type { ImageDeps } from './deps.ts';
import { type Filled, Follower } from './follow.ts';
import type { Unpacked } from './layer/job.ts';
import {
  type ImageRecord,
  type KeptManifest,
  type LayerBlob,
  blobsOf,
  storedImage,
  withManifest,
} from './record.ts';

export type NewLayer = {
  readonly diffId: Digest;
  readonly mediaType: string;
  /** Brings the archive as it came; asked once at most, and not for a layer that is here. */
  readonly archive: (
    signal: AbortSignal,
    /** May be told as the archive grows, of `size` bytes: its first ones can be unpacked then. */
    onGrown: (path: string, bytes: number, size: number) => void,
  ) => Promise<Ingest>;
};

export type NewImage = {
  readonly spec: ImageSpec;
  /** The config's bytes: their digest is the ID. */
  readonly config: Uint8Array;
  readonly layers: readonly NewLayer[];
  readonly parent?: Digest;
  /** What the image came by; its blobs, indexes too. */
  readonly manifest?: KeptManifest & { readonly blobs: readonly Ingest[] };
};

/** What happens to the layer at an index. */
export type LayerEvent =
  | { readonly kind: 'here' }
  /** Bytes of its archive that are unpacked. */
  | { readonly kind: 'unpacking'; readonly current: number; readonly total: number }
  | { readonly kind: 'done' };

export type AddOptions = {
  readonly signal: AbortSignal;
  readonly onLayer?: (index: number, event: LayerEvent) => void;
};

export async function addImage(
  deps: ImageDeps,
  image: NewImage,
  options: AddOptions,
): Promise<ImageRecord> {
  const { content, leases } = deps;
  const { manifest, spec } = image;
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
  const blobs: Digest[] = [id, ...(manifest?.blobs ?? []).map(({ digest }) => digest)];
  await using undo = new Undo(deps.report);
  undo.add('remove what the image brought', () => collect(deps, { chains, blobs }));
  using _chains = leases.hold(chains);
  using held = new DisposableStack();
  held.use(leases.hold(blobs));
  const keep = (digest: Digest): void => {
    blobs.push(digest);
    held.use(leases.hold([digest]));
  };

  const made = await addLayers(deps, image.layers, { ...options, keep });
  await using config = await content.ingest([image.config], {
    signal: options.signal,
    digest: id,
    bytesMax: CONFIG_BYTES_MAX,
  });
  const archives = made.flatMap(({ archive }) => archive ?? []);
  const ingests = [config, ...archives, ...(manifest?.blobs ?? [])];
  await Promise.all(ingests.map((ingest) => ingest.commit()));
  const record = await putRecord(deps, id, image, made);
  undo.commit();
  deps.settler.start(deps);
  return record;
}

async function putRecord(
  deps: ImageDeps,
  id: Digest,
  { manifest, parent, spec }: NewImage,
  made: readonly AddedLayer[],
): Promise<ImageRecord> {
  const { snapshots, store } = deps;
  // Two at once may bring the same image: each keeps what the other has written.
  using _lock = await deps.locks.acquire(`image ${id}`);
  const before = store.get(id);
  let size = 0;
  for (const chain of chainsOf(spec.diffIds)) size += snapshots.layer(chain)?.bytes ?? 0;
  const kept = before?.manifests ?? [];
  const image = storedImage(id, spec, {
    layers: made.map(({ blob }) => blob),
    manifests: manifest === undefined ? kept : withManifest(kept, bare(manifest)),
    size,
    parent: before?.parent ?? parent,
    lastTagged: before?.lastTagged,
  });
  await store.put(image);
  const record = store.get(id);
  if (record === undefined) throw new EngineError('internal', `image ${id} was not stored`);
  if (before !== undefined) await collect(deps, { chains: [], blobs: blobsOf(before) });
  return record;
}

function bare({ digest, indexes, mediaType, size }: KeptManifest): KeptManifest {
  return { digest, size, mediaType, indexes };
}

type AddedLayer = {
  readonly blob: LayerBlob;
  /** To be committed; undefined for the blob of a layer that was here. */
  readonly archive: Ingest | undefined;
};

type LayerOptions = AddOptions & {
  /** Called with each blob that the image will need, before it becomes one. */
  readonly keep: (digest: Digest) => void;
};

/** All layers at once: each waits for its archive, a thread, and then for the layer below. */
export async function addLayers(
  deps: ImageDeps,
  layers: readonly NewLayer[],
  options: LayerOptions,
): Promise<readonly AddedLayer[]> {
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  let below: Promise<unknown> = Promise.resolve();
  let parent: ChainId | undefined;
  let cause: { readonly error: unknown } | undefined;
  const tasks = layers.map((layer, index) => {
    const place: Place = { index, parent, below };
    const task = addLayer(deps, layer, place, { ...options, signal }).catch((error: unknown) => {
      // The first failure is the cause; those of the others are only its echo.
      cause ??= { error };
      failed.abort(error);
      throw error;
    });
    below = task;
    parent = chainOn(parent, layer.diffId);
    return task;
  });
  // Each has to end before what they made is taken back.
  const ends = await Promise.allSettled(tasks);
  if (cause !== undefined) throw cause.error;
  return ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []));
}

type Place = {
  readonly index: number;
  readonly parent: ChainId | undefined;
  /** Settles when the layer below is there. */
  readonly below: Promise<unknown>;
};

async function addLayer(
  deps: ImageDeps,
  layer: NewLayer,
  place: Place,
  options: LayerOptions,
): Promise<AddedLayer> {
  const { snapshots } = deps;
  const { diffId, mediaType } = layer;
  const { index, parent } = place;
  const chain = chainOn(parent, diffId);
  const kept = keptBlob(deps, chain, diffId);
  if (kept !== undefined) {
    options.keep(kept.digest);
    options.onLayer?.(index, { kind: 'here' });
    return { blob: kept, archive: undefined };
  }
  await using follower = new Follower(deps, {
    diffId,
    signal: options.signal,
    openStage: () => openStage(deps, parent),
    lower: () => lowerOf(deps, parent),
  });
  const canFollow = isCompressedType(mediaType) && isFree(deps, parent);
  const archive = await layer.archive(options.signal, (...grown) => {
    if (canFollow) follower.grown(...grown);
  });
  options.keep(archive.digest);
  const following = follower.finish(archive.size);
  void archive.sync(); // The disk works while the layer is unpacked; commit() waits for it.
  // Not before: another that brings the same layer meanwhile must not wait for our download.
  using _lock = await deps.locks.acquire(`layer ${chain}`, options.signal);
  if (snapshots.has(chain)) {
    // The tree is here already; of two archives for it, the first one is kept.
    const now = keptBlob(deps, chain, diffId);
    if (now !== undefined) {
      options.keep(now.digest);
      options.onLayer?.(index, { kind: 'done' });
      return { blob: now, archive: undefined };
    }
    await verifyDiffId(deps, archive, layer, place, options);
  } else {
    const filled = await following;
    await unpackLayer(deps, archive, layer, { ...place, filled }, options);
  }
  options.onLayer?.(index, { kind: 'done' });
  return { blob: { diffId, digest: archive.digest, size: archive.size, mediaType }, archive };
}

/** The archive of a layer that is here. */
function keptBlob(deps: ImageDeps, chain: ChainId, diffId: Digest): LayerBlob | undefined {
  if (!deps.snapshots.has(chain)) return undefined;
  return deps.store.blobOf(diffId, ({ digest }) => deps.content.has(digest));
}

/** The directories below, top first; undefined if they are not there yet. */
function lowerOf(deps: ImageDeps, parent: ChainId | undefined): readonly string[] | undefined {
  const { snapshots } = deps;
  return parent === undefined || snapshots.has(parent) ? snapshots.lower(parent) : undefined;
}

/** Its files can be made now, whatever is below. */
function isFree({ snapshots }: ImageDeps, parent: ChainId | undefined): boolean {
  return parent === undefined || snapshots.has(parent) || snapshots.stageLoose !== undefined;
}

async function unpackLayer(
  deps: ImageDeps,
  archive: Ingest,
  layer: NewLayer,
  place: Place & { readonly filled: Filled | undefined },
  options: LayerOptions,
): Promise<void> {
  const { snapshots } = deps;
  const { diffId, mediaType } = layer;
  const { below, index, parent } = place;
  if (archive.digest !== diffId && !isCompressedType(mediaType)) {
    throw wrongDiffId(index, diffId, archive.digest);
  }
  if (!isFree(deps, parent)) await below;
  await using stage = place.filled?.stage ?? (await openStage(deps, parent));
  const made = place.filled?.made ?? (await fill(deps, archive, stage, layer, place, options));
  await below;
  const lower = snapshots.lower(parent);
  if (made.orphans.length > 0) {
    const { orphans } = made;
    const job = { kind: 'adopt', root: stage.root, lower, orphans } as const;
    await deps.unpacker.run(job, { signal: options.signal });
  }
  const { bytes, tarBytes } = made;
  const record = { chain: chainOn(parent, diffId), parent, diffId, bytes, tarBytes };
  await stage.commit(record, made.ownRoot);
}

/** One that stands on its parent if that is there. */
async function openStage(deps: ImageDeps, parent: ChainId | undefined): Promise<LooseStage> {
  const { snapshots } = deps;
  if (parent !== undefined && !snapshots.has(parent) && snapshots.stageLoose !== undefined) {
    return snapshots.stageLoose();
  }
  const stage = await snapshots.stage(parent);
  return {
    root: stage.root,
    commit: (made) => stage.commit(made),
    [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose](),
  };
}

async function fill(
  deps: ImageDeps,
  archive: Ingest,
  stage: LooseStage,
  { diffId }: NewLayer,
  { index, parent }: Place,
  options: LayerOptions,
): Promise<Unpacked> {
  const { onLayer, signal } = options;
  const total = archive.size;
  onLayer?.(index, { kind: 'unpacking', current: 0, total });
  await using blob = await openBlob(archive);
  const job = {
    kind: 'unpack',
    blob: blob.path,
    root: stage.root,
    // A plain archive was hashed when it was received.
    diffId: archive.digest === diffId ? undefined : diffId,
    lower: lowerOf(deps, parent),
  } as const;
  const onProgress = (current: number): void =>
    onLayer?.(index, { kind: 'unpacking', current, total });
  const made = await deps.unpacker
    .run(job, { signal, onProgress })
    .catch((error: unknown) => Promise.reject(diffIdError(error, index, diffId)));
  onLayer?.(index, { kind: 'unpacking', current: total, total });
  return made;
}

async function verifyDiffId(
  deps: ImageDeps,
  archive: Ingest,
  { diffId }: NewLayer,
  { index }: Place,
  { signal }: LayerOptions,
): Promise<void> {
  if (archive.digest === diffId) return;
  await using blob = await openBlob(archive);
  await deps.unpacker
    .run({ kind: 'verify', blob: blob.path, diffId }, { signal })
    .catch((error: unknown) => Promise.reject(diffIdError(error, index, diffId)));
}

/** A name for the open file, which stays when a commit gives the archive another one. */
async function openBlob(archive: Ingest): Promise<AsyncDisposable & { readonly path: string }> {
  const handle: FileHandle = await open(archive.path, 'r');
  return {
    path: `/proc/${process.pid}/fd/${handle.fd}`,
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

function isCompressedType(mediaType: string): boolean {
  return /gzip$|zstd$/.test(mediaType);
}

function diffIdError(error: unknown, index: number, diffId: Digest): unknown {
  const actual = error instanceof EngineError ? error.facts['actual'] : undefined;
  return typeof actual === 'string' ? wrongDiffId(index, diffId, actual) : error;
}

function wrongDiffId(index: number, expected: string, actual: string): EngineError {
  return new EngineError(
    'corrupt',
    `invalid diffID for layer ${index}: expected "${expected}", got "${actual}"`,
    { facts: { expected, actual } },
  );
}
