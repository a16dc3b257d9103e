// --cache-from: an image from elsewhere, whose steps the caller trusts. One of them stands for a step
// of ours when all layers and all words before it are the same, and its own words too.
import type { Nanoseconds } from '#base/clock.ts';
import type { ImageRecord, LayerBlob } from '#image/record.ts';
import type { BuildShared } from './shared.ts';
import type { State } from './state.ts';
import type { StepWish } from './step.ts';

export type ForeignStep = { readonly created: Nanoseconds; readonly layer: LayerBlob | undefined };

export function foreignStep(
  build: BuildShared,
  state: State,
  wish: StepWish,
): ForeignStep | undefined {
  if (!wish.portable) return undefined;
  for (const image of build.trusted()) {
    const found = stepOf(image, state, wish.createdBy);
    if (found !== undefined && (wish.layer !== undefined || found.layer === undefined))
      return found;
  }
  return undefined;
}

function stepOf(image: ImageRecord, state: State, createdBy: string): ForeignStep | undefined {
  const { history, diffIds } = state.spec;
  const entry = image.history[history.length];
  if (entry?.createdBy !== createdBy || entry.created === undefined) return undefined;
  const same =
    history.every((each, at) => {
      const other = image.history[at];
      return other?.createdBy === each.createdBy && other.emptyLayer === each.emptyLayer;
    }) && diffIds.every((diffId, at) => image.diffIds[at] === diffId);
  if (!same) return undefined;
  if (entry.emptyLayer) return { created: entry.created, layer: undefined };
  const layer = image.layers[diffIds.length];
  return layer === undefined ? undefined : { created: entry.created, layer };
}
