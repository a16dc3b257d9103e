// The manifest of an image that is pushed: the kept one, or Docker's schema 2 in the very bytes that
// dockerd writes for the same layers, so that both engines give one image one digest.
import type { Digest } from '#base/digest.ts';
import type { ImageDeps } from './deps.ts';
import { MEDIA } from './manifest.ts';
import type { ImageRecord, LayerBlob } from './record.ts';

export type PushManifest = {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly config: { readonly digest: Digest; readonly size: number };
};

/** Go's json.MarshalIndent with three blanks, as dockerd's schema 2 builder. */
const INDENT = 3;

export async function manifestToPush(
  deps: Pick<ImageDeps, 'content'>,
  image: ImageRecord,
  layers: readonly LayerBlob[],
): Promise<PushManifest> {
  const config = { digest: image.id, size: await deps.content.size(image.id) };
  return { ...buildManifest(config, layers), config };
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
