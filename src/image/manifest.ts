// Manifests: OCI image manifest and index, Docker schema 2 and its list, and the manifest.json of a
// `docker save` archive. Closed parsers: a document says what it is by its media type and by its
// shape, and if the two disagree it is refused (CVE-2021-41190).
import { type Digest, isDigest } from '#base/digest.ts';
import { EngineError } from '#base/error.ts';
import { LAYERS_MAX } from './config.ts';
import {
  asList,
  asMap,
  asSize,
  asString,
  optionalMap,
  optionalString,
  optionalStrings,
  parseJson,
  stringMap,
} from './json.ts';
import type { Platform } from './platform.ts';

export const MANIFEST_BYTES_MAX = 4 * 1024 * 1024;
/** Manifests in one index, images in one archive, tags of one image. */
export const MANIFESTS_MAX = 1000;
/** Indexes inside indexes. */
export const INDEX_DEPTH_MAX = 4;

export const MEDIA = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
} as const;

export type Descriptor = {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly platform: Platform | undefined;
  readonly annotations: Readonly<Record<string, string>>;
};

export type Manifest = {
  readonly kind: 'manifest';
  readonly mediaType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
};
export type Index = {
  readonly kind: 'index';
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
};

const INDEX_TYPES: readonly string[] = [MEDIA.ociIndex, MEDIA.dockerList];
const MANIFEST_TYPES: readonly string[] = [MEDIA.ociManifest, MEDIA.dockerManifest];
const CONFIG_TYPES: readonly string[] = [MEDIA.ociConfig, MEDIA.dockerConfig];
const LAYER_TYPE =
  /^application\/vnd\.(oci\.image\.layer\.(nondistributable\.)?v1\.tar|docker\.image\.rootfs\.(foreign\.)?diff\.tar)([.+](gzip|zstd))?$/;

function refuse(message: string): EngineError {
  return new EngineError('corrupt', `invalid manifest: ${message}`);
}

export function isIndexType(mediaType: string): boolean {
  return INDEX_TYPES.includes(mediaType);
}

export function isManifestType(mediaType: string): boolean {
  return MANIFEST_TYPES.includes(mediaType);
}

/** Parses a manifest or index; `mediaType` is what the reference to it claims, '' if nothing. */
export function parseManifest(bytes: Uint8Array, mediaType: string): Manifest | Index {
  if (bytes.length > MANIFEST_BYTES_MAX) {
    throw new EngineError('limit_exceeded', 'manifest exceeds MANIFEST_BYTES_MAX', {
      facts: { limit: 'MANIFEST_BYTES_MAX', max: MANIFEST_BYTES_MAX },
    });
  }
  const raw = asMap(parseJson(bytes, 'manifest'), 'manifest');
  if (raw.get('schemaVersion') === 1) {
    throw new EngineError(
      'invalid_argument',
      'the image has a manifest of Docker schema 1, which has not been made since 2017 and is not ' +
        'supported: push it again with a newer engine',
    );
  }
  if (raw.get('schemaVersion') !== 2) throw refuse('schemaVersion must be 2');
  const own = optionalString(raw.get('mediaType'), 'manifest: mediaType');
  if (own !== '' && mediaType !== '' && own !== mediaType) throw refuse('media types disagree');
  const type = own === '' ? mediaType : own;
  const hasLayers = raw.has('layers') || raw.has('config');
  if (hasLayers && raw.has('manifests')) throw refuse('both a manifest and an index');
  if (raw.has('fsLayers')) throw refuse('schema 1 fields');
  if (raw.has('manifests')) {
    if (type !== '' && !isIndexType(type)) throw refuse(`${type} with manifests`);
    const manifests = asList(raw.get('manifests'), 'index: manifests', MANIFESTS_MAX);
    return {
      kind: 'index',
      mediaType: type === '' ? MEDIA.ociIndex : type,
      manifests: manifests.map((item, i) => parseDescriptor(item, `index: manifests[${i}]`)),
    };
  }
  if (type !== '' && !isManifestType(type)) throw refuse(`${type} without manifests`);
  return parseImageManifest(raw.get('config'), raw.get('layers'), type);
}

function parseImageManifest(config: unknown, layers: unknown, type: string): Manifest {
  const parsed = parseDescriptor(config, 'manifest: config');
  if (!CONFIG_TYPES.includes(parsed.mediaType)) {
    throw new EngineError(
      'invalid_argument',
      `not an image but an artifact: its config has media type ${parsed.mediaType}; ` +
        'bring it with the tool that it was made by',
    );
  }
  const list = asList(layers, 'manifest: layers', LAYERS_MAX);
  const descriptors = list.map((item, i) => parseDescriptor(item, `manifest: layers[${i}]`));
  for (const { mediaType } of descriptors) {
    if (!LAYER_TYPE.test(mediaType)) throw refuse(`layer has media type ${mediaType}`);
  }
  return {
    kind: 'manifest',
    mediaType: type === '' ? MEDIA.ociManifest : type,
    config: parsed,
    layers: descriptors,
  };
}

/** Such a layer comes from addresses that the manifest names: a request to any host, by anybody. */
export function isForeign({ mediaType }: Descriptor): boolean {
  return /\.(nondistributable|foreign)\./.test(mediaType);
}

export function parseDescriptor(value: unknown, where: string): Descriptor {
  const raw = asMap(value, where);
  const digest = raw.get('digest');
  if (!isDigest(digest)) throw refuse(`${where}: invalid digest`);
  const platform = optionalMap(raw.get('platform'), `${where}.platform`);
  const text = (key: string) => optionalString(platform?.get(key), `${where}.platform.${key}`);
  return {
    mediaType: asString(raw.get('mediaType'), `${where}.mediaType`),
    digest,
    size: asSize(raw.get('size'), `${where}.size`),
    platform:
      platform === undefined
        ? undefined
        : {
            os: text('os'),
            architecture: text('architecture'),
            variant: text('variant'),
          },
    annotations: stringMap(raw.get('annotations'), `${where}.annotations`, MANIFESTS_MAX),
  };
}

/** One image of a `docker save` archive; the names are paths inside the archive. */
export type ArchiveItem = {
  readonly config: string;
  readonly layers: readonly string[];
  readonly repoTags: readonly string[];
  readonly parent: string;
};

/** Parses the manifest.json of a `docker save` archive. */
export function parseArchiveManifest(bytes: Uint8Array): readonly ArchiveItem[] {
  const list = asList(parseJson(bytes, 'manifest.json'), 'manifest.json', MANIFESTS_MAX);
  return list.map((item, i) => {
    const where = `manifest.json[${i}]`;
    const raw = asMap(item, where);
    return {
      config: asString(raw.get('Config'), `${where}.Config`),
      layers: optionalStrings(raw.get('Layers'), `${where}.Layers`, LAYERS_MAX) ?? [],
      repoTags: optionalStrings(raw.get('RepoTags'), `${where}.RepoTags`, MANIFESTS_MAX) ?? [],
      parent: optionalString(raw.get('Parent'), `${where}.Parent`),
    };
  });
}
