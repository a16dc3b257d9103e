// What a registry has under a name: the descriptor, and the platforms that it is for. Nothing of it
// is kept.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Digest } from '#base/digest.ts';
import { EngineError, isEngineError } from '#base/error.ts';
import { parseReference, withDefaultTag } from '#base/reference.ts';
import { CONFIG_BYTES_MAX } from './config.ts';
import {
  asList,
  asMap,
  type JsonMap,
  optionalMap,
  optionalString,
  optionalStrings,
  parseJson,
} from './json.ts';
import { MANIFESTS_MAX, parseManifest } from './manifest.ts';
import type { Platform } from './platform.ts';
import type {
  BlobName,
  FetchedManifest,
  Registries,
  RegistryAuth,
  Repository,
} from './registry/registry.ts';

export type RemotePlatform = Platform & {
  readonly osVersion: string;
  readonly osFeatures: readonly string[];
};

export type RemoteImage = {
  readonly descriptor: {
    readonly mediaType: string;
    readonly digest: Digest;
    readonly size: number;
  };
  readonly platforms: readonly RemotePlatform[];
};

export type RemoteOptions = {
  readonly auth: RegistryAuth | undefined;
  readonly signal: AbortSignal;
};

export async function inspectRemote(
  registries: Pick<Registries, 'repository'>,
  name: string,
  { auth, signal }: RemoteOptions,
): Promise<RemoteImage> {
  const reference = withDefaultTag(parseReference(name));
  const repository = registries.repository(reference, 'pull', auth);
  const { bytes, digest, mediaType } = await readManifest(repository, signal);
  const manifest = parseManifest(bytes, mediaType);
  const descriptor = { mediaType: manifest.mediaType, digest, size: bytes.length };
  if (manifest.kind === 'index') return { descriptor, platforms: platformsOf(bytes) };
  const platform = platformOf(await readConfig(repository, manifest.config, signal));
  const known = platform.os !== '' || platform.architecture !== '';
  return { descriptor, platforms: known ? [platform] : [] };
}

/** What is not there is told as the registry says it, not as a failed pull. */
async function readManifest(repository: Repository, signal: AbortSignal): Promise<FetchedManifest> {
  try {
    return await repository.manifest({ signal });
  } catch (error) {
    if (!isEngineError(error) || error.facts['registryCode'] !== 'MANIFEST_UNKNOWN') throw error;
    const text = 'manifest unknown: manifest unknown';
    throw new EngineError(error.code, text, { cause: error, facts: error.facts });
  }
}

/** The parser of manifests keeps only what decides a pull; here all of it is shown. */
function platformsOf(index: Uint8Array): readonly RemotePlatform[] {
  const list = asMap(parseJson(index, 'index'), 'index').get('manifests');
  return asList(list, 'index: manifests', MANIFESTS_MAX).map((item) => {
    const raw = asMap(item, 'index: manifest');
    return platformOf(optionalMap(raw.get('platform'), 'index: platform'));
  });
}

/** The fields have the same names in a descriptor and in a config. */
function platformOf(raw: JsonMap | undefined): RemotePlatform {
  const text = (key: string): string => optionalString(raw?.get(key), key);
  return {
    os: text('os'),
    architecture: text('architecture'),
    variant: text('variant'),
    osVersion: text('os.version'),
    osFeatures: optionalStrings(raw?.get('os.features'), 'os.features', MANIFESTS_MAX) ?? [],
  };
}

async function readConfig(
  repository: Repository,
  config: BlobName,
  signal: AbortSignal,
): Promise<JsonMap | undefined> {
  if (config.size > CONFIG_BYTES_MAX) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'coracle-config-'));
  try {
    const file = join(folder, 'config');
    await repository.download(config, file, { signal });
    return asMap(parseJson(await readFile(file), 'image config'), 'image config');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
