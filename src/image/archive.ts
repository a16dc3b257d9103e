// What images an archive holds: a `docker save` archive by its manifest.json, or an OCI image
// layout by its index.json (OCI image-spec image-layout.md). Everything is checked before the first
// image is added.
import { type Digest, hexOf, isDigest } from '#base/digest.ts';
import { EngineError } from '#base/error.ts';
import { checkOs, chooseManifest, choices } from './choose.ts';
import { CONFIG_BYTES_MAX, type ImageSpec, parseImageSpec } from './config.ts';
import type { Ingest } from './content/content.ts';
import { asMap, parseJson } from './json.ts';
import {
  type ArchiveItem,
  type Descriptor,
  MANIFEST_BYTES_MAX,
  type Manifest,
  parseArchiveManifest,
  parseManifest,
} from './manifest.ts';
import type { Platform } from './platform.ts';
import { type Reference, parseReference, withDefaultTag } from '#base/reference.ts';
import { type SpooledArchive, layerMediaType } from './spool.ts';

export type ArchiveImage = {
  readonly spec: ImageSpec;
  readonly config: Buffer;
  readonly layers: readonly { readonly archive: Ingest; readonly mediaType: string }[];
  readonly tags: readonly Reference[];
  readonly parent: Digest | undefined;
};

const REF_NAME = 'org.opencontainers.image.ref.name';
const IMAGE_NAME = 'io.containerd.image.name';

export async function readArchive(
  archive: SpooledArchive,
  platform: Platform,
): Promise<readonly ArchiveImage[]> {
  if (archive.has('manifest.json')) {
    const items = parseArchiveManifest(await archive.read('manifest.json', MANIFEST_BYTES_MAX));
    const images: ArchiveImage[] = [];
    for (const item of items) images.push(await readDockerItem(archive, item));
    return images;
  }
  if (archive.has('index.json')) return readLayout(archive, platform);
  throw new EngineError('invalid_argument', 'invalid archive: does not contain a manifest.json');
}

async function readDockerItem(archive: SpooledArchive, item: ArchiveItem): Promise<ArchiveImage> {
  const config = await archive.read(item.config, CONFIG_BYTES_MAX);
  checkBlobName(item.config, archive.file(item.config));
  const layers: { archive: Ingest; mediaType: string }[] = [];
  for (const path of item.layers) {
    const file = archive.file(path);
    checkBlobName(path, file);
    layers.push({ archive: file, mediaType: await layerMediaType(file) });
  }
  const spec = parseImageSpec(config);
  checkOs(spec);
  return {
    spec,
    config,
    layers,
    tags: item.repoTags.map(parseTag),
    parent: isDigest(item.parent) ? item.parent : undefined,
  };
}

/** A file that is named by a digest must have it. */
function checkBlobName(path: string, file: Ingest): void {
  const match = /(?:^|\/)blobs\/sha256\/([0-9a-f]{64})$/.exec(path);
  if (match === null || match[1] === hexOf(file.digest)) return;
  throw new EngineError('corrupt', `invalid archive: ${path} has digest ${file.digest}`, {
    facts: { digest: file.digest },
  });
}

function parseTag(text: string): Reference {
  const reference = parseReference(text);
  if (reference.tag !== undefined && reference.digest === undefined) return reference;
  throw new EngineError('invalid_argument', `invalid tag "${text}"`);
}

async function readLayout(
  archive: SpooledArchive,
  platform: Platform,
): Promise<readonly ArchiveImage[]> {
  const layout = asMap(
    parseJson(await archive.read('oci-layout', 4096), 'oci-layout'),
    'oci-layout',
  );
  const version = layout.get('imageLayoutVersion');
  if (typeof version !== 'string' || !version.startsWith('1.')) {
    throw new EngineError('invalid_argument', 'unsupported OCI image layout version');
  }
  const index = parseManifest(await archive.read('index.json', MANIFEST_BYTES_MAX), '');
  if (index.kind !== 'index') throw new EngineError('corrupt', 'index.json is not an index');
  const images = new Map<string, ArchiveImage>();
  const read = (descriptor: Descriptor): Promise<Buffer> =>
    archive.read(blobPath(blob(archive, descriptor).digest), MANIFEST_BYTES_MAX);
  for (const descriptor of choices(index.manifests, platform)) {
    const { digest, mediaType } = descriptor;
    const outermost = { digest, mediaType, bytes: await read(descriptor) };
    const { parsed: manifest } = await chooseManifest(outermost, platform, read);
    const tag = nameOf(descriptor);
    const key = manifest.config.digest;
    const known = images.get(key) ?? (await readOciImage(archive, manifest));
    images.set(key, { ...known, tags: tag === undefined ? known.tags : [...known.tags, tag] });
  }
  return [...images.values()];
}

/** An image's name in a layout; a bare tag ("latest") names nothing by itself. */
function nameOf(descriptor: Descriptor): Reference | undefined {
  const full = descriptor.annotations[IMAGE_NAME];
  const short = descriptor.annotations[REF_NAME];
  const text = full ?? (short !== undefined && /[:/]/.test(short) ? short : undefined);
  if (text === undefined) return undefined;
  const reference = withDefaultTag(parseReference(text));
  return reference.digest === undefined ? reference : undefined;
}

async function readOciImage(archive: SpooledArchive, manifest: Manifest): Promise<ArchiveImage> {
  blob(archive, manifest.config);
  const config = await archive.read(blobPath(manifest.config.digest), CONFIG_BYTES_MAX);
  const spec = parseImageSpec(config);
  checkOs(spec);
  const layers = manifest.layers.map((descriptor) => ({
    archive: blob(archive, descriptor),
    mediaType: descriptor.mediaType,
  }));
  return { spec, config, layers, tags: [], parent: undefined };
}

function blobPath(digest: Digest): string {
  return `blobs/sha256/${hexOf(digest)}`;
}

/** The blob that a descriptor names, with the digest and size that it claims. */
function blob(archive: SpooledArchive, descriptor: Descriptor): Ingest {
  const file = archive.file(blobPath(descriptor.digest));
  if (file.digest !== descriptor.digest || file.size !== descriptor.size) {
    throw new EngineError(
      'corrupt',
      `blob ${descriptor.digest} has digest ${file.digest} and ${file.size} bytes, ` +
        `expected ${descriptor.size}`,
      { facts: { digest: file.digest, expected: descriptor.digest, size: file.size } },
    );
  }
  return file;
}
