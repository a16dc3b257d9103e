// What of the cache goes on `builder prune`: what was not used for the longest time goes first.
import type { ImageService } from '#image/image.ts';
import { type BuildCache, type CacheEntry, digestsOf } from './cache.ts';
import type { CacheMounts } from './cache-mounts.ts';

export type PruneOptions = {
  /** Directories of RUN --mount=type=cache, too. */
  readonly all: boolean;
  /** Only what was not used since then. */
  readonly until: bigint | undefined;
  /** Bytes that may stay. */
  readonly keepBytes: number;
};

export async function pruneCache(
  deps: {
    readonly cache: BuildCache;
    readonly cacheMounts: CacheMounts;
    readonly images: Pick<ImageService, 'collectFree'>;
  },
  { all, keepBytes, until }: PruneOptions,
): Promise<{ readonly deleted: readonly string[]; readonly bytes: number }> {
  const { cache, cacheMounts, images } = deps;
  const entries = cache.list().toSorted((a, b) => (a.lastUsed < b.lastUsed ? -1 : 1));
  let kept = entries.reduce((sum, { bytes }) => sum + bytes, 0);
  const removed: CacheEntry[] = [];
  for (const entry of entries) {
    if (keepBytes > 0 && kept <= keepBytes) break;
    if (until !== undefined && entry.lastUsed >= until) continue;
    await cache.remove(entry.key);
    kept -= entry.bytes;
    removed.push(entry);
  }
  let bytes = await images.collectFree(removed.flatMap(digestsOf));
  const deleted = removed.map(({ key }) => key);
  if (all && until === undefined && keepBytes === 0) {
    for (const mount of await cacheMounts.removeFree()) {
      bytes += mount.bytes;
      deleted.push(mount.name);
    }
  }
  return { deleted, bytes };
}
