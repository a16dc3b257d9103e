// Which stages a target needs: its base, and whatever it copies or mounts from. The others are not
// built at all.
import { EngineError } from '#base/error.ts';
import type { Dockerfile, Stage } from './dockerfile/dockerfile.ts';
import { findStage } from './dockerfile/dockerfile.ts';
import { failure } from './dockerfile/fault.ts';
import { expandAt } from './dockerfile/parse.ts';

export type Lookup = (name: string) => string | undefined;

export type PlannedStage = {
  readonly stage: Stage;
  /** Its base: an earlier stage, or the name of an image. */
  readonly base: Stage | string;
  readonly needs: readonly number[];
};

export type BuildPlan = {
  readonly target: number;
  /** In the order of the Dockerfile, by index. */
  readonly stages: ReadonlyMap<number, PlannedStage>;
};

export function planBuild(file: Dockerfile, target: string, globals: Lookup): BuildPlan {
  const { stages } = file;
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
    const one = planStage(file, stage, globals);
    planned.set(stage.index, one);
    open.push(...one.needs.flatMap((index) => stages[index] ?? []));
  }
  const ordered = [...planned.entries()].toSorted(([a], [b]) => a - b);
  return { target: wanted.index, stages: new Map(ordered) };
}

export function planStage(file: Dockerfile, stage: Stage, globals: Lookup): PlannedStage {
  const base = baseOf(file, stage, globals);
  const needs = [
    ...(typeof base === 'string' ? [] : [base.index]),
    ...sourcesOf(file, stage, globals).map(({ index }) => index),
  ];
  return { stage, base, needs: [...new Set(needs)] };
}

function baseOf(file: Dockerfile, stage: Stage, globals: Lookup): Stage | string {
  const { place, instruction } = stage.from;
  const { escapeChar } = file.source;
  const name = expandAt(instruction.image, place, { escapeChar, lookup: globals });
  if (name === '') throw failure(place, `base name (${instruction.image}) should not be blank`);
  // A number is no name here, other than in --from.
  const isNumber = /^\d+$/.test(name);
  return (isNumber ? undefined : findStage(file.stages, name, stage.index)) ?? name;
}

/**
 * Stages that COPY --from and RUN --mount=from name, as far as it can be told beforehand: what a
 * stage's own ARG or a trigger of its base names is built when it is asked for.
 */
function sourcesOf(file: Dockerfile, stage: Stage, globals: Lookup): readonly Stage[] {
  const { escapeChar } = file.source;
  return stage.instructions.flatMap(({ instruction, place }) => {
    const names =
      instruction.kind === 'copy'
        ? [instruction.from]
        : instruction.kind === 'run'
          ? instruction.mounts.map(fromOfMount)
          : [];
    return names.flatMap((name) => {
      const expanded = expandAt(name, place, { escapeChar, lookup: globals });
      return expanded === '' ? [] : (findStage(file.stages, expanded, stage.index) ?? []);
    });
  });
}

function fromOfMount(text: string): string {
  const field = text.split(',').find((each) => /^\s*from=/i.test(each));
  return field?.slice(field.indexOf('=') + 1) ?? '';
}
