// How much of each listed image others of the list have, too: the layers below more than one.
import type { ImageRecord } from '#image/record.ts';
import type { ImageSummary } from '#wire/image.ts';
import type { ImagePort } from './port.ts';

/** The summaries with SharedSize, in the order of the images. */
export function withSharedSize(
  port: Pick<ImagePort, 'deps'>,
  images: readonly Pick<ImageRecord, 'id' | 'chains'>[],
  summaries: readonly ImageSummary[],
): readonly ImageSummary[] {
  const uses = new Map<string, number>();
  for (const chain of images.flatMap(({ chains }) => chains)) {
    uses.set(chain, (uses.get(chain) ?? 0) + 1);
  }
  const shared = new Map<string, number>();
  for (const { bytes, chain } of port.deps.snapshots.list()) {
    if ((uses.get(chain) ?? 0) > 1) shared.set(chain, bytes);
  }
  const chainsOf = new Map(images.map(({ chains, id }) => [id as string, chains]));
  return summaries.map((summary) => {
    const chains = chainsOf.get(summary.Id) ?? [];
    const SharedSize = chains.reduce((sum, chain) => sum + (shared.get(chain) ?? 0), 0);
    return { ...summary, SharedSize };
  });
}
