// `docker history`: one row for each step of the config's history, newest first.
import type { Nanoseconds } from '#base/clock.ts';
import { EngineError } from '#base/error.ts';
import type { ImageDeps } from './deps.ts';
import type { ImageRecord } from './record.ts';

export type HistoryRow = {
  /** The image at that step, or "<missing>". */
  readonly id: string;
  readonly created: Nanoseconds | undefined;
  readonly createdBy: string;
  readonly comment: string;
  readonly size: number;
  readonly tags: readonly string[];
};

export function imageHistory(deps: ImageDeps, image: ImageRecord): readonly HistoryRow[] {
  const chains = image.chains;
  let layer = 0;
  const rows: HistoryRow[] = [];
  for (const step of image.history) {
    let size = 0;
    if (!step.emptyLayer) {
      const chain = chains[layer];
      if (chain === undefined) {
        throw new EngineError('corrupt', 'too many non-empty layers in History section');
      }
      size = deps.snapshots.layer(chain)?.bytes ?? 0;
      layer += 1;
    }
    const { created, createdBy, comment } = step;
    rows.unshift({ id: '<missing>', created, createdBy, comment, size, tags: [] });
  }
  // The newest steps are images themselves, as far as the parents are known here.
  let at: ImageRecord | undefined = image;
  return rows.map((row) => {
    if (at === undefined) return row;
    const { id, repoTags, parent } = at;
    at = parent === undefined ? undefined : deps.store.get(parent);
    return { ...row, id, tags: repoTags };
  });
}
