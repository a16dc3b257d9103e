// `docker load`: an archive of images becomes images. Progress is told in Docker's own words.
import { hexOf, sha256 } from '#base/digest.ts';
import { shortId } from '#base/id.ts';
import { addImage, type LayerEvent } from './add.ts';
import { type ArchiveImage, readArchive } from './archive.ts';
import { type ImageDeps, publish } from './deps.ts';
import { type Platform, hostPlatform, isPlatform } from './platform.ts';
import type { ImageId, ImageRecord } from './record.ts';
import { familiarReference } from '#base/reference.ts';
import { SpooledArchive } from './spool.ts';

/** One object of a progress stream; api/ writes it with Docker's field names. */
export type Progress =
  | { readonly stream: string }
  | { readonly status: string; readonly id?: string; readonly detail?: ProgressDetail };
/** {} for a step without numbers. */
export type ProgressDetail = { readonly current?: number; readonly total?: number };
export type OnProgress = (progress: Progress) => void;

export type LoadOptions = {
  readonly signal: AbortSignal;
  /** Do not tell the layers' progress. */
  readonly quiet?: boolean;
  readonly onProgress?: OnProgress;
  readonly platform?: Platform;
};

export async function loadImages(
  deps: ImageDeps,
  stream: AsyncIterable<Uint8Array>,
  options: LoadOptions,
): Promise<readonly ImageRecord[]> {
  const { signal } = options;
  const tell: OnProgress = options.onProgress ?? (() => {});
  await using archive = await SpooledArchive.receive(deps.content, stream, signal);
  const { platform } = options;
  const found = await readArchive(archive, platform ?? hostPlatform());
  // Of the others dockerd says nothing either.
  const images = found.filter(({ spec }) => platform === undefined || isPlatform(platform, spec));
  const ids: ImageId[] = [];
  let named = 0;
  for (const image of images) {
    const { diffIds } = image.spec;
    const onLayer = (index: number, event: LayerEvent): void => {
      const diffId = diffIds[index];
      if (options.quiet === true || event.kind !== 'unpacking' || diffId === undefined) return;
      const { current, total } = event;
      tell({ status: 'Loading layer', id: shortId(hexOf(diffId)), detail: { current, total } });
    };
    const layers = image.layers.map(({ archive, mediaType }, i) => ({
      mediaType,
      diffId: diffIds[i] ?? archive.digest,
      archive: () => Promise.resolve(archive),
    }));
    const parent = parentOf(deps, image);
    using _lease = deps.leases.holdImage(sha256(image.config));
    const { id } = await addImage(
      deps,
      { spec: image.spec, config: image.config, layers, ...(parent ? { parent } : {}) },
      { signal, onLayer },
    );
    ids.push(id);
    named += await nameImage(deps, image, id, tell);
    publish(deps, 'load', id);
  }
  // Docker names the IDs only when the archive names nothing.
  if (named === 0) for (const id of ids) tell({ stream: `Loaded image ID: ${id}\n` });
  return ids.flatMap((id) => deps.store.get(id) ?? []);
}

async function nameImage(
  deps: ImageDeps,
  image: ArchiveImage,
  id: ImageId,
  tell: OnProgress,
): Promise<number> {
  for (const tag of image.tags) {
    const before = deps.store.find(tag);
    const familiar = familiarReference(tag);
    if (before !== undefined && before !== id) {
      tell({
        stream:
          `The image ${familiar} already exists, renaming the old one with ID ${before} ` +
          'to empty string\n',
      });
    }
    await deps.store.setReference(tag, id);
    tell({ stream: `Loaded image: ${familiar}\n` });
  }
  return image.tags.length;
}

/** A parent counts only if it is here and really is one step back in the image's history. */
function parentOf(deps: ImageDeps, image: ArchiveImage): ImageId | undefined {
  const parent = image.parent === undefined ? undefined : deps.store.get(image.parent);
  if (parent === undefined) return undefined;
  const { diffIds, history } = image.spec;
  if (history.length - parent.history.length !== 1) return undefined;
  return parent.diffIds.every((diffId, i) => diffIds[i] === diffId) ? parent.id : undefined;
}
