// One stage: its base, then its instructions one after the other, each from where the one before
// has left it. What has been made before from the same is taken from the cache.
import { posix } from 'node:path';
import { now, type Nanoseconds } from '#base/clock.ts';
import { isEngineError } from '#base/error.ts';
import { parseReference, repositoryOf } from '#base/reference.ts';
import { parseSignal } from '#container/signal.ts';
import type { ImageConfig } from '#image/config.ts';
import type { ImageRecord, LayerBlob } from '#image/record.ts';
import {
  addPorts,
  addVolumes,
  argvOf,
  envMap,
  healthcheckOf,
  portsOf,
  setEntrypoint,
  setEnv,
  setWorkdir,
} from './config-change.ts';
import { chainOfEntry } from './cache.ts';
import { copyStep } from './copy.ts';
import { PLATFORM_ARGS, PROXY_ARGS } from './dockerfile/check.ts';
import { fault, type Place } from './dockerfile/fault.ts';
import type { Arg, Instruction, Located, Run } from './dockerfile/instruction.ts';
import { expandAt, parseTrigger } from './dockerfile/parse.ts';
import { expandWords } from './dockerfile/words.ts';
import type { PlannedStage } from './graph.ts';
import { keepLayer } from './layer.ts';
import { resolveRun } from './run-plan.ts';
import { runStep } from './run.ts';
import type { BuildShared } from './shared.ts';
import {
  chainOfState,
  digestOf,
  hashOf,
  imageState,
  nextState,
  scratchState,
  type State,
} from './state.ts';
import { workdirLayer } from './workdir.ts';

export class StageBuilder {
  readonly build: BuildShared;
  readonly #planned: PlannedStage;
  /** Values of ARG; undefined = declared, without one. */
  readonly #args = new Map<string, string | undefined>();
  #state: State;
  #step: number;
  /** A step of this stage has been run: those after it must be, too. */
  #missed = false;

  constructor(build: BuildShared, planned: PlannedStage, firstStep: number) {
    this.build = build;
    this.#planned = planned;
    this.#state = scratchState(build.platform);
    this.#step = firstStep;
  }

  async run(): Promise<State> {
    const { from, instructions } = this.#planned.stage;
    await this.#begin(from);
    this.#state = await this.#base();
    const { onBuild } = this.#state.spec.config;
    await this.#tellImage();
    if (onBuild.length > 0) await this.#triggers(onBuild);
    for (const located of instructions) {
      this.#step += 1;
      await this.#begin(located);
      await this.#perform(located);
      await this.#tellImage();
    }
    return this.#state;
  }

  get index(): number {
    return this.#planned.stage.index;
  }

  /** An image of that name, pulled when it is not here. */
  async imageOf(name: string, place: Place): Promise<ImageRecord> {
    const { images } = this.build.deps;
    try {
      return images.resolve(name);
    } catch (error) {
      if (!isEngineError(error, 'not_found')) throw error;
    }
    await this.#pullFor(name, place);
    return images.resolve(name);
  }

  async #pullFor(name: string, place: Place): Promise<void> {
    try {
      await this.#pull(name);
    } catch (error) {
      if (isEngineError(error, 'not_found') || isEngineError(error, 'invalid_argument')) {
        throw fault(place, error.message);
      }
      throw error;
    }
  }

  get step(): number {
    return this.#step;
  }

  async #begin({ statement, place }: Located): Promise<void> {
    this.build.signal.throwIfAborted();
    await this.build.tell({
      kind: 'step',
      step: this.#step,
      steps: this.build.steps,
      stage: this.#planned.stage.index,
      text: statement.text,
      line: place.start,
    });
  }

  async #tellImage(): Promise<void> {
    const id = this.#state.spec.history.length === 0 ? '' : digestOf(this.#state);
    await this.build.tell({ kind: 'image', step: this.#step, id });
  }

  async #base(): Promise<State> {
    const { base, stage } = this.#planned;
    if (typeof base !== 'string')
      return { ...(await this.build.stage(base.index)), cmdIsOwn: false };
    if (base === 'scratch') return scratchState(this.build.platform);
    if (this.build.request.pull) await this.#pullFor(base, stage.from.place);
    return imageState(await this.imageOf(base, stage.from.place));
  }

  async #pull(name: string): Promise<void> {
    const { request, signal, tell } = this.build;
    await this.build.deps.images.pull(name, {
      signal,
      auth: request.auth(repositoryOf(parseReference(name))),
      onProgress: (progress) => {
        void tell({ kind: 'pull', progress });
      },
    });
  }

  async #triggers(triggers: readonly string[]): Promise<void> {
    const what = triggers.length === 1 ? 'build trigger' : 'build triggers';
    const text = `# Executing ${triggers.length} ${what}`;
    await this.build.tell({ kind: 'note', step: this.#step, text });
    const { spec } = this.#state;
    this.#state = { ...this.#state, spec: { ...spec, config: { ...spec.config, onBuild: [] } } };
    for (const trigger of triggers) {
      const located = parseTrigger(trigger, this.build.file.source.escapeChar);
      const { place } = this.#planned.stage.from;
      await this.#perform({ ...located, place });
    }
    await this.#tellImage();
  }

  /** Variables of the image first, then arguments. */
  lookup = (name: string): string | undefined => {
    const value = envMap(this.#state.spec.config.env).get(name);
    if (value !== undefined) return value;
    if (this.#args.has(name)) this.build.consumed.add(name);
    return this.#args.get(name);
  };

  expand(word: string, place: Place): string {
    const { escapeChar } = this.build.file.source;
    return expandAt(word, place, { escapeChar, lookup: this.lookup });
  }

  get state(): State {
    return this.#state;
  }

  async #perform({ instruction, place, statement }: Located): Promise<void> {
    const { config } = this.#state.spec;
    const say = (change: ImageConfig, text: string, more: { readonly cmdIsOwn?: boolean } = {}) =>
      this.#say(change, text, more);
    switch (instruction.kind) {
      case 'from':
        throw fault(place, 'FROM inside a stage');
      case 'arg':
        return this.#arg(instruction, place);
      case 'env':
      case 'label':
        return this.#pairs(instruction, place);
      case 'run':
        return this.#run(instruction, place);
      case 'copy':
      case 'add':
        return this.take(await copyStep(this, instruction, place));
      case 'workdir':
        return this.#workdir(this.expand(instruction.path, place));
      case 'maintainer':
        return say(config, `MAINTAINER ${instruction.name}`);
      case 'onbuild':
        return say(
          { ...config, onBuild: [...config.onBuild, instruction.trigger] },
          `ONBUILD ${instruction.trigger}`,
        );
      default:
        return say(...this.#change(instruction, place, statement.rest));
    }
  }

  /** Instructions that only change the config. */
  #change(
    instruction: Exclude<
      Instruction,
      {
        kind:
          | 'from'
          | 'arg'
          | 'env'
          | 'label'
          | 'run'
          | 'copy'
          | 'add'
          | 'workdir'
          | 'maintainer'
          | 'onbuild';
      }
    >,
    place: Place,
    rest: string,
  ): [ImageConfig, string, { readonly cmdIsOwn?: boolean }?] {
    const { config } = this.#state.spec;
    switch (instruction.kind) {
      case 'cmd': {
        const { command } = instruction;
        const cmd = command === undefined ? undefined : argvOf(command, config.shell);
        return [{ ...config, cmd }, `CMD ${goList(cmd ?? [])}`, { cmdIsOwn: true }];
      }
      case 'entrypoint': {
        const next = setEntrypoint(config, instruction.command, this.#state.cmdIsOwn);
        return [next, `ENTRYPOINT ${goList(next.entrypoint ?? [])}`];
      }
      case 'expose': {
        const { escapeChar } = this.build.file.source;
        const words = instruction.ports.flatMap((word) =>
          expandWords(this.expand(word, place), { escapeChar, lookup: this.lookup }),
        );
        const ports = words.flatMap((word) => portsOf(word, place));
        return [addPorts(config, ports), `EXPOSE ${ports.join(' ')}`];
      }
      case 'volume': {
        const paths = instruction.paths.map((path) => this.expand(path, place));
        return [addVolumes(config, paths), `VOLUME [${paths.join(' ')}]`];
      }
      case 'user': {
        const user = this.expand(instruction.user, place);
        return [{ ...config, user }, `USER ${user}`];
      }
      case 'shell':
        return [{ ...config, shell: instruction.argv }, `SHELL [${instruction.argv.join(' ')}]`];
      case 'stopsignal': {
        const stopSignal = this.expand(instruction.signal, place);
        parseSignal(stopSignal);
        return [{ ...config, stopSignal }, `STOPSIGNAL ${stopSignal}`];
      }
      case 'healthcheck':
        return [{ ...config, healthcheck: healthcheckOf(instruction) }, `HEALTHCHECK ${rest}`];
      default:
        throw instruction satisfies never;
    }
  }

  #arg({ args }: Arg, place: Place): Promise<void> {
    for (const { name, value } of args) {
      const given = this.build.request.args[name];
      const isGlobal = value === undefined && given === undefined;
      if (given !== undefined) this.build.consumed.add(name);
      const own = value === undefined ? undefined : this.expand(value, place);
      this.#args.set(name, given ?? own ?? (isGlobal ? this.build.globals(name) : undefined));
    }
    const text = args.map(({ name, value }) => (value === undefined ? name : `${name}=${value}`));
    return this.#say(this.#state.spec.config, `ARG ${text.join(' ')}`);
  }

  /** All values see the variables of before the instruction. */
  #pairs(
    instruction: Extract<Instruction, { kind: 'env' | 'label' }>,
    place: Place,
  ): Promise<void> {
    const pairs = instruction.pairs.map(
      ({ name, value }) => [this.expand(name, place), this.expand(value, place)] as const,
    );
    const { config } = this.#state.spec;
    const text = pairs.map(([name, value]) => `${name}=${value}`).join(' ');
    if (instruction.kind === 'label') {
      const labels = { ...config.labels, ...Object.fromEntries(pairs) };
      return this.#say({ ...config, labels }, `LABEL ${text}`);
    }
    let { env } = config;
    for (const [name, value] of pairs) env = setEnv(env, name, value);
    return this.#say({ ...config, env }, `ENV ${text}`);
  }

  async #workdir(path: string): Promise<void> {
    const { config } = this.#state.spec;
    const next = setWorkdir(config, path);
    const text = `WORKDIR ${next.workingDir}`;
    await this.take({
      config: next,
      createdBy: nop(text),
      inputs: ['workdir', next.workingDir],
      layer: () => workdirLayer(this, posix.resolve('/', next.workingDir)),
    });
  }

  async #say(
    config: ImageConfig,
    text: string,
    more: { readonly cmdIsOwn?: boolean } = {},
  ): Promise<void> {
    const createdBy = nop(text);
    const inputs = ['config', config];
    await this.take({ config, createdBy, inputs, layer: undefined, ...more });
  }

  async #run(instruction: Run, place: Place): Promise<void> {
    const { config } = this.#state.spec;
    const plan = await resolveRun(this, instruction, place);
    const args = this.#visibleArgs();
    const shown = plan.argv.join(' ');
    const prefix = args.length === 0 ? '' : `|${args.length} ${args.join(' ')} `;
    await this.take({
      config,
      createdBy: `${prefix}${shown}`,
      inputs: ['run', plan.argv, args, plan.inputs, instruction.network, instruction.security],
      layer: () =>
        runStep(this.build, {
          state: this.#state,
          argv: plan.argv,
          env: [...args, ...this.#proxies()],
          network: instruction.network,
          mounts: plan.mounts,
          scripts: plan.scripts,
          step: this.#step,
          place,
          privileged: false,
        }),
    });
  }

  /** Arguments are variables of RUN; those that the image has itself win. */
  #visibleArgs(): readonly string[] {
    const env = envMap(this.#state.spec.config.env);
    const visible = [...this.#args].filter(
      ([name, value]) => value !== undefined && !env.has(name) && !PROXY_ARGS.includes(name),
    );
    for (const [name] of visible) this.build.consumed.add(name);
    return visible.map(([name, value]) => `${name}=${value}`).toSorted();
  }

  /** Neither in the history nor in the key of the cache: they say how, not what. */
  #proxies(): readonly string[] {
    return PROXY_ARGS.flatMap((name) => {
      const value = this.build.request.args[name];
      if (value !== undefined) this.build.consumed.add(name);
      return value === undefined ? [] : [`${name}=${value}`];
    });
  }

  /** From the cache, or made; then it is where the stage stands. */
  async take(wish: StepWish): Promise<void> {
    const { cache, images } = this.build.deps;
    const { snapshots, content } = images.deps;
    const parent = chainOfState(this.#state);
    const key = hashOf([digestOf(this.#state), wish.createdBy, wish.inputs]);
    const entry = this.build.request.noCache
      ? undefined
      : cache.find(key, (found) => {
          const { layer } = found;
          const chain = chainOfEntry(found);
          if (layer === undefined || chain === undefined) return true;
          return snapshots.has(chain) && content.has(layer.digest);
        });
    if (entry !== undefined && !this.#missed) {
      await this.build.tell({ kind: 'cache', step: this.#step, verdict: { kind: 'hit' } });
      this.#state = this.#next(wish, entry.layer, entry.created);
      return;
    }
    await this.#tellMiss(wish);
    const created = this.build.epoch ?? now();
    let layer: LayerBlob | undefined;
    if (wish.layer !== undefined) {
      await using archive = await wish.layer();
      layer = archive === undefined ? undefined : await keepLayer(this.build, this.#state, archive);
    }
    this.#missed = true;
    this.#state = this.#next(wish, layer, created);
    await cache.add({
      key,
      parent,
      layer,
      createdBy: wish.createdBy,
      created,
      lastUsed: created,
      uses: 0,
      bytes: layer === undefined ? 0 : layer.size,
    });
  }

  async #tellMiss(wish: StepWish): Promise<void> {
    const why = this.build.request.noCache
      ? 'no cache was asked for'
      : this.#missed
        ? 'a step before it was run'
        : wish.layer === undefined
          ? 'this was not said here before'
          : 'nothing was made of the same input yet';
    await this.build.tell({ kind: 'cache', step: this.#step, verdict: { kind: 'miss', why } });
  }

  #next(wish: StepWish, layer: LayerBlob | undefined, created: Nanoseconds): State {
    const { config, createdBy, cmdIsOwn } = wish;
    const own = cmdIsOwn === undefined ? {} : { cmdIsOwn };
    return nextState(this.#state, { config, createdBy, created, layer, ...own });
  }
}

export type StepWish = {
  readonly config: ImageConfig;
  readonly createdBy: string;
  /** What the result depends on besides where the stage stands. */
  readonly inputs: readonly unknown[];
  /** undefined: it only says something. */
  readonly layer: (() => Promise<(AsyncDisposable & LayerArchive) | undefined>) | undefined;
  readonly cmdIsOwn?: boolean;
};
type LayerArchive = Parameters<typeof keepLayer>[2];

export function nop(text: string): string {
  return `/bin/sh -c #(nop)  ${text}`;
}

/** As Go prints a list of strings with %q. */
function goList(words: readonly string[]): string {
  return `[${words.map((word) => JSON.stringify(word)).join(' ')}]`;
}

/** Values of the arguments that every build gives, for ARG in a stage and in FROM. */
export function platformArgs(platform: {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string;
}): Readonly<Record<string, string>> {
  const { os, architecture, variant } = platform;
  const text = [os, architecture, variant].filter((part) => part !== '').join('/');
  const values: Readonly<Record<string, string>> = {
    PLATFORM: text,
    OS: os,
    ARCH: architecture,
    VARIANT: variant,
  };
  return Object.fromEntries(
    PLATFORM_ARGS.map((name) => [name, values[name.replace(/^(TARGET|BUILD)/, '')] ?? '']),
  );
}
