// Which stages a target needs: its base, and whatever it copies or mounts from. The others are not
// built at all.
import { EngineError } from '#base/error.ts';
import type { Dockerfile, Stage } from './dockerfile/dockerfile.ts';
import { findStage } from './dockerfile/dockerfile.ts';
import { failure } from './dockerfile/fault.ts';
import { expandAt } from './dockerfile/parse.ts';
import type { NamedContexts } from './named-context.ts';

export type Lookup = (name: string) => string | undefined;

export type PlannedStage = {
  readonly stage: Stage;
  /** Its base: an earlier stage, or the name of a context or an image. */
  readonly base: Stage | string;
  readonly needs: readonly number[];
};

export type BuildPlan = {
  readonly target: number;
  /** In the order of the Dockerfile, by index. */
  readonly stages: ReadonlyMap<number, PlannedStage>;
};

export type Recipe = {
  readonly file: Dockerfile;
  readonly contexts: NamedContexts;
  readonly globals: Lookup;
};

export function planBuild(recipe: Recipe, target: string): BuildPlan {
  const { stages } = recipe.file;
  const wanted = target === '' ? stages.at(-1) : findStage(stages, target);
  if (wanted === undefined) {
    throw new EngineError(
      'invalid_argument',
      `failed to reach build target ${target} in Dockerfile`,
    );
  }
  const planned = new Map<number, PlannedStage>();
  // Without recursion: a thousand stages may stand on each other.
  const open = [wanted];
  for (let stage = open.pop(); stage !== undefined; stage = open.pop()) {
    if (planned.has(stage.index)) continue;
    const one = planStage(recipe, stage);
    planned.set(stage.index, one);
    open.push(...one.needs.flatMap((index) => stages[index] ?? []));
  }
  const ordered = [...planned.entries()].toSorted(([a], [b]) => a - b);
  return { target: wanted.index, stages: new Map(ordered) };
}

export function planStage(recipe: Recipe, stage: Stage): PlannedStage {
  const own = recipe.contexts.find(stage.name);
  // A context of a stage's name is there instead of all that the stage would do.
  if (own !== undefined) return { stage: { ...stage, instructions: [] }, base: own, needs: [] };
  const base = baseOf(recipe, stage);
  const needs = [
    ...(typeof base === 'string' ? [] : [base.index]),
    ...sourcesOf(recipe, stage).map(({ index }) => index),
  ];
  return { stage, base, needs: [...new Set(needs)] };
}

/** What FROM and --from name where it is no image: a context, or else a stage. */
export function findSource(
  { contexts, file }: Omit<Recipe, 'globals'>,
  name: string,
  below: number,
): Stage | string | undefined {
  const context = contexts.find(name);
  if (context !== undefined) return context;
  const stage = findStage(file.stages, name, below);
  return stage === undefined ? undefined : (contexts.find(stage.name) ?? stage);
}

function baseOf(recipe: Recipe, stage: Stage): Stage | string {
  const { place, instruction } = stage.from;
  const { escapeChar } = recipe.file.source;
  const name = expandAt(instruction.image, place, { escapeChar, lookup: recipe.globals });
  if (name === '') throw failure(place, `base name (${instruction.image}) should not be blank`);
  // A number is no name here, other than in --from.
  const isNumber = /^\d+$/.test(name);
  return (isNumber ? undefined : findSource(recipe, name, stage.index)) ?? name;
}

/**
 * Stages that COPY --from and RUN --mount=from name, as far as it can be told beforehand: what a
 * stage's own ARG or a trigger of its base names is built when it is asked for.
 */
function sourcesOf(recipe: Recipe, stage: Stage): readonly Stage[] {
  const { escapeChar } = recipe.file.source;
  return stage.instructions.flatMap(({ instruction, place }) => {
    const names =
      instruction.kind === 'copy'
        ? [instruction.from]
        : instruction.kind === 'run'
          ? instruction.mounts.map(fromOfMount)
          : [];
    return names.flatMap((name) => {
      const expanded = expandAt(name, place, { escapeChar, lookup: recipe.globals });
      const found = expanded === '' ? undefined : findSource(recipe, expanded, stage.index);
      return found === undefined || typeof found === 'string' ? [] : [found];
    });
  });
}

function fromOfMount(text: string): string {
  const field = text.split(',').find((each) => /^\s*from=/i.test(each));
  return field?.slice(field.indexOf('=') + 1) ?? '';
}
