// The manifest that an image came by, and its indexes, as blobs: what a later push sends, so that
// the image has the same digest everywhere.
import { collect } from '../collect.ts';
import type { ChosenManifest, ManifestBytes } from '../choose.ts';
import type { Ingest } from '../content/content.ts';
import type { ImageDeps } from '../deps.ts';
import { type ImageId, type KeptManifest, blobsOf } from '../record.ts';

/** Not yet blobs; disposing it drops what was not committed. */
export type ManifestIngests = KeptManifest & {
  readonly blobs: readonly Ingest[];
} & AsyncDisposable;

export async function manifestBlobs(
  deps: ImageDeps,
  chosen: ChosenManifest,
  signal: AbortSignal,
): Promise<ManifestIngests> {
  await using made = new AsyncDisposableStack();
  const blobs: Ingest[] = [];
  for (const { bytes, digest } of [chosen, ...chosen.indexes]) {
    blobs.push(made.use(await deps.content.ingest([bytes], { signal, digest })));
  }
  const owned = made.move();
  return {
    ...named(chosen),
    indexes: chosen.indexes.map(named),
    blobs,
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

function named({ bytes, digest, mediaType }: ManifestBytes) {
  return { digest, size: bytes.length, mediaType };
}

/** Adds the manifest to an image that is here already. */
export async function keepManifest(
  deps: ImageDeps,
  id: ImageId,
  chosen: ChosenManifest,
  signal: AbortSignal,
): Promise<void> {
  await using manifest = await manifestBlobs(deps, chosen, signal);
  const digests = manifest.blobs.map(({ digest }) => digest);
  const before = deps.store.get(id);
  using _lease = deps.leases.hold(digests);
  for (const blob of manifest.blobs) await blob.commit();
  const { digest, indexes, mediaType, size } = manifest;
  await deps.store.addManifest(id, { digest, size, mediaType, indexes });
  const replaced = before === undefined ? [] : blobsOf(before);
  await collect(deps, { chains: [], blobs: [...replaced, ...digests] });
}
