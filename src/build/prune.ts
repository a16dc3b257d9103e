// What of the cache goes on `builder prune`: what was not used for the longest time goes first.
import { digestsOf } from './cache.ts';
import { type CacheUsage, cacheUsage, type UsageDeps } from './usage.ts';

export type PruneOptions = {
  /** What images have, too. */
  readonly all: boolean;
  /** Only what was not used since then. */
  readonly until: bigint | undefined;
  /** Bytes that may stay. */
  readonly keepBytes: number;
  readonly fits: (usage: CacheUsage) => boolean;
};

export async function pruneCache(
  deps: UsageDeps,
  { all, fits, keepBytes, until }: PruneOptions,
): Promise<{ readonly deleted: readonly string[]; readonly bytes: number }> {
  const { cache, cacheMounts, images } = deps;
  const usages = await cacheUsage(deps);
  let kept = usages.reduce((sum, { bytes }) => sum + bytes, 0);
  const removed: CacheUsage[] = [];
  let mountBytes = 0;
  for (const usage of usages.toSorted((a, b) => (a.lastUsed < b.lastUsed ? -1 : 1))) {
    if (keepBytes > 0 && kept <= keepBytes) break;
    if (until !== undefined && usage.lastUsed >= until) continue;
    if ((usage.shared && !all) || !fits(usage)) continue;
    if (usage.entry !== undefined) await cache.remove(usage.id);
    else if (await cacheMounts.remove(usage.id)) mountBytes += usage.bytes;
    else continue;
    kept -= usage.bytes;
    removed.push(usage);
  }
  const layers = removed.flatMap(({ entry }) => (entry === undefined ? [] : digestsOf(entry)));
  const bytes = mountBytes + (await images.collectFree(layers));
  return { deleted: removed.map(({ id }) => id), bytes };
}
