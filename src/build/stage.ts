// One stage: its base, then its instructions one after the other, each from where the one before
// has left it. What has been made before from the same is taken from the cache.
import { now } from '#base/clock.ts';
import { isEngineError } from '#base/error.ts';
import { parsePlatform, type Platform } from '#image/platform.ts';
import type { LayerBlob } from '#image/record.ts';
import { baseImage } from './base-image.ts';
import { chainOfEntry } from './cache.ts';
import { DEFAULT_PATH, envMap, setWorkdir } from './config-change.ts';
import { copyStep } from './copy.ts';
import { PROXY_ARGS } from './dockerfile/check.ts';
import { failure, fault, type Place } from './dockerfile/fault.ts';
import type { Arg, Located, Run, Workdir } from './dockerfile/instruction.ts';
import { expandAt, parseTrigger } from './dockerfile/parse.ts';
import { expandWords } from './dockerfile/words.ts';
import { redactUrl } from './git/url.ts';
import { foreignStep } from './foreign-cache.ts';
import type { Context } from './context.ts';
import { findSource, type PlannedStage } from './graph.ts';
import { keepLayer } from './layer.ts';
import type { BuildEvent } from './request.ts';
import { resolveRun } from './run-plan.ts';
import { runStep } from './run.ts';
import { say } from './say.ts';
import type { BuildShared } from './shared.ts';
import {
  chainOfState,
  digestOf,
  hashOf,
  imageState,
  nextState,
  scratchState,
  stageState,
} from './state.ts';
import type { State } from './state.ts';
import { nop, type StepWish } from './step.ts';
import { whyMissed } from './why-missed.ts';
import { workdirLayer } from './workdir.ts';

type StageEvent = Exclude<Extract<BuildEvent, { readonly step: number }>, { kind: 'step' }>;
type Untold<T> = T extends unknown ? Omit<T, 'stage' | 'step'> : never;

export class StageBuilder {
  readonly build: BuildShared;
  readonly #planned: PlannedStage;
  /** Values of ARG; undefined = declared, without one. */
  readonly #args = new Map<string, string | undefined>();
  #state: State;
  #step: number;

  constructor(build: BuildShared, planned: PlannedStage, firstStep: number) {
    this.build = build;
    this.#planned = planned;
    this.#state = scratchState(build.platform);
    this.#step = firstStep;
  }

  async run(): Promise<State> {
    const { from, index, instructions } = this.#planned.stage;
    await this.#begin(from);
    this.#state = withPath(await this.#base());
    const { onBuild } = this.#state.spec.config;
    if (onBuild.length > 0) await this.#triggers(onBuild);
    await this.#tellImage();
    for (const located of instructions) {
      this.#step += 1;
      await this.#begin(located);
      await this.#perform(located);
      await this.#tellImage();
    }
    if (index === this.build.plan.target) await this.#labels();
    await this.build.tell({ kind: 'stage-end', stage: index });
    return this.#state;
  }

  get index(): number {
    return this.#planned.stage.index;
  }

  get state(): State {
    return this.#state;
  }

  /** Something that happens in the step that is being made. */
  tell = async (event: Untold<StageEvent>): Promise<void> => {
    await this.build.tell({ ...event, stage: this.index, step: this.#step } as StageEvent);
  };

  /** The context, stage or image that --from names. */
  async source(from: string, place: Place): Promise<State | Context> {
    const { args, contexts, file } = this.build;
    const { escapeChar } = file.source;
    const lookup = (each: string): string | undefined => this.lookup(each) ?? args.global(each);
    const name = expandAt(from, place, { escapeChar, lookup });
    const found = findSource({ contexts, file }, name, this.index);
    if (typeof found === 'object') return this.build.stage(found.index);
    if (found !== undefined && contexts.isTree(found)) {
      return contexts.tree(this.build, found, place);
    }
    if (found === undefined && /^\d+$/.test(name)) {
      throw failure(place, `invalid from flag value ${name}: index out of bounds`);
    }
    const image = contexts.imageOf(found ?? name);
    if (found !== undefined && image === 'scratch') return scratchState(this.build.platform);
    const wish = { name: image, place, platform: this.#platform(''), pull: false };
    return imageState(await baseImage(this.build, wish));
  }

  async #begin({ statement, place }: Located): Promise<void> {
    this.build.signal.throwIfAborted();
    await this.#tellStep(statement.text, place.start);
  }

  async #tellStep(text: string, line: number): Promise<void> {
    const { steps, tell } = this.build;
    const [stage, step] = [this.index, this.#step];
    const shown = /^(?:ONBUILD\s+)?ADD\s/i.test(text) ? redactUrl(text) : text;
    await tell({ kind: 'step', stage, step, steps: steps(), text: shown, line });
  }

  async #tellImage(): Promise<void> {
    const id = this.#state.spec.history.length === 0 ? '' : digestOf(this.#state);
    await this.tell({ kind: 'image', id });
  }

  async #base(): Promise<State> {
    const { base, stage } = this.#planned;
    const { build } = this;
    if (typeof base !== 'string') return stageState(await build.stage(base.index));
    const { instruction, place } = stage.from;
    const { escapeChar } = build.file.source;
    const lookup = build.args.global;
    const written = expandAt(instruction.platform, place, { escapeChar, lookup });
    const platform = this.#platform(written);
    if (written !== '' && platform === undefined) {
      throw failure(place, `failed to parse platform : "${written}" is an invalid component`);
    }
    if (build.contexts.isTree(base)) return this.#tree(base, platform);
    const name = build.contexts.imageOf(base);
    if (name === 'scratch') return scratchState(platform ?? build.platform);
    const { pull } = build.request;
    return imageState(await baseImage(build, { name, place, platform, pull }));
  }

  /** FROM a context of files: they are all that there is, as with buildkit. */
  async #tree(name: string, platform: Platform | undefined): Promise<State> {
    this.#state = scratchState(platform ?? this.build.platform);
    const { escapeChar } = this.build.file.source;
    const located = parseTrigger(`COPY --from=${name} . /`, escapeChar);
    await this.#perform({ ...located, place: this.#planned.stage.from.place });
    return this.#state;
  }

  /** What is asked for; undefined where nothing is. */
  #platform(written: string): Platform | undefined {
    const text = written === '' ? this.build.request.platform : written;
    return text === '' ? undefined : parsePlatform(text);
  }

  async #triggers(triggers: readonly string[]): Promise<void> {
    const what = triggers.length === 1 ? 'build trigger' : 'build triggers';
    await this.tell({ kind: 'note', text: `# Executing ${triggers.length} ${what}` });
    const { spec } = this.#state;
    this.#state = { ...this.#state, spec: { ...spec, config: { ...spec.config, onBuild: [] } } };
    for (const trigger of triggers) {
      const located = parseTrigger(trigger, this.build.file.source.escapeChar);
      // What is wrong with it is told at the FROM that brought it.
      await this.#perform({ ...located, place: this.#planned.stage.from.place });
    }
  }

  /** --label: as if each stood at the end of the file. */
  async #labels(): Promise<void> {
    const given = Object.entries(this.build.request.labels);
    for (const [name, value] of given.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      this.#step += 1;
      const text = `LABEL ${name}=${value}`;
      await this.#tellStep(text, 0);
      const { config } = this.#state.spec;
      const labels = { ...config.labels, ...Object.fromEntries([[name, value]]) };
      await this.#take(saying({ config: { ...config, labels }, text }));
      await this.#tellImage();
    }
  }

  /** Variables of the image first, then arguments. */
  lookup = (name: string): string | undefined =>
    envMap(this.#state.spec.config.env).get(name) ?? this.#args.get(name);

  expand(word: string, place: Place): string {
    const { escapeChar } = this.build.file.source;
    return expandAt(word, place, { escapeChar, lookup: this.lookup });
  }

  /** Whatever goes wrong is told with its line. */
  async #perform(located: Located): Promise<void> {
    try {
      await this.#dispatch(located);
    } catch (error) {
      if (!isEngineError(error) || error.facts['line'] !== undefined) throw error;
      const { code, facts, message } = error;
      throw failure(located.place, message, { code, facts, cause: error });
    }
  }

  async #dispatch({ instruction, place, statement }: Located): Promise<void> {
    switch (instruction.kind) {
      case 'from':
        throw fault(place, 'FROM inside a stage');
      case 'arg':
        return this.#arg(instruction, place);
      case 'run':
        return this.#run(instruction, place);
      case 'copy':
      case 'add':
        return this.#take(await copyStep(this, instruction, place));
      case 'workdir':
        return this.#workdir(instruction, place);
      default: {
        const { escapeChar } = this.build.file.source;
        const said = say(instruction, {
          config: this.#state.spec.config,
          cmdIsOwn: this.#state.cmdIsOwn,
          place,
          rest: statement.rest,
          expand: (word) => this.expand(word, place),
          expandWords: (word) => expandWords(word, { escapeChar, lookup: this.lookup }),
        });
        return this.#take(saying(said));
      }
    }
  }

  #arg({ args }: Arg, place: Place): Promise<void> {
    const shown = args.map(({ name, value }) => {
      const own = value === undefined ? undefined : this.expand(value, place);
      const { args: known } = this.build;
      this.#args.set(name, known.given(name) ?? own ?? known.global(name));
      return own === undefined ? name : `${name}=${own}`;
    });
    const { config } = this.#state.spec;
    return this.#take(saying({ config, text: `ARG ${shown.join(' ')}` }));
  }

  async #workdir({ path }: Workdir, place: Place): Promise<void> {
    const { config } = this.#state.spec;
    const next = setWorkdir(config, this.expand(path, place));
    const { workingDir } = next;
    await this.#take({
      config: next,
      createdBy: nop(config.shell, `WORKDIR ${workingDir}`),
      inputs: ['workdir', config.user],
      portable: true,
      layer: () => workdirLayer(this, workingDir, place),
    });
  }

  async #run(instruction: Run, place: Place): Promise<void> {
    const { config } = this.#state.spec;
    const plan = await resolveRun(this, instruction, place);
    const args = this.#visibleArgs();
    const proxies = this.#proxies();
    const count = args.length + proxies.length === 0 ? [] : [`|${args.length}`];
    const { extraHosts } = this.build.request;
    await this.#take({
      config,
      createdBy: [...count, ...args, ...plan.argv].join(' '),
      inputs: ['run', plan.argv, args, plan.inputs, plan.network, extraHosts],
      portable: plan.inputs.length === 0,
      layer: () =>
        runStep(this, {
          argv: plan.argv,
          env: [...args, ...proxies],
          network: plan.network,
          mounts: plan.mounts,
          scripts: plan.scripts,
          place,
        }),
    });
  }

  /** Arguments are variables of RUN; those that the image has itself win. */
  #visibleArgs(): readonly string[] {
    const env = envMap(this.#state.spec.config.env);
    const visible = [...this.#args].filter(
      ([name, value]) => value !== undefined && !env.has(name) && !PROXY_ARGS.includes(name),
    );
    return visible.map(([name, value]) => `${name}=${value}`).toSorted();
  }

  /** Neither in the history nor in the key of the cache: they say how, not what. */
  #proxies(): readonly string[] {
    return PROXY_ARGS.flatMap((name) => {
      const value = this.build.args.given(name);
      return value === undefined ? [] : [`${name}=${value}`];
    });
  }

  /** From the cache, or made; then it is where the stage stands. */
  async #take(wish: StepWish): Promise<void> {
    const { build } = this;
    const { cache } = build.deps;
    const parent = chainOfState(this.#state);
    const key = hashOf([digestOf(this.#state), wish.createdBy, wish.inputs, String(build.epoch)]);
    const known = build.request.noCache ? undefined : this.#known(key, wish);
    if (known !== undefined) {
      await this.tell({ kind: 'cache', verdict: { kind: 'hit' } });
      this.#state = nextState(this.#state, { ...wish, ...known });
      return;
    }
    await this.#tellMiss(wish);
    const created = build.epoch ?? now();
    let layer: LayerBlob | undefined;
    if (wish.layer !== undefined) {
      await using archive = await wish.layer();
      layer = archive === undefined ? undefined : await keepLayer(build, this.#state, archive);
    }
    this.#state = nextState(this.#state, { ...wish, created, layer });
    const { createdBy } = wish;
    const bytes = layer?.size ?? 0;
    await cache.add({ key, parent, layer, createdBy, created, lastUsed: created, uses: 0, bytes });
  }

  /** What the step made before, here or (where the caller trusts it) in another image. */
  #known(key: string, wish: StepWish): (Pick<State['spec'], 'created'> & Known) | undefined {
    const { build } = this;
    const { content, snapshots } = build.deps.images.deps;
    const entry = build.deps.cache.find(key, (found) => {
      const chain = chainOfEntry(found);
      if (found.layer === undefined || chain === undefined) return true;
      return snapshots.has(chain) && content.has(found.layer.digest);
    });
    const known = entry ?? foreignStep(build, this.#state, wish);
    if (known?.layer === undefined) return known;
    // Held before anybody else runs, so that no prune comes between.
    build.holdLayers(
      [...this.#state.spec.diffIds, known.layer.diffId],
      [...this.#state.layers, known.layer],
    );
    return known;
  }

  async #tellMiss(wish: StepWish): Promise<void> {
    const { deps, request } = this.build;
    const why = request.noCache
      ? 'no cache was asked for'
      : whyMissed(deps.cache.list(), chainOfState(this.#state), wish);
    await this.tell({ kind: 'cache', verdict: { kind: 'miss', why } });
  }
}

type Known = { readonly created: bigint; readonly layer: LayerBlob | undefined };

/** The words of the history have two blanks in front where nothing is done. */
function saying(said: ReturnType<typeof say>): StepWish {
  const { config, text, ...more } = said;
  const createdBy = nop(config.shell, ` ${text}`);
  return { config, createdBy, inputs: [config], portable: true, layer: undefined, ...more };
}

/** Commands are found also where a base says nothing of it. */
function withPath(state: State): State {
  const { spec } = state;
  const { config } = spec;
  if (envMap(config.env).has('PATH')) return state;
  const env = [...config.env, `PATH=${DEFAULT_PATH}`];
  return { ...state, spec: { ...spec, config: { ...config, env } } };
}
