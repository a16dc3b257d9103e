// The manifest of an image that is pushed: the kept one, or Docker's schema 2 in the very bytes that
// dockerd writes for the same layers, so that both engines give one image one digest.
import type { Digest } from '#base/digest.ts';
import type { ImageDeps } from './deps.ts';
import { MANIFEST_BYTES_MAX, MEDIA, parseManifest } from './manifest.ts';
import type { ImageRecord, LayerBlob } from './record.ts';

export type PushManifest = {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly config: { readonly digest: Digest; readonly size: number };
};

/** Go's json.MarshalIndent with three blanks, as dockerd's schema 2 builder. */
const INDENT = 3;

/** What is sent: the layers, and the manifest if it is known before them. */
export type PushPlan = {
  readonly layers: readonly LayerBlob[];
  readonly kept: Omit<PushManifest, 'config'> | undefined;
};

/** The newest manifest that the image came by and whose layers are all here, byte for byte. */
export async function planPush(
  { content }: Pick<ImageDeps, 'content'>,
  image: ImageRecord,
  hold: (digest: Digest) => void,
): Promise<PushPlan> {
  for (const { digest, mediaType } of image.manifests.toReversed()) {
    if (!content.has(digest)) continue;
    const bytes = await content.read(digest, MANIFEST_BYTES_MAX);
    const manifest = parseManifest(bytes, mediaType);
    if (manifest.kind !== 'manifest' || manifest.layers.length !== image.diffIds.length) continue;
    if (!manifest.layers.every((layer) => content.has(layer.digest))) continue;
    for (const { digest: each } of manifest.layers) hold(each);
    const layers = manifest.layers.map((layer, i) => ({
      diffId: image.diffIds[i] ?? layer.digest,
      digest: layer.digest,
      size: layer.size,
      mediaType: layer.mediaType,
    }));
    return { layers, kept: { bytes, mediaType: manifest.mediaType } };
  }
  return { layers: image.layers, kept: undefined };
}

export async function manifestToPush(
  { content }: Pick<ImageDeps, 'content'>,
  image: ImageRecord,
  { kept, layers }: PushPlan,
): Promise<PushManifest> {
  const config = { digest: image.id, size: await content.size(image.id) };
  return { ...(kept ?? buildManifest(config, layers)), config };
}

export function buildManifest(
  config: PushManifest['config'],
  layers: readonly LayerBlob[],
): Omit<PushManifest, 'config'> {
  // Schema 2 has no word for zstd.
  const oci = layers.some(({ mediaType }) => mediaType === MEDIA.ociLayerZstd);
  const mediaType = oci ? MEDIA.ociManifest : MEDIA.dockerManifest;
  const gzip = oci ? MEDIA.ociLayerGzip : MEDIA.dockerLayerGzip;
  const descriptor = (type: string, { size, digest }: PushManifest['config']) => ({
    mediaType: type,
    size,
    digest,
  });
  const manifest = {
    schemaVersion: 2,
    mediaType,
    config: descriptor(oci ? MEDIA.ociConfig : MEDIA.dockerConfig, config),
    layers: layers.map((layer) =>
      descriptor(layer.mediaType === MEDIA.ociLayerZstd ? layer.mediaType : gzip, layer),
    ),
  };
  return { bytes: Buffer.from(JSON.stringify(manifest, undefined, INDENT)), mediaType };
}
