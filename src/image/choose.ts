// Which of an index's manifests is taken: one for the platform that is wanted, through indexes
// inside indexes. One code for archives and registries.
import type { Digest } from '#base/digest.ts';
import { EngineError } from '#base/error.ts';
import type { ImageSpec } from './config.ts';
import {
  type Descriptor,
  INDEX_DEPTH_MAX,
  type Manifest,
  isIndexType,
  isManifestType,
  parseManifest,
} from './manifest.ts';
import { type Platform, fitsPlatform, formatPlatform } from './platform.ts';

/** A manifest or index as it came. */
export type ManifestBytes = {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
  readonly mediaType: string;
};

export type ChosenManifest = ManifestBytes & {
  readonly parsed: Manifest;
  /** The indexes that it was found in, outermost first. */
  readonly indexes: readonly ManifestBytes[];
};

/** Those that run here; attestations and other artifacts are passed over. */
export function choices(
  descriptors: readonly Descriptor[],
  platform: Platform,
): readonly Descriptor[] {
  const images = descriptors.filter(
    ({ annotations, mediaType }) =>
      (isIndexType(mediaType) || isManifestType(mediaType)) &&
      annotations['vnd.docker.reference.type'] === undefined,
  );
  const fitting = images.filter(
    (descriptor) =>
      descriptor.platform === undefined || fitsPlatform(platform, descriptor.platform),
  );
  if (fitting.length > 0) return fitting;
  throw new EngineError(
    'not_found',
    `no matching manifest for ${formatPlatform(platform)} in the manifest list entries`,
  );
}

/** Follows indexes from `outermost` to a manifest; `read` brings what a descriptor names. */
export async function chooseManifest(
  outermost: ManifestBytes,
  platform: Platform,
  read: (descriptor: Descriptor) => Promise<Uint8Array>,
): Promise<ChosenManifest> {
  const indexes: ManifestBytes[] = [];
  let at = outermost;
  while (indexes.length <= INDEX_DEPTH_MAX) {
    const { bytes, digest, mediaType } = at;
    const parsed = parseManifest(bytes, mediaType);
    const here = { digest, bytes, mediaType: parsed.mediaType };
    if (parsed.kind === 'manifest') return { ...here, parsed, indexes };
    const fitting = choices(parsed.manifests, platform);
    const exact = fitting.find((each) => each.platform?.variant === platform.variant);
    const choice = exact ?? fitting[0];
    if (choice === undefined) throw new EngineError('corrupt', 'empty index');
    indexes.push(here);
    at = { digest: choice.digest, bytes: await read(choice), mediaType: choice.mediaType };
  }
  throw new EngineError('corrupt', 'index inside too many indexes');
}

export function checkOs(spec: ImageSpec): void {
  if (spec.os === '' || spec.os === 'linux') return;
  throw new EngineError('invalid_argument', `cannot load ${spec.os} image on linux`);
}
