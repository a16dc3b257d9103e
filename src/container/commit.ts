// `docker commit`: what a container has written becomes a layer on its image. It stands still only
// while that is copied.
import { EngineError } from '#base/error.ts';
import type { EncodeEntry } from '#tar/encode.ts';
import { encodeTree, type HeaderOf } from './archive-tar.ts';
import type { Deps } from './deps.ts';
import { publish } from './event.ts';
import { layerHeaders } from './layer-tar.ts';
import { openLayer } from './layer-visit.ts';
import { mergeConfig } from './merge.ts';
import { pause, unpause } from './pause.ts';
import type { CommittedConfig } from './port.ts';
import type { ContainerRecord } from './record.ts';
import type { ContainerConfig } from './spec.ts';

export type CommitWish = {
  /** "repo:tag"; undefined = no name. */
  readonly reference: string | undefined;
  readonly author: string;
  readonly comment: string;
  readonly pause: boolean;
  /** Dockerfile instructions. */
  readonly changes: readonly string[];
  /** Over the container's own; undefined = only that. */
  readonly config: ContainerConfig | undefined;
  readonly signal: AbortSignal;
};

/** The id of the image. */
export async function commit(deps: Deps, ref: string, wish: CommitWish): Promise<string> {
  const record = deps.store.get(ref);
  const { status } = record.state;
  if (status === 'dead' || status === 'removing') {
    const what = status === 'dead' ? 'which is Dead' : 'which is being removed';
    throw new EngineError('conflict', `You cannot commit container ${record.id} ${what}`);
  }
  const own = configOf(record);
  const { author, changes, comment, reference, signal } = wish;
  const { id, name } = await deps.images.commit({
    parent: record.image.id,
    container: record.id,
    containerConfig: own,
    config: wish.config === undefined ? own : { ...own, ...mergeConfig(wish.config, own) },
    changes,
    author,
    comment,
    reference,
    signal,
    layer: (take) => standingStill(deps, record, wish, () => takeLayer(deps, record, take)),
  });
  publish(deps, record, 'commit', { comment, imageID: id, imageRef: name });
  return id;
}

/** Paused while `work` lasts; by whoever it was paused before, it stays so. */
async function standingStill<T>(
  deps: Deps,
  { id, state }: ContainerRecord,
  wish: CommitWish,
  work: () => Promise<T>,
): Promise<T> {
  if (!wish.pause || state.status !== 'running') return work();
  await pause(deps, id, { forCommit: true });
  try {
    return await work();
  } finally {
    await goOn(deps, id);
  }
}

/** It may have been unpaused, have ended, or be paused anew, by somebody else. */
async function goOn(deps: Deps, id: string): Promise<void> {
  const state = deps.store.find(id)?.state;
  if (state?.status === 'paused' && state.forCommit) await unpause(deps, id);
}

/** What a container has written, as a plain archive; `change` may leave entries out. */
export async function takeLayer<T>(
  deps: Deps,
  { id }: Pick<ContainerRecord, 'id'>,
  take: (archive: AsyncIterable<Uint8Array>) => Promise<T>,
  change: (header: EncodeEntry) => EncodeEntry | undefined = (header) => header,
): Promise<T> {
  await using parts = new AsyncDisposableStack();
  const { visit, differences, marks } = await openLayer(deps, id, parts);
  const headers = layerHeaders(marks);
  const headersOf: HeaderOf = (entry) => headers(entry).flatMap((header) => change(header) ?? []);
  async function* watched(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of encodeTree(differences({ data: true }), headersOf)) {
      visit.touch();
      yield chunk;
    }
  }
  try {
    return await take(watched());
  } catch (error) {
    throw visit.reason(error);
  }
}

function configOf({ merged, spec }: ContainerRecord): CommittedConfig {
  const { user, exposedPorts, env, entrypoint, cmd, volumes, workingDir, labels } = merged;
  return {
    user,
    exposedPorts,
    env,
    entrypoint,
    cmd,
    volumes,
    workingDir,
    labels,
    stopSignal: merged.stopSignal,
    healthcheck: merged.healthcheck,
    shell: spec.config.shell,
    onBuild: spec.config.onBuild,
  };
}
