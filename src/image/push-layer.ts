// The layers of one push: what the registry has is skipped, what another of its repositories has is
// mounted, the rest is uploaded, several at once. A layer that is kept plain is compressed before.
import { EngineError } from '#base/error.ts';
import { shortId } from '#base/id.ts';
import { type Digest, hexOf } from '#base/digest.ts';
import type { ImageDeps } from './deps.ts';
import type { PushOptions, PushProgress, PushTarget } from './push.ts';
import { compressLayer } from './push-compress.ts';
import type { LayerBlob } from './record.ts';
import { type Reference, repositoryOf } from '#base/reference.ts';
import { Slots } from './registry/rate.ts';
import type { Repository } from './registry/registry.ts';

/** Other repositories that are asked for a layer before it is uploaded, as dockerd has it. */
const MOUNT_TRIES_MAX = 4;
/** Each takes a core; the first to be ready is uploaded while the next are compressed. */
const COMPRESSIONS_MAX = 2;

type LayersTarget = Pick<PushTarget, 'reference' | 'hold'> & {
  readonly layers: readonly LayerBlob[];
  readonly there: ReadonlyMap<Digest, string>;
  readonly compress: boolean;
};
type Turn = LayersTarget & { readonly compressions: Slots };

/** The layers as they were sent, lowest first. */
export async function pushLayers(
  deps: ImageDeps,
  repository: Repository,
  target: LayersTarget,
  options: PushOptions,
): Promise<readonly LayerBlob[]> {
  // One that fails ends the others: nobody waits for what they would send.
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  const tell = options.onProgress ?? (() => {});
  // The top first, as dockerd; the same layer twice is one upload.
  const unique = new Map(target.layers.map((layer) => [layer.diffId, layer]));
  const queue = [...unique.values()].reverse();
  for (const layer of queue) tell({ status: 'Preparing', id: idOf(layer), detail: {} });
  for (const layer of queue.slice(deps.uploadsMax)) {
    tell({ status: 'Waiting', id: idOf(layer), detail: {} });
  }
  const sent = new Map<string, LayerBlob>();
  const turn: Turn = { ...target, compressions: new Slots(COMPRESSIONS_MAX) };
  const work = async (): Promise<void> => {
    for (let layer = queue.shift(); layer !== undefined; layer = queue.shift()) {
      sent.set(
        layer.diffId,
        await pushLayer(deps, repository, turn, layer, { ...options, signal }),
      );
    }
  };
  const workers = Array.from({ length: deps.uploadsMax }, () =>
    work().catch((error: unknown) => {
      failed.abort();
      throw error;
    }),
  );
  const results = await Promise.allSettled(workers);
  throwFirst(results, options.signal);
  return target.layers.map((layer) => sent.get(layer.diffId) ?? layer);
}

/** The failure that ended the others, not the ends that it made. */
function throwFirst(results: readonly PromiseSettledResult<void>[], signal: AbortSignal): void {
  const reasons = results.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
  if (reasons.length === 0) return;
  signal.throwIfAborted();
  const isEnd = (reason: unknown): boolean =>
    (reason instanceof EngineError && reason.code === 'cancelled') ||
    (reason instanceof Error && reason.name === 'AbortError');
  throw reasons.find((reason) => !isEnd(reason)) ?? reasons[0];
}

async function pushLayer(
  deps: ImageDeps,
  repository: Repository,
  target: Turn,
  kept: LayerBlob,
  options: PushOptions,
): Promise<LayerBlob> {
  const { signal } = options;
  const id = idOf(kept);
  const tell = (status: string, detail: PushProgress['detail'] = {}): void =>
    options.onProgress?.({ status, id, detail });
  signal.throwIfAborted();
  const layer = target.compress
    ? await compressLayer(deps, kept, {
        signal,
        hold: target.hold,
        slots: target.compressions,
        onProgress: (current) => tell('Compressing', { current, total: kept.size }),
      })
    : kept;
  const sources = mountSources(deps, target.reference, layer);
  const found =
    target.there.get(layer.digest) ?? (await findThere(repository, layer, sources, signal));
  if (found !== undefined) {
    tell(found);
    return layer;
  }
  const total = layer.size;
  await repository.upload(layer, deps.content.path(layer.digest), {
    signal,
    onProgress: (current) => tell('Pushing', { current, total }),
    onRetry: (seconds) => tell(`Retrying in ${seconds} second${seconds === 1 ? '' : 's'}`),
  });
  tell('Pushed');
  return layer;
}

/** What is told of a layer that needs no upload; undefined for one that does. */
export async function findThere(
  repository: Repository,
  layer: LayerBlob,
  sources: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  if (await repository.hasBlob(layer.digest, { signal })) return 'Layer already exists';
  for (const from of sources.slice(0, MOUNT_TRIES_MAX)) {
    if (await repository.mountBlob(layer.digest, from, { signal })) return `Mounted from ${from}`;
  }
  return undefined;
}

/** Repositories of the same registry that are known to have it: by digest, an image was there. */
function mountSources(
  { store }: Pick<ImageDeps, 'store'>,
  wanted: Reference,
  layer: LayerBlob,
): readonly string[] {
  const paths = new Set<string>();
  for (const image of store.list()) {
    if (!image.layers.some(({ digest }) => digest === layer.digest)) continue;
    for (const name of store.references(image.id)) {
      if (name.digest === undefined || name.domain !== wanted.domain) continue;
      if (repositoryOf(name) !== repositoryOf(wanted)) paths.add(name.path);
    }
  }
  return [...paths];
}

function idOf(layer: LayerBlob): string {
  return shortId(hexOf(layer.diffId));
}
