// One image: what its config says, where its layers' blobs are, and who its parent is. The record
// on disk holds only what the config blob does not; tags are records of their own, so that moving a
// tag replaces one file.
import { type Digest, isDigest } from '#base/digest.ts';
import { EngineError } from '#base/error.ts';
import type { Nanoseconds } from '#base/clock.ts';
import { type ChainId, chainsOf } from '#snapshot/chain.ts';
import type { ImageSpec } from './config.ts';
import { asList, asMap, asSize, asString, parseJson } from './json.ts';
import { LAYERS_MAX } from './config.ts';

export const IMAGE_RECORD_VERSION = 1;

/** The digest of an image's config. */
export type ImageId = Digest;

/** The archive that a layer came in, kept so that save and push give the same digests. */
export type LayerBlob = {
  readonly diffId: Digest;
  readonly digest: Digest;
  readonly size: number;
  readonly mediaType: string;
};

export type StoredImage = ImageSpec & {
  readonly id: ImageId;
  /** The stack to mount; undefined for an image without layers. */
  readonly chain: ChainId | undefined;
  /** The chain after each layer, lowest first. */
  readonly chains: readonly ChainId[];
  readonly layers: readonly LayerBlob[];
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
export type ImageExtra = Pick<StoredImage, 'layers' | 'parent' | 'size' | 'lastTagged'>;

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
    parent: image.parent,
    size: image.size,
    lastTagged: image.lastTagged?.toString(),
  })}\n`;
}

export function parseImageRecord(bytes: Uint8Array): ImageExtra & { readonly id: ImageId } {
  const raw = asMap(parseJson(bytes, 'image record'), 'image record');
  if (raw.get('version') !== IMAGE_RECORD_VERSION) {
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
