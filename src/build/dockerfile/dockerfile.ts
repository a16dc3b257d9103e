// A whole Dockerfile: the ARGs before the first FROM, and the stages.
import { fault } from './fault.ts';
import type { Arg, From, Located } from './instruction.ts';
import { parseInstructions } from './parse.ts';
import type { Source } from './source.ts';

export const STAGES_MAX = 1000;

export type Stage = {
  readonly index: number;
  /** "" without a name. */
  readonly name: string;
  readonly from: Located<From>;
  /** Behind its FROM. */
  readonly instructions: readonly Located[];
};

export type Dockerfile = {
  readonly source: Source;
  readonly globalArgs: readonly Located<Arg>[];
  readonly stages: readonly Stage[];
};

export function parseDockerfile(text: string): Dockerfile {
  const { source, instructions } = parseInstructions(text);
  const globalArgs: Located<Arg>[] = [];
  const stages: (Stage & { readonly instructions: Located[] })[] = [];
  for (const located of instructions) {
    const { instruction, place } = located;
    const stage = stages.at(-1);
    if (instruction.kind === 'from') {
      if (stages.length >= STAGES_MAX) throw fault(place, `more than ${STAGES_MAX} stages`);
      const from = { ...located, instruction };
      stages.push({ index: stages.length, name: instruction.stage, from, instructions: [] });
    } else if (stage !== undefined) stage.instructions.push(located);
    else if (instruction.kind === 'arg') globalArgs.push({ ...located, instruction });
    else throw fault(place, 'no build stage in current context');
  }
  if (stages.length === 0) throw fault(undefined, 'dockerfile contains no stages to build');
  return { source, globalArgs, stages };
}

/**
 * The stage that a name or number means: a later stage of the same name hides an earlier one, and
 * only those before `below` can be meant.
 */
export function findStage(
  stages: readonly Stage[],
  name: string,
  below = stages.length,
): Stage | undefined {
  const earlier = stages.slice(0, below);
  const wanted = name.toLowerCase();
  const named = earlier.findLast((stage) => stage.name !== '' && stage.name === wanted);
  if (named !== undefined) return named;
  return /^\d{1,4}$/.test(name) ? earlier[Number(name)] : undefined;
}
