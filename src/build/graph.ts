// Which stages a target needs: its base, and whatever it copies or mounts from. The others are not
// built at all.
import { EngineError } from '#base/error.ts';
import type { Dockerfile, Stage } from './dockerfile/dockerfile.ts';
import { findStage } from './dockerfile/dockerfile.ts';
import { fault } from './dockerfile/fault.ts';
import { expandAt } from './dockerfile/parse.ts';
import { parseRunMount } from './run-mount.ts';

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
      `target stage ${JSON.stringify(target)} could not be found`,
    );
  }
  const planned = new Map<number, PlannedStage>();
  const visit = (stage: Stage): void => {
    if (planned.has(stage.index)) return;
    const base = baseOf(file, stage, globals);
    const needs = [
      ...(typeof base === 'string' ? [] : [base.index]),
      ...sourcesOf(file, stage, globals).map(({ index }) => index),
    ];
    planned.set(stage.index, { stage, base, needs: [...new Set(needs)] });
    for (const index of needs) {
      const next = stages[index];
      if (next !== undefined) visit(next);
    }
  };
  visit(wanted);
  const ordered = [...planned.entries()].toSorted(([a], [b]) => a - b);
  return { target: wanted.index, stages: new Map(ordered) };
}

function baseOf(file: Dockerfile, stage: Stage, globals: Lookup): Stage | string {
  const { place, instruction } = stage.from;
  const { escapeChar } = file.source;
  const name = expandAt(instruction.image, place, { escapeChar, lookup: globals });
  if (name === '') throw fault(place, `base name (${instruction.image}) should not be blank`);
  return findStage(file.stages, name, stage.index) ?? name;
}

/** Stages that COPY --from and RUN --mount=from name. */
function sourcesOf(file: Dockerfile, stage: Stage, globals: Lookup): readonly Stage[] {
  return stage.instructions.flatMap(({ instruction, place }) => {
    const names =
      instruction.kind === 'copy'
        ? [instruction.from]
        : instruction.kind === 'run'
          ? instruction.mounts.map((text) => parseRunMount(text, place).from)
          : [];
    const { escapeChar } = file.source;
    return names.flatMap((name) => {
      if (name === '') return [];
      const expanded = expandAt(name, place, { escapeChar, lookup: globals });
      const found = findStage(file.stages, expanded, stage.index);
      if (found !== undefined) return [found];
      if (/^\d+$/.test(expanded)) {
        throw fault(place, `invalid from flag value ${expanded}: there is no such stage before`);
      }
      return [];
    });
  });
}
