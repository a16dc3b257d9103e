// What the build cache takes on disk: entries of steps, and directories of cache mounts.
import type { Nanoseconds } from '#base/clock.ts';
import type { ImageService } from '#image/image.ts';
import { type BuildCache, type CacheEntry, chainOfEntry } from './cache.ts';
import type { CacheMounts } from './cache-mounts.ts';

/** In BuildKit's words. */
export type CacheType = 'regular' | 'exec.cachemount';

export type CacheUsage = {
  readonly id: string;
  readonly type: CacheType;
  readonly description: string;
  /** A step that runs holds it. */
  readonly inUse: boolean;
  /** An image has it, too. */
  readonly shared: boolean;
  readonly bytes: number;
  readonly created: Nanoseconds;
  readonly lastUsed: Nanoseconds;
  readonly uses: number;
  /** Of a step. */
  readonly entry: CacheEntry | undefined;
};

export type UsageDeps = {
  readonly cache: BuildCache;
  readonly cacheMounts: CacheMounts;
  readonly images: Pick<ImageService, 'collectFree' | 'deps'>;
};

export async function cacheUsage(deps: UsageDeps): Promise<readonly CacheUsage[]> {
  const { cache, cacheMounts, images } = deps;
  const { store } = images.deps;
  const all: CacheUsage[] = cache.list().map((entry) => {
    const { bytes, created, createdBy, key, lastUsed, uses } = entry;
    const chain = chainOfEntry(entry);
    const shared = chain !== undefined && store.usesChain(chain);
    const times = { created, lastUsed, uses };
    const type = 'regular';
    return { id: key, type, description: createdBy, inUse: false, shared, bytes, ...times, entry };
  });
  for (const { name, ...mount } of cacheMounts.list()) {
    const bytes = await cacheMounts.measure(name);
    const inUse = cacheMounts.inUse(name);
    const own = {
      id: name,
      type: 'exec.cachemount',
      inUse,
      shared: false,
      entry: undefined,
    } as const;
    all.push({ ...mount, ...own, bytes });
  }
  return all;
}
