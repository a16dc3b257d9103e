// The manifest of an image that is pushed: the kept one, or Docker's schema 2 in the very bytes
// that dockerd writes for the same layers, so that both engines give one image one digest.
import type { Digest } from '#base/digest.ts';
import type { Reference } from '#base/reference.ts';
import type { ImageDeps } from './deps.ts';
import { MANIFEST_BYTES_MAX, MEDIA, parseManifest } from './manifest.ts';
import type { PushTarget } from './push.ts';
import type { ImageRecord, KeptManifest, LayerBlob } from './record.ts';

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
  /** Layers that are not here but in the repository already, with what is told of them. */
  readonly there: ReadonlyMap<Digest, string>;
};

/** What the registry has in the repository, or can bring there from another one. */
export type AskRemote = (
  layer: LayerBlob,
  sources: readonly string[],
) => Promise<string | undefined>;

/**
 * The newest manifest that the image came by and whose layers can be had, byte for byte. A layer
 * that was here when the image was pulled has another archive; then the registry must have the
 * right one.
 */
export async function planPush(
  { content, store }: Pick<ImageDeps, 'content' | 'store'>,
  { hold, image, reference }: Pick<PushTarget, 'image' | 'reference' | 'hold'>,
  ask: AskRemote,
): Promise<PushPlan> {
  for (const kept of image.manifests.toReversed()) {
    if (!content.has(kept.digest)) continue;
    const bytes = await content.read(kept.digest, MANIFEST_BYTES_MAX);
    const manifest = parseManifest(bytes, kept.mediaType);
    if (manifest.kind !== 'manifest' || manifest.layers.length !== image.diffIds.length) continue;
    const layers = manifest.layers.map(({ digest, mediaType, size }, i) => {
      return { diffId: image.diffIds[i] ?? digest, digest, size, mediaType };
    });
    const missing = layers.filter(({ digest }) => !content.has(digest));
    for (const { digest } of layers) hold(digest);
    const sources = sourcesOf(store.references(image.id), kept, reference);
    const there = await askAll(missing, sources, ask);
    if (there === undefined) continue;
    return { layers, kept: { bytes, mediaType: manifest.mediaType }, there };
  }
  return { layers: image.layers, kept: undefined, there: new Map() };
}

/** Repositories of the same registry that the manifest was pulled from or pushed to. */
function sourcesOf(
  references: readonly Reference[],
  kept: KeptManifest,
  wanted: Reference,
): readonly string[] {
  const digests: readonly string[] = [kept, ...kept.indexes].map(({ digest }) => digest);
  return references
    .filter(({ digest, domain }) => domain === wanted.domain && digests.includes(digest ?? ''))
    .map(({ path }) => path)
    .filter((path) => path !== wanted.path);
}

async function askAll(
  layers: readonly LayerBlob[],
  sources: readonly string[],
  ask: AskRemote,
): Promise<ReadonlyMap<Digest, string> | undefined> {
  const there = new Map<Digest, string>();
  for (const layer of layers) {
    const status = await ask(layer, sources);
    if (status === undefined) return undefined;
    there.set(layer.digest, status);
  }
  return there;
}

export async function manifestToPush(
  { content }: Pick<ImageDeps, 'content'>,
  image: ImageRecord,
  { kept, layers }: Pick<PushPlan, 'kept' | 'layers'>,
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
