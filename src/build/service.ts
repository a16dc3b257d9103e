// Builds: a Dockerfile and its context become an image. One call is one build; what it makes on the
// way is kept by leases until it ends, then by the cache and the image.
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError, messageOf } from '#base/error.ts';
import { familiarReference, parseReference, withDefaultTag } from '#base/reference.ts';
import { addImage } from '#image/add.ts';
import { encodeImageSpec } from '#image/config.ts';
import { hostPlatform, parsePlatform, type Platform } from '#image/platform.ts';
import type { ImageId } from '#image/record.ts';
import { toBinary } from '#tar/binary-path.ts';
import { type CacheEntry, chainOfEntry, digestsOf } from './cache.ts';
import { Context, DOCKERFILE_SIZE_MAX } from './context.ts';
import { checkDockerfile, PLATFORM_ARGS, PROXY_ARGS } from './dockerfile/check.ts';
import { type Dockerfile, parseDockerfile } from './dockerfile/dockerfile.ts';
import { expandAt } from './dockerfile/parse.ts';
import { planBuild } from './graph.ts';
import { Ignore, IGNORE_BYTES_MAX } from '#base/ignore.ts';
import { keptLayers } from './layer.ts';
import type { BuildRequest, OnBuildEvent } from './request.ts';
import { BUILD_LABEL } from './run.ts';
import type { BuildDeps, BuildShared } from './shared.ts';
import { nop, platformArgs, StageBuilder } from './stage.ts';
import { nextState, type State } from './state.ts';
import { now } from '#base/clock.ts';
import { EphemeralHold } from './hold.ts';

/** Builds at once; more wait for none, they are refused. */
export const BUILDS_MAX = 64;

export type BuildSource = {
  /** The context as a tar archive; undefined: there is only a Dockerfile. */
  readonly archive: AsyncIterable<Uint8Array> | undefined;
  /** The Dockerfile itself, when it does not come with the context. */
  readonly dockerfile: string | undefined;
};

export class BuildService {
  readonly #deps: BuildDeps;
  #running = 0;

  constructor(deps: BuildDeps) {
    this.#deps = deps;
  }

  /** What a daemon that died has left: contexts, and containers of steps. */
  async recover(): Promise<void> {
    const { containers, folder } = this.#deps;
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const { id, merged } of containers.list()) {
      if (!Object.hasOwn(merged.labels, BUILD_LABEL)) continue;
      await containers.remove(id, { force: true, volumes: true, link: false });
    }
  }

  async build(
    source: BuildSource,
    request: BuildRequest,
    tell: OnBuildEvent,
    signal: AbortSignal,
  ): Promise<ImageId | undefined> {
    if (this.#running >= BUILDS_MAX) {
      throw new EngineError('unavailable', `more than ${BUILDS_MAX} builds at once`, {
        facts: { limit: 'BUILDS_MAX', max: BUILDS_MAX },
      });
    }
    const tags = request.tags.map((tag) => withDefaultTag(parseReference(tag)));
    if (tags.some(({ digest }) => digest !== undefined)) {
      throw new EngineError('invalid_argument', 'invalid tag: it has a digest');
    }
    if (request.squash) {
      throw new EngineError(
        'not_implemented',
        'squash is not supported: use a stage and COPY --from',
      );
    }
    this.#running += 1;
    const failure = new AbortController();
    await using parts = new AsyncDisposableStack();
    parts.defer(() => {
      this.#running -= 1;
    });
    try {
      const shared = await this.#open(
        source,
        request,
        tell,
        AbortSignal.any([signal, failure.signal]),
        parts,
      );
      return request.checkOnly ? undefined : await this.#run(shared, failure);
    } catch (error) {
      if (signal.aborted) throw new EngineError('cancelled', 'the build was cancelled');
      throw error;
    }
  }

  async #open(
    source: BuildSource,
    request: BuildRequest,
    tell: OnBuildEvent,
    signal: AbortSignal,
    parts: AsyncDisposableStack,
  ): Promise<BuildShared> {
    const id = randomUUID();
    const deps = this.#deps;
    const folder = join(deps.folder, id);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    parts.defer(() => rm(folder, { recursive: true, force: true }));
    const context =
      source.archive === undefined
        ? Context.empty()
        : await Context.receive(source.archive, folder, 'context', signal);
    parts.use(context);
    const text = source.dockerfile ?? (await readDockerfile(context, request.dockerfile));
    const file = parseDockerfile(text);
    await applyIgnore(context, request.dockerfile);
    const platform = platformOf(request.platform);
    const globals = globalsOf(file, request, platform);
    const plan = planBuild(file, request.target, globals);
    for (const warning of checkDockerfile(file)) await tell({ kind: 'warning', warning });
    const hold = parts.use(new EphemeralHold(deps.images.deps.leases));
    const epoch = epochOf(request);
    const stages = new Map<number, Promise<State>>();
    const made = new Map<string, Promise<void>>();
    const consumed = new Set<string>(['SOURCE_DATE_EPOCH']);
    const shared: BuildShared = {
      id,
      deps,
      request,
      context,
      file,
      plan,
      steps: stepsOf(plan),
      platform,
      globals: (name) => {
        if (name in request.args) consumed.add(name);
        return globals(name);
      },
      folder,
      epoch,
      moment: epoch ?? now(),
      signal,
      tell,
      consumed,
      hold: (digests) => hold.hold(digests),
      lend: (state) => hold.lend(deps.ephemeral, state),
      once: (key, work) => {
        const known = made.get(key) ?? work();
        made.set(key, known);
        return known;
      },
      stage: (index) => {
        const known = stages.get(index) ?? buildStage(shared, index);
        stages.set(index, known);
        // Another stage may fail first.
        known.catch(() => {});
        return known;
      },
    };
    return shared;
  }

  async #run(build: BuildShared, failure: AbortController): Promise<ImageId> {
    const { plan, request, tell } = build;
    // All that the target needs begins at once; each waits for what it stands on.
    const all = [...plan.stages.keys()].map((index) => build.stage(index));
    let state: State;
    try {
      await Promise.all(all);
      state = await build.stage(plan.target);
    } catch (error) {
      failure.abort(error);
      // What others have begun must end before their folder goes.
      await Promise.allSettled(all);
      throw error;
    }
    await warnOfArgs(build);
    state = withLabels(build, state);
    const { deps } = build.deps.images;
    const image = {
      spec: state.spec,
      config: encodeImageSpec(state.spec),
      layers: keptLayers(build, state),
      ...(state.parent === undefined ? {} : { parent: state.parent }),
    };
    const { id } = await addImage(deps, image, { signal: build.signal });
    for (const tag of request.tags) await build.deps.images.tag(id, tag);
    const tags = request.tags.map((tag) => familiarReference(withDefaultTag(parseReference(tag))));
    await tell({ kind: 'built', id, tags });
    return id;
  }

  usage(): readonly (CacheEntry & { readonly inUse: boolean })[] {
    const { store } = this.#deps.images.deps;
    return this.#deps.cache.list().map((entry) => {
      const chain = chainOfEntry(entry);
      return { ...entry, inUse: chain !== undefined && store.usesChain(chain) };
    });
  }

  /** Removes entries of the cache; the layers go when nothing else needs them. */
  async prune(options: {
    readonly all: boolean;
    /** Only what was not used since then. */
    readonly until: bigint | undefined;
    /** Bytes that may stay. */
    readonly keepBytes: number;
  }): Promise<{ readonly deleted: readonly string[]; readonly bytes: number }> {
    const { cache, cacheMounts, images } = this.#deps;
    const { until, keepBytes } = options;
    const entries = cache.list().toSorted((a, b) => (a.lastUsed < b.lastUsed ? -1 : 1));
    let kept = entries.reduce((sum, { bytes }) => sum + bytes, 0);
    const removed: CacheEntry[] = [];
    for (const entry of entries) {
      if (keepBytes > 0 && kept <= keepBytes) break;
      if (until !== undefined && entry.lastUsed >= until) continue;
      await cache.remove(entry.key);
      kept -= entry.bytes;
      removed.push(entry);
    }
    const freed = await images.collectFree(removed.flatMap(digestsOf));
    let bytes = freed;
    if (options.all && until === undefined && keepBytes === 0)
      bytes += await emptyMounts(cacheMounts);
    return { deleted: removed.map(({ key }) => key), bytes };
  }
}

function epochOf({ args }: BuildRequest): bigint | undefined {
  const text = args['SOURCE_DATE_EPOCH'] ?? '';
  return /^\d{1,12}$/.test(text) ? BigInt(text) * 1_000_000_000n : undefined;
}

async function emptyMounts(mounts: BuildDeps['cacheMounts']): Promise<number> {
  let bytes = 0;
  const names = await readdir(mounts.folder).catch(() => []);
  for (const name of names) {
    if (mounts.inUse(name)) continue;
    const path = join(mounts.folder, name);
    const info = await stat(path).catch(() => undefined);
    bytes += info?.size ?? 0;
    await rm(path, { recursive: true, force: true });
  }
  return bytes;
}

async function buildStage(build: BuildShared, index: number): Promise<State> {
  const planned = build.plan.stages.get(index);
  if (planned === undefined) {
    throw new EngineError('internal', `stage ${index} is needed, but was not planned`);
  }
  let first = 1;
  for (const [at, { stage }] of build.plan.stages) {
    if (at >= index) break;
    first += 1 + stage.instructions.length;
  }
  return new StageBuilder(build, planned, first).run();
}

/** Steps of all stages that are built. */
function stepsOf(plan: BuildShared['plan']): number {
  let steps = 0;
  for (const { stage } of plan.stages.values()) steps += 1 + stage.instructions.length;
  return steps;
}

async function readDockerfile(context: Context, path: string): Promise<string> {
  const found = context.lookup(toBinary(path.replace(/^\/+/, '')));
  if (found === undefined || found.node.kind !== 'file') {
    throw new EngineError('invalid_argument', `Cannot locate specified Dockerfile: ${path}`);
  }
  return context.text(found.node, DOCKERFILE_SIZE_MAX);
}

/** NAME.dockerignore beside the Dockerfile comes before .dockerignore, as with buildkit. */
async function applyIgnore(context: Context, dockerfile: string): Promise<void> {
  for (const name of [`${dockerfile}.dockerignore`, '.dockerignore']) {
    const found = context.lookup(toBinary(name));
    if (found?.node.kind !== 'file') continue;
    try {
      context.ignore(Ignore.parse(await context.text(found.node, IGNORE_BYTES_MAX)));
    } catch (error) {
      throw new EngineError('invalid_argument', `error reading ${name}: ${messageOf(error)}`, {
        cause: error,
      });
    }
    return;
  }
}

function platformOf(text: string): Platform {
  const host = hostPlatform();
  if (text === '') return host;
  const platform = parsePlatform(text);
  if (platform === undefined) {
    throw new EngineError('invalid_argument', `${JSON.stringify(text)}: invalid platform`);
  }
  return platform;
}

/** Arguments before the first FROM, with what the caller gave for them. */
function globalsOf(
  file: Dockerfile,
  request: BuildRequest,
  platform: Platform,
): (name: string) => string | undefined {
  const values = new Map<string, string | undefined>(Object.entries(platformArgs(platform)));
  const lookup = (name: string): string | undefined => values.get(name);
  const { escapeChar } = file.source;
  for (const { instruction, place } of file.globalArgs) {
    for (const { name, value } of instruction.args) {
      const given = request.args[name];
      const own = value === undefined ? undefined : expandAt(value, place, { escapeChar, lookup });
      values.set(name, given ?? own ?? values.get(name));
    }
  }
  return lookup;
}

async function warnOfArgs(build: BuildShared): Promise<void> {
  const known = new Set([...build.consumed, ...PLATFORM_ARGS, ...PROXY_ARGS]);
  for (const { instruction } of build.file.globalArgs) {
    for (const { name } of instruction.args) known.add(name);
  }
  const unused = Object.keys(build.request.args).filter((name) => !known.has(name));
  if (unused.length === 0) return;
  const text = `[Warning] One or more build-args [${unused.sort().join(' ')}] were not consumed`;
  await build.tell({ kind: 'note', step: build.steps, text });
}

function withLabels(build: BuildShared, state: State): State {
  const added = Object.entries(build.request.labels);
  if (added.length === 0) return state;
  const { config } = state.spec;
  const labels = { ...config.labels, ...Object.fromEntries(added) };
  const text = added.map(([name, value]) => `${name}=${value}`).join(' ');
  const created = state.spec.created ?? build.epoch ?? now();
  const createdBy = nop(`LABEL ${text}`);
  return nextState(state, { config: { ...config, labels }, createdBy, created, layer: undefined });
}
