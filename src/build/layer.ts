// An archive that a step made becomes a layer on where its stage stands. Leases keep it until the
// build ends; after that, the cache or an image does.
import type { Digest } from '#base/digest.ts';
import { addLayers, type NewLayer } from '#image/add.ts';
import type { Ingest } from '#image/content/content.ts';
import { MEDIA } from '#image/manifest.ts';
import type { LayerBlob } from '#image/record.ts';
import { chainsOf } from '#snapshot/chain.ts';
import type { BuildShared } from './shared.ts';
import type { State } from './state.ts';

/** The digest of an archive without entries: 1024 zeros. */
const EMPTY_ARCHIVE = 'sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef';

/** undefined: there is nothing in it. */
export async function keepLayer(
  build: BuildShared,
  state: State,
  archive: Ingest,
): Promise<LayerBlob | undefined> {
  if (archive.digest === EMPTY_ARCHIVE) return undefined;
  const { deps } = build.deps.images;
  const { signal } = build;
  const diffIds = [...state.spec.diffIds, archive.digest];
  build.hold(chainsOf(diffIds));
  const layers = [...keptLayers(build, state)];
  layers.push({
    diffId: archive.digest,
    mediaType: MEDIA.ociLayer,
    archive: () => Promise.resolve(archive),
  });
  const keep = (digest: Digest): void => build.hold([digest]);
  const made = await addLayers(deps, layers, { signal, keep });
  await Promise.all(made.flatMap((each) => each.archive?.commit() ?? []));
  return made.at(-1)?.blob;
}

/** Layers that are here, as addImage() wants them. */
export function keptLayers(build: BuildShared, state: State): readonly NewLayer[] {
  const { content } = build.deps.images.deps;
  return state.layers.map(({ diffId, digest, mediaType, size }) => ({
    diffId,
    mediaType,
    archive: () => Promise.resolve(content.stored(digest, size)),
  }));
}
