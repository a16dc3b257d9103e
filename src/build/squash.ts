// --squash: what a stage has on its base becomes one layer. The image as a whole is compared with
// its base, so what one layer wrote and a later one removed is nowhere in it. The layers of the
// steps stay in the cache, and so does this one.
import { now } from '#base/clock.ts';
import { sha256 } from '#base/digest.ts';
import { layerHeaders } from '#container/layer-tar.ts';
import { encodeTree } from '#container/archive-tar.ts';
import { encodeImageSpec, type HistoryEntry } from '#image/config.ts';
import type { Ingest } from '#image/content/content.ts';
import type { LayerBlob } from '#image/record.ts';
import type { Visit } from '#runtime/visit.ts';
import { chainOfEntry } from './cache.ts';
import { clamp } from './copy-layer.ts';
import { keepLayer } from './layer.ts';
import type { BuildShared } from './shared.ts';
import { chainOfState, hashOf, scratchState, type State } from './state.ts';

/** Where there is nothing above the base, the state is as it was. */
export async function squash(build: BuildShared, state: State): Promise<State> {
  const { from, spec } = state;
  const below = from ?? scratchState(build.platform);
  if (spec.diffIds.length === below.spec.diffIds.length) return state;
  const base: State = { ...state, spec: below.spec, layers: below.layers };
  const { created, layer } = await squashed(build, base, state);
  const id = sha256(encodeImageSpec(spec));
  const kept = below.spec.history.length;
  const history = spec.history.map((entry, at) =>
    at < kept ? entry : { ...entry, emptyLayer: true },
  );
  // dockerd's words.
  const comment = from === undefined ? `create new from ${id}` : `merge ${id} to ${from.id}`;
  const last: HistoryEntry = {
    created,
    createdBy: '',
    author: '',
    comment,
    emptyLayer: layer === undefined,
  };
  return {
    ...state,
    parent: undefined,
    layers: layer === undefined ? below.layers : [...below.layers, layer],
    spec: {
      ...spec,
      created,
      diffIds: layer === undefined ? below.spec.diffIds : [...below.spec.diffIds, layer.diffId],
      history: [...history, last],
    },
  };
}

type Squashed = { readonly created: bigint; readonly layer: LayerBlob | undefined };

/** From the cache, or made: by the layers alone, whatever is said of them. */
async function squashed(build: BuildShared, base: State, top: State): Promise<Squashed> {
  const { deps, epoch, request } = build;
  const { content, snapshots } = deps.images.deps;
  const [parent, chain] = [chainOfState(base), chainOfState(top)];
  const key = hashOf(['squash', parent ?? '', chain, String(epoch)]);
  const known = deps.cache.find(key, (entry) => {
    const made = chainOfEntry(entry);
    if (entry.layer === undefined || made === undefined) return true;
    return snapshots.has(made) && content.has(entry.layer.digest);
  });
  if (known !== undefined && !request.noCache) {
    // Held before anybody else runs, so that no prune comes between.
    if (known.layer !== undefined) {
      const diffIds = [...base.spec.diffIds, known.layer.diffId];
      build.holdLayers(diffIds, [...base.layers, known.layer]);
    }
    return known;
  }
  await using archive = await differenceOf(build, base, top);
  const layer = await keepLayer(build, base, archive);
  const created = epoch ?? now();
  const bytes = layer?.size ?? 0;
  const createdBy = `squash of ${top.spec.diffIds.length - base.spec.diffIds.length} layers`;
  await deps.cache.add({
    ...{ key, parent, layer, createdBy, created, bytes },
    lastUsed: created,
    uses: 0,
  });
  return { created, layer };
}

/** What the image has other than its base, as a plain archive. */
async function differenceOf(build: BuildShared, base: State, top: State): Promise<Ingest> {
  const { deps, epoch, signal } = build;
  const { content, snapshots } = deps.images.deps;
  const [parent, chain] = [chainOfState(base), chainOfState(top)];
  const lower = snapshots.lower(chain);
  await using visit: Visit =
    parent === undefined
      ? await deps.visits.image(lower)
      : await deps.visits.imageOn(lower, snapshots.lower(parent));
  const kill = (): void => visit.kill();
  signal.addEventListener('abort', kill, { once: true });
  try {
    signal.throwIfAborted();
    const records = visit.walk({ directory: '', name: '', data: true, compare: 'layers' });
    const headers = layerHeaders(false);
    // A mark of the lowest layer alone hides nothing, and is no part of what it has.
    const archive = encodeTree(records, (entry) =>
      headers({ ...entry, opaque: false }).map((header) => ({
        ...header,
        mtime: clamp(header.mtime ?? 0n, epoch),
      })),
    );
    return await content.ingest(archive, { signal });
  } finally {
    signal.removeEventListener('abort', kill);
  }
}
