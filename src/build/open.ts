// A build at its beginning: its context received, its Dockerfile read and planned, and what its
// stages will share.
import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { now } from '#base/clock.ts';
import { EngineError, isEngineError, messageOf } from '#base/error.ts';
import { Ignore, IGNORE_BYTES_MAX } from '#base/ignore.ts';
import { hostPlatform, parsePlatform, type Platform } from '#image/platform.ts';
import type { ImageRecord } from '#image/record.ts';
import { toBinary } from '#tar/binary-path.ts';
import { BuildArguments, KEEP_GIT_DIR } from './arguments.ts';
import { Context, DOCKERFILE_SIZE_MAX } from './context.ts';
import { checkDockerfile } from './dockerfile/check.ts';
import { type Dockerfile, parseDockerfile } from './dockerfile/dockerfile.ts';
import { commitOf, fetchTree, withToken } from './git/tree.ts';
import { parseGitSource } from './git/url.ts';
import { type BuildPlan, type PlannedStage, planBuild, planStage } from './graph.ts';
import { BuildHold } from './hold.ts';
import { NamedContexts } from './named-context.ts';
import type { BuildRequest, OnBuildEvent } from './request.ts';
import type { BuildDeps, BuildShared } from './shared.ts';
import { StageBuilder } from './stage.ts';
import type { State } from './state.ts';

const IGNORE_FILE = '.dockerignore';

export type BuildSource =
  /** The context as a tar archive. */
  | { readonly kind: 'archive'; readonly archive: AsyncIterable<Uint8Array> }
  /** A Dockerfile without one. */
  | { readonly kind: 'dockerfile'; readonly text: string }
  /** The URL of a repository. */
  | { readonly kind: 'git'; readonly url: string };

type Wish = {
  readonly source: BuildSource;
  readonly request: BuildRequest;
  readonly tell: OnBuildEvent;
  readonly signal: AbortSignal;
};

/** `parts` ends what it has opened. */
export async function openBuild(
  deps: BuildDeps,
  { request, signal, source, tell }: Wish,
  parts: AsyncDisposableStack,
): Promise<BuildShared> {
  const id = randomUUID();
  const [folder, memoryFolder] = [join(deps.folder, id), join(deps.memoryFolder, id)];
  for (const path of [folder, memoryFolder]) {
    parts.defer(() => rm(path, { recursive: true, force: true }));
    await mkdir(path, { recursive: true, mode: 0o700 });
  }
  const context = parts.use(await openContext(deps, { request, signal, source }, folder));
  const contexts = parts.use(new NamedContexts(request.contexts));
  await contexts.receive(context, folder, signal, (each) => applyIgnore(each, [IGNORE_FILE]));
  const text =
    source.kind === 'dockerfile' ? source.text : await readDockerfile(context, request.dockerfile);
  const file = parseDockerfile(text);
  // NAME.dockerignore beside the Dockerfile comes before .dockerignore, as with buildkit.
  const ignoreFile = `${request.dockerfile.replace(/^\/+/, '')}${IGNORE_FILE}`;
  await applyIgnore(context, [ignoreFile, IGNORE_FILE]);
  const platform = platformOf(request.platform);
  const args = new BuildArguments(request.args, file, { target: platform, build: hostPlatform() });
  const plan = planBuild({ file, contexts, globals: args.global }, request.target);
  for (const warning of checkDockerfile(file)) await tell({ kind: 'warning', warning });
  const hold = parts.use(new BuildHold(deps.images.deps.leases));
  const epoch = epochOf(request);
  const made = new Map<string, Promise<void>>();
  const stages = new Stages(file, plan, request);
  const shared: BuildShared = {
    id,
    deps,
    request,
    context,
    contexts,
    file,
    plan,
    steps: () => stages.steps,
    platform,
    args,
    folder,
    memoryFolder,
    epoch,
    moment: epoch ?? now(),
    signal,
    tell,
    hold: (digests) => hold.hold(digests),
    holdLayers: (diffIds, layers) => hold.holdLayers(diffIds, layers),
    trusted: () => request.cacheFrom.flatMap((name) => trustedImage(deps, name)),
    lend: (state) => hold.lend(deps.ephemeral, state),
    once: (key, work) => {
      const known = made.get(key) ?? work();
      made.set(key, known);
      return known;
    },
    stage: (index) => stages.state(shared, index),
  };
  return shared;
}

function openContext(
  deps: BuildDeps,
  { request, signal, source }: Omit<Wish, 'tell'>,
  folder: string,
): Context | Promise<Context> {
  switch (source.kind) {
    case 'dockerfile':
      return Context.empty();
    case 'archive':
      return Context.receive(source.archive, folder, 'context', signal);
    case 'git':
      return gitContext({ host: deps.git, folder, signal }, source.url, request);
    default:
      throw source satisfies never;
  }
}

/** Its .git is in it only on request, as with buildkit. */
async function gitContext(
  place: Parameters<typeof fetchTree>[0],
  url: string,
  request: BuildRequest,
): Promise<Context> {
  const parsed = withToken(parseGitSource(url), request);
  const keeps = /^(?:1|t|true)$/i.test(request.args[KEEP_GIT_DIR] ?? '');
  const source = keeps ? { ...parsed, keepGitDir: true } : parsed;
  const commit = await commitOf(place, source);
  return fetchTree(place, source, { commit, name: 'context' });
}

/** Each stage is built once, when the first one asks for it. */
class Stages {
  /** Of all that are built. */
  steps: number;
  readonly #file: Dockerfile;
  readonly #plan: BuildPlan;
  readonly #first = new Map<number, number>();
  readonly #states = new Map<number, Promise<State>>();

  constructor(file: Dockerfile, plan: BuildPlan, { labels }: BuildRequest) {
    this.#file = file;
    this.#plan = plan;
    this.steps = file.globalArgs.length;
    for (const [index, planned] of plan.stages) this.#number(index, planned);
    this.steps += Object.keys(labels).length;
  }

  #number(index: number, { stage }: PlannedStage): void {
    this.#first.set(index, this.steps + 1);
    this.steps += 1 + stage.instructions.length;
  }

  state(build: BuildShared, index: number): Promise<State> {
    const known = this.#states.get(index) ?? this.#start(build, index);
    this.#states.set(index, known);
    // Another stage may fail first.
    known.catch(() => {});
    return known;
  }

  /** What a trigger or an ARG of a stage names was not planned, and is numbered behind all others. */
  #start(build: BuildShared, index: number): Promise<State> {
    const stage = this.#file.stages[index];
    if (stage === undefined) throw new EngineError('internal', `there is no stage ${index}`);
    const recipe = { file: this.#file, contexts: build.contexts, globals: build.args.global };
    const planned = this.#plan.stages.get(index) ?? planStage(recipe, stage);
    if (!this.#first.has(index)) this.#number(index, planned);
    return new StageBuilder(build, planned, this.#first.get(index) ?? 1).run();
  }
}

function trustedImage(deps: BuildDeps, name: string): readonly ImageRecord[] {
  try {
    return [deps.images.resolve(name)];
  } catch (error) {
    // As dockerd: what is not here helps nobody, and is no reason not to build.
    if (isEngineError(error)) return [];
    throw error;
  }
}

function epochOf({ args }: BuildRequest): bigint | undefined {
  const text = args['SOURCE_DATE_EPOCH'] ?? '';
  if (text === '') return undefined;
  if (/^\d{1,11}$/.test(text)) return BigInt(text) * 1_000_000_000n;
  throw new EngineError('invalid_argument', `invalid SOURCE_DATE_EPOCH: ${text}`);
}

async function readDockerfile(context: Context, path: string): Promise<string> {
  const clean = path.replace(/^\/+/, '');
  if (posix.normalize(clean).startsWith('..')) {
    throw new EngineError(
      'invalid_argument',
      `forbidden path outside the build context: ${path} ()`,
    );
  }
  const found = context.lookup(toBinary(clean));
  if (found === undefined || found.node.kind !== 'file') {
    throw new EngineError('invalid_argument', `Cannot locate specified Dockerfile: ${path}`);
  }
  return context.text(found.node, DOCKERFILE_SIZE_MAX);
}

/** By the first of these files that is there. */
async function applyIgnore(context: Context, names: readonly string[]): Promise<void> {
  for (const name of names) {
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
  if (text === '') return hostPlatform();
  const platform = parsePlatform(text);
  if (platform !== undefined) return platform;
  throw new EngineError('invalid_argument', `${JSON.stringify(text)}: invalid platform`);
}
