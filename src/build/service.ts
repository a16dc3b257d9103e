// Builds: a Dockerfile and its context become an image. One call is one build; what it makes on the
// way is kept by leases until it ends, then by the cache and the image.
import { mkdir, readdir, rm } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { EngineError } from '#base/error.ts';
import { familiarReference, parseReference, withDefaultTag } from '#base/reference.ts';
import { addImage } from '#image/add.ts';
import { encodeImageSpec } from '#image/config.ts';
import type { ImageId } from '#image/record.ts';
import { keptLayers } from './layer.ts';
import { type BuildSource, openBuild } from './open.ts';
import { pruneCache, type PruneOptions } from './prune.ts';
import type { BuildRequest, OnBuildEvent } from './request.ts';
import { BUILD_LABEL } from './run.ts';
import type { BuildDeps, BuildShared } from './shared.ts';
import { squash } from './squash.ts';
import type { State } from './state.ts';
import { type CacheUsage, cacheUsage } from './usage.ts';

export type { BuildSource } from './open.ts';

/** Builds at once; more wait for none, they are refused. */
export const BUILDS_MAX = 64;

export class BuildService {
  readonly #deps: BuildDeps;
  #running = 0;

  constructor(deps: BuildDeps) {
    this.#deps = deps;
  }

  /** What a daemon that died has left: contexts, secrets, and containers of steps. */
  async recover(): Promise<void> {
    const { cacheMounts, containers, folder, memoryFolder } = this.#deps;
    await cacheMounts.load();
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const builds = new Set(await readdir(folder));
    for (const { id, merged } of containers.list()) {
      // The label alone could be anybody's; that of a build which has its folder is ours.
      if (!builds.has(merged.labels[BUILD_LABEL] ?? '')) continue;
      await containers.remove(id, { force: true, volumes: true, link: false });
    }
    for (const path of [folder, memoryFolder]) {
      await rm(path, { recursive: true, force: true });
      await mkdir(path, { recursive: true, mode: 0o700 });
    }
  }

  /** undefined: only the Dockerfile was checked. */
  async build(
    source: BuildSource,
    request: BuildRequest,
    tell: OnBuildEvent,
    cancelled: AbortSignal,
  ): Promise<ImageId | undefined> {
    if (this.#running >= BUILDS_MAX) {
      throw new EngineError('unavailable', `more than ${BUILDS_MAX} builds at once`, {
        facts: { limit: 'BUILDS_MAX', max: BUILDS_MAX },
      });
    }
    checkRequest(request);
    const failed = new AbortController();
    const signal = AbortSignal.any([cancelled, failed.signal]);
    this.#running += 1;
    await using parts = new AsyncDisposableStack();
    parts.defer(() => {
      this.#running -= 1;
    });
    try {
      const build = await openBuild(this.#deps, { source, request, tell, signal }, parts);
      if (request.checkOnly) return undefined;
      const state = await runStages(build, failed);
      return await keepImage(build, request.squash ? await squash(build, state) : state);
    } catch (error) {
      if (cancelled.aborted) throw new EngineError('cancelled', 'the build was cancelled');
      throw error;
    }
  }

  /** What a step has opened and its client was told of. */
  takeAgentCall(name: string): Duplex {
    return this.#deps.agentCalls.take(name);
  }

  usage(): Promise<readonly CacheUsage[]> {
    return cacheUsage(this.#deps);
  }

  /** Removes entries of the cache; the layers go when nothing else needs them. */
  prune(
    options: PruneOptions,
  ): Promise<{ readonly deleted: readonly string[]; readonly bytes: number }> {
    return pruneCache(this.#deps, options);
  }
}

function checkRequest({ tags }: BuildRequest): void {
  if (tags.some((tag) => parseReference(tag).digest !== undefined)) {
    throw new EngineError('invalid_argument', 'invalid tag: it has a digest');
  }
}

/** All that the target needs begins at once; each stage waits for what it stands on. */
async function runStages(build: BuildShared, failed: AbortController): Promise<State> {
  const { file, plan, steps, tell } = build;
  await tell({ kind: 'stages', stages: [...plan.stages.keys()] });
  for (const [at, { statement, place }] of file.globalArgs.entries()) {
    const event = { kind: 'step', stage: -1, step: at + 1, steps: steps() } as const;
    await tell({ ...event, text: statement.text, line: place.start });
  }
  const all = [...plan.stages.keys()].map((index) => build.stage(index));
  try {
    await Promise.all(all);
    return await build.stage(plan.target);
  } catch (error) {
    failed.abort(error);
    await tell({ kind: 'failed' });
    // What others have begun must end before their folder goes.
    await Promise.allSettled(all);
    throw error;
  }
}

async function keepImage(build: BuildShared, state: State): Promise<ImageId> {
  const { args, deps, request, signal, tell } = build;
  const unused = args.unused();
  if (unused.length > 0) {
    const text = `[Warning] One or more build-args [${unused.join(' ')}] were not consumed`;
    await tell({ kind: 'note', stage: -1, step: build.steps(), text });
  }
  const image = {
    spec: state.spec,
    config: encodeImageSpec(state.spec),
    layers: keptLayers(build, state),
    ...(state.parent === undefined ? {} : { parent: state.parent }),
  };
  const { id } = await addImage(deps.images.deps, image, { signal });
  for (const tag of request.tags) await deps.images.tag(id, tag);
  const tags = request.tags.map((tag) => familiarReference(withDefaultTag(parseReference(tag))));
  await tell({ kind: 'built', id, tags });
  return id;
}
