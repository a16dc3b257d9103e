// `docker save`: images become one archive that is both what older Dockers load (manifest.json) and
// an OCI image layout (index.json), as Docker 25 and later write it. Layers go out uncompressed,
// named by their diffID; the same images always give the same bytes.
import { type Digest, hexOf, sha256 } from '#base/digest.ts';
import { EngineError } from '#base/error.ts';
import { decompress } from '#tar/compression.ts';
import { type EncodeItem, encodeTar } from '#tar/encode.ts';
import { borrow } from './collect.ts';
import { CONFIG_BYTES_MAX } from './config.ts';
import { type ImageDeps, publish } from './deps.ts';
import { MEDIA } from './manifest.ts';
import { formatPlatform, isPlatform, type Platform } from './platform.ts';
import type { ImageId, ImageRecord, LayerBlob } from './record.ts';
import {
  type Reference,
  familiarName,
  familiarReference,
  parseReference,
  repositoryOf,
} from '#base/reference.ts';
import { isIdPrefix, resolveImage } from './resolve.ts';

/** Images in one archive. */
export const SAVE_IMAGES_MAX = 1000;

export type SaveOptions = {
  readonly signal: AbortSignal;
  /** Of all of them; another one is refused. */
  readonly platform?: Platform;
};

type Chosen = { readonly image: ImageRecord; readonly names: Reference[] };
type Part = { readonly size: number; readonly body: () => AsyncIterable<Uint8Array> | Uint8Array };

/**
 * The archive's bytes. Names are resolved before the first byte, so that a wrong one still is a
 * 404.
 */
export function saveImages(
  deps: ImageDeps,
  texts: readonly string[],
  { signal, platform }: SaveOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (texts.length > SAVE_IMAGES_MAX) {
    throw new EngineError('limit_exceeded', 'too many images to save', {
      facts: { limit: 'SAVE_IMAGES_MAX', max: SAVE_IMAGES_MAX },
    });
  }
  const chosen = choose(deps, texts);
  if (platform !== undefined && !chosen.every(({ image }) => isPlatform(platform, image))) {
    const text = `no suitable export target found for platform ${formatPlatform(platform)}`;
    throw new EngineError('internal', text);
  }
  return write(deps, chosen, signal);
}

/** By name: with that name. By ID: without names. A repository without tag: with all its tags. */
function choose(deps: ImageDeps, texts: readonly string[]): readonly Chosen[] {
  const chosen = new Map<ImageId, Chosen>();
  const add = (image: ImageRecord, name: Reference | undefined): void => {
    const entry = chosen.get(image.id) ?? { image, names: [] };
    chosen.set(image.id, entry);
    if (name === undefined) return;
    const text = familiarReference(name);
    if (!entry.names.some((known) => familiarReference(known) === text)) entry.names.push(name);
  };
  for (const text of texts) {
    const image = tryResolve(deps, text);
    if (image !== undefined && isIdPrefix(image.id, text)) {
      add(image, undefined);
      continue;
    }
    const name = parseReference(text);
    if (name.tag !== undefined || name.digest !== undefined) {
      add(image ?? resolveImage(deps, text), name.digest === undefined ? name : undefined);
      continue;
    }
    const tagged = tagsOf(deps, name);
    if (tagged.length === 0) resolveImage(deps, text);
    for (const [found, tag] of tagged) add(found, tag);
  }
  return [...chosen.values()];
}

function tryResolve(deps: ImageDeps, text: string): ImageRecord | undefined {
  try {
    return resolveImage(deps, text);
  } catch (error) {
    if (error instanceof EngineError && error.code === 'not_found') return undefined;
    throw error;
  }
}

function tagsOf(deps: ImageDeps, name: Reference): readonly (readonly [ImageRecord, Reference])[] {
  return deps.store.list().flatMap((image) =>
    deps.store
      .references(image.id)
      .filter((tag) => tag.digest === undefined && repositoryOf(tag) === repositoryOf(name))
      .map((tag) => [image, tag] as const),
  );
}

async function* write(
  deps: ImageDeps,
  chosen: readonly Chosen[],
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  // What is being saved stays, even if its image is removed meanwhile.
  const blobs = chosen.flatMap(({ image }) => [image.id, ...image.layers.map((l) => l.digest)]);
  await using _borrowed = borrow(deps, blobs);
  const parts = new Map<string, Part>();
  const blob = (digest: Digest, part: Part): void => {
    parts.set(`blobs/sha256/${hexOf(digest)}`, part);
  };
  const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
  const manifests: unknown[] = [];
  const items: unknown[] = [];
  const repositories: Record<string, Record<string, string>> = {};
  for (const { image, names } of chosen) {
    const config = await deps.content.read(image.id, CONFIG_BYTES_MAX);
    blob(image.id, { size: config.length, body: () => config });
    const layers = image.layers.map((layer, i) => layerPart(deps, image, layer, i));
    for (const { descriptor, part } of layers) blob(descriptor.digest, part);
    const manifest = json({
      schemaVersion: 2,
      mediaType: MEDIA.ociManifest,
      config: { mediaType: MEDIA.ociConfig, digest: image.id, size: config.length },
      layers: layers.map(({ descriptor }) => descriptor),
    });
    const digest = sha256(manifest);
    blob(digest, { size: manifest.length, body: () => manifest });
    const descriptor = { mediaType: MEDIA.ociManifest, digest, size: manifest.length };
    manifests.push(...indexEntries(descriptor, names));
    items.push({
      Config: `blobs/sha256/${hexOf(image.id)}`,
      RepoTags: names.length === 0 ? null : names.map(familiarReference),
      Layers: layers.map((layer) => `blobs/sha256/${hexOf(layer.descriptor.digest)}`),
      LayerSources: Object.fromEntries(
        layers.map((layer) => [layer.descriptor.digest, layer.descriptor]),
      ),
    });
    const top = image.diffIds.at(-1);
    for (const name of names) {
      if (top === undefined) continue;
      const tags = repositories[familiarName(name)] ?? {};
      repositories[familiarName(name)] = { ...tags, [name.tag ?? 'latest']: hexOf(top) };
    }
  }
  const file = (name: string, value: unknown): void => {
    const bytes = json(value);
    parts.set(name, { size: bytes.length, body: () => bytes });
  };
  file('index.json', { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests });
  file('manifest.json', items);
  file('oci-layout', { imageLayoutVersion: '1.0.0' });
  if (Object.keys(repositories).length > 0) file('repositories', repositories);
  for await (const chunk of encodeTar(entries(parts))) {
    signal.throwIfAborted();
    yield chunk;
  }
  for (const { image } of chosen) publish(deps, 'save', image.id);
}

function indexEntries(
  descriptor: Readonly<Record<string, unknown>>,
  names: readonly Reference[],
): readonly unknown[] {
  if (names.length === 0) return [descriptor];
  return names.map((name) => ({
    ...descriptor,
    annotations: {
      'io.containerd.image.name': `${name.domain}/${name.path}:${name.tag ?? 'latest'}`,
      'org.opencontainers.image.ref.name': name.tag ?? 'latest',
    },
  }));
}

function layerPart(deps: ImageDeps, image: ImageRecord, layer: LayerBlob, index: number) {
  const chain = image.chains[index];
  const plain = layer.digest === layer.diffId;
  const known = chain === undefined ? undefined : deps.snapshots.layer(chain)?.tarBytes;
  const size = plain ? layer.size : known;
  if (size === undefined) {
    throw new EngineError('corrupt', `layer ${layer.diffId} of image ${image.id} is missing`);
  }
  const descriptor = { mediaType: MEDIA.ociLayer, digest: layer.diffId, size };
  const body = () => decompress(deps.content.stream(layer.digest));
  return { descriptor, part: { size, body } };
}

function* entries(parts: ReadonlyMap<string, Part>): Generator<EncodeItem, void, undefined> {
  yield { kind: 'dir', path: 'blobs', mode: 0o755 };
  yield { kind: 'dir', path: 'blobs/sha256', mode: 0o755 };
  for (const [path, { size, body }] of [...parts].sort(([a], [b]) => (a < b ? -1 : 1))) {
    yield { kind: 'file', path, mode: 0o644, size, body: body() };
  }
}
