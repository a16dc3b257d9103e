// `docker image prune`: dangling images, or with `all` every image that no container uses.
import { isDigest } from '#base/digest.ts';
import { isEngineError } from '#base/error.ts';
import type { Nanoseconds } from '#base/clock.ts';
import type { ChainId } from '#snapshot/chain.ts';
import type { ImageDeps } from './deps.ts';
import { hasLabels } from './list.ts';
import type { ImageRecord } from './record.ts';
import { type Removed, removeImage } from './remove.ts';

export type PruneOptions = {
  readonly signal: AbortSignal;
  /** Docker's filter dangling=false. */
  readonly all?: boolean;
  readonly until?: Nanoseconds | undefined;
  readonly labels?: readonly string[];
  readonly notLabels?: readonly string[];
};

export type Pruned = { readonly removed: readonly Removed[]; readonly bytes: number };

export async function pruneImages(deps: ImageDeps, options: PruneOptions): Promise<Pruned> {
  const sizes = new Map(deps.snapshots.list().map((layer) => [layer.chain, layer.bytes]));
  const removed: Removed[] = [];
  for (const image of deps.store.list()) {
    options.signal.throwIfAborted();
    if (!isCandidate(deps, image, options)) continue;
    for (const name of namesToRemove(image)) removed.push(...(await removeQuietly(deps, name)));
  }
  // What pulls left that failed is garbage as much as an image without a name.
  let bytes = await deps.content.partials.removeFree();
  for (const item of removed) {
    if ('deleted' in item && isDigest(item.deleted)) {
      bytes += sizes.get(item.deleted as ChainId) ?? 0;
    }
  }
  deps.publisher.publish({
    type: 'image',
    action: 'prune',
    actor: { id: '', attributes: { reclaimed: String(bytes) } },
  });
  return { removed, bytes };
}

function isCandidate(deps: ImageDeps, image: ImageRecord, options: PruneOptions): boolean {
  const { until, labels = [], notLabels = [] } = options;
  // A pull or build that has not named it yet.
  if (deps.leases.held(image.id)) return false;
  if (until !== undefined && (image.created ?? 0n) > until) return false;
  if (!hasLabels(image.config.labels, labels)) return false;
  if (notLabels.some((label) => hasLabels(image.config.labels, [label]))) return false;
  if (options.all !== true && image.repoTags.length > 0) return false;
  const named = image.repoTags.length + image.repoDigests.length > 0;
  if (!named && deps.store.children(image.id).length > 0) return false;
  return deps.usedBy(image.id).length === 0;
}

function namesToRemove(image: ImageRecord): readonly string[] {
  const names = [...image.repoTags, ...image.repoDigests];
  return names.length === 0 ? [image.id] : names;
}

/** An image that came into use meanwhile stays; one that another removal took is gone already. */
async function removeQuietly(deps: ImageDeps, name: string): Promise<readonly Removed[]> {
  try {
    return await removeImage(deps, name, { force: false, prune: true });
  } catch (error) {
    if (isEngineError(error, 'conflict') || isEngineError(error, 'not_found')) return [];
    throw error;
  }
}
