// One image: what its config says, where its layers' blobs are, and who its parent is. The record
// on disk holds only what the config blob does not; tags are records of their own, so that moving a
// tag replaces one file.
import { type Digest, isDigest } from '#base/digest.ts';
import { EngineError } from '#base/error.ts';
import type { Nanoseconds } from '#base/clock.ts';
import { type ChainId, chainsOf } from '#snapshot/chain.ts';
import type { ImageSpec } from './config.ts';
import { asList, asMap, asSize, asString, optionalList, parseJson } from './json.ts';
import { LAYERS_MAX } from './config.ts';
import { INDEX_DEPTH_MAX } from './manifest.ts';

/** 2 brought `manifests`; a record of version 1 has none. */
export const IMAGE_RECORD_VERSION = 2;
/** Manifests that are kept of one image; one more takes the place of the oldest. */
export const MANIFESTS_KEPT_MAX = 8;

/** The digest of an image's config. */
export type ImageId = Digest;

/** The archive that a layer came in, kept so that save and push give the same digests. */
export type LayerBlob = {
  readonly diffId: Digest;
  readonly digest: Digest;
  readonly size: number;
  readonly mediaType: string;
};

/** A manifest or index, kept as a blob. */
export type ManifestBlob = {
  readonly digest: Digest;
  readonly size: number;
  readonly mediaType: string;
};

/**
 * A manifest that the image came by: a push that sends it gives the image the same digest again.
 */
export type KeptManifest = ManifestBlob & {
  /** The indexes that named it, outermost first; kept as well. */
  readonly indexes: readonly ManifestBlob[];
};

export type StoredImage = ImageSpec & {
  readonly id: ImageId;
  /** The stack to mount; undefined for an image without layers. */
  readonly chain: ChainId | undefined;
  /** The chain after each layer, lowest first. */
  readonly chains: readonly ChainId[];
  readonly layers: readonly LayerBlob[];
  /** Newest last; empty for an image that came by no registry. */
  readonly manifests: readonly KeptManifest[];
  /** The image that this one was built or committed from, if it is known here. */
  readonly parent: ImageId | undefined;
  /** Sum of the layers' file sizes. */
  readonly size: number;
  readonly lastTagged: Nanoseconds | undefined;
};

/** An image as everybody outside the store sees it. */
export type ImageRecord = StoredImage & {
  /** Familiar forms, sorted: "busybox:latest". */
  readonly repoTags: readonly string[];
  /** Familiar forms, sorted: "busybox@sha256:...". */
  readonly repoDigests: readonly string[];
};

/** What a record adds to the config. */
export type ImageExtra = Pick<
  StoredImage,
  'layers' | 'manifests' | 'parent' | 'size' | 'lastTagged'
>;

/** All blobs that an image needs: config, layers, manifests and their indexes. */
export function blobsOf(image: StoredImage): readonly Digest[] {
  const manifests = image.manifests.flatMap((kept) => [kept, ...kept.indexes]);
  return [image.id, ...[...image.layers, ...manifests].map(({ digest }) => digest)];
}

/** The manifests with one more, which becomes the newest. */
export function withManifest(
  manifests: readonly KeptManifest[],
  added: KeptManifest,
): readonly KeptManifest[] {
  const others = manifests.filter(({ digest }) => digest !== added.digest);
  return [...others, added].slice(-MANIFESTS_KEPT_MAX);
}

export function storedImage(id: ImageId, spec: ImageSpec, extra: ImageExtra): StoredImage {
  if (extra.layers.some((layer, i) => layer.diffId !== spec.diffIds[i])) {
    throw new EngineError('corrupt', `image ${id}: layers do not match its config`);
  }
  const chains = chainsOf(spec.diffIds);
  return { ...spec, ...extra, id, chains, chain: chains.at(-1) };
}

export function encodeImageRecord(image: StoredImage): string {
  return `${JSON.stringify({
    version: IMAGE_RECORD_VERSION,
    id: image.id,
    layers: image.layers,
    manifests: image.manifests,
    parent: image.parent,
    size: image.size,
    lastTagged: image.lastTagged?.toString(),
  })}\n`;
}

export function parseImageRecord(bytes: Uint8Array): ImageExtra & { readonly id: ImageId } {
  const raw = asMap(parseJson(bytes, 'image record'), 'image record');
  const version = raw.get('version');
  if (version !== 1 && version !== IMAGE_RECORD_VERSION) {
    throw new EngineError('corrupt', 'image record: unknown version');
  }
  const id = raw.get('id');
  const parent = raw.get('parent');
  const tagged = raw.get('lastTagged');
  if (!isDigest(id)) throw new EngineError('corrupt', 'image record: bad id');
  if (parent !== undefined && !isDigest(parent)) {
    throw new EngineError('corrupt', 'image record: bad parent');
  }
  return {
    id,
    parent,
    layers: asList(raw.get('layers'), 'image record: layers', LAYERS_MAX).map(parseLayerBlob),
    manifests: optionalList(
      raw.get('manifests'),
      'image record: manifests',
      MANIFESTS_KEPT_MAX,
    ).map(parseKeptManifest),
    size: asSize(raw.get('size'), 'image record: size'),
    lastTagged:
      typeof tagged === 'string' && /^\d{1,20}$/.test(tagged) ? BigInt(tagged) : undefined,
  };
}

function parseLayerBlob(value: unknown): LayerBlob {
  const raw = asMap(value, 'image record: layer');
  const diffId = raw.get('diffId');
  const digest = raw.get('digest');
  if (!isDigest(diffId) || !isDigest(digest)) {
    throw new EngineError('corrupt', 'image record: bad layer digest');
  }
  return {
    diffId,
    digest,
    size: asSize(raw.get('size'), 'image record: layer size'),
    mediaType: asString(raw.get('mediaType'), 'image record: layer media type'),
  };
}

function parseKeptManifest(value: unknown): KeptManifest {
  const indexes = asMap(value, 'image record: manifest').get('indexes');
  return {
    ...parseManifestBlob(value),
    indexes: asList(indexes, 'image record: indexes', INDEX_DEPTH_MAX + 1).map(parseManifestBlob),
  };
}

function parseManifestBlob(value: unknown): ManifestBlob {
  const raw = asMap(value, 'image record: manifest');
  const digest = raw.get('digest');
  if (!isDigest(digest)) throw new EngineError('corrupt', 'image record: bad manifest digest');
  return {
    digest,
    size: asSize(raw.get('size'), 'image record: manifest size'),
    mediaType: asString(raw.get('mediaType'), 'image record: manifest media type'),
  };
}
