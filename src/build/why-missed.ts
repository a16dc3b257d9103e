// Why a step was not in the cache, as far as other entries tell: for `coracle build --explain`.
import type { ChainId } from '#snapshot/chain.ts';
import type { CacheEntry } from './cache.ts';
import type { StepWish } from './step.ts';

const SOURCE = /(?:file|dir|multi):[0-9a-f]{64}/;

export function whyMissed(
  entries: readonly Pick<CacheEntry, 'createdBy' | 'parent'>[],
  parent: ChainId | undefined,
  { createdBy }: Pick<StepWish, 'createdBy'>,
): string {
  const same = entries.filter((entry) => entry.createdBy === createdBy);
  if (same.some((entry) => entry.parent === parent)) {
    return 'the config before it, or what it reads, is another than last time';
  }
  if (same.length > 0) return 'the files before it are others than last time';
  const words = createdBy.replace(SOURCE, '');
  const isCopy = words !== createdBy;
  if (isCopy && entries.some((entry) => entry.createdBy.replace(SOURCE, '') === words)) {
    return 'the files that it copies have changed';
  }
  return 'it was not built here before';
}
