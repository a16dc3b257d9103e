// What RUN will execute: its words, the scripts of its here-documents, its mounts with their
// sources.
import { posix } from 'node:path';
import { argvOf } from './config-change.ts';
import { fault, type Place } from './dockerfile/fault.ts';
import type { Run } from './dockerfile/instruction.ts';
import { findStage } from './dockerfile/dockerfile.ts';
import { materialize } from './materialize.ts';
import { parseRunMount, type RunMount } from './run-mount.ts';
import { imageRef, type ResolvedMount, SCRIPTS } from './run.ts';
import type { StageBuilder } from './stage.ts';
import { chainOfState, imageState, type State } from './state.ts';
import { toBinary } from '#tar/binary-path.ts';

export type RunPlan = {
  readonly argv: readonly string[];
  readonly mounts: readonly ResolvedMount[];
  readonly scripts: ReadonlyMap<string, string>;
  /** For the key of the cache. */
  readonly inputs: readonly unknown[];
};

export async function resolveRun(
  stage: StageBuilder,
  instruction: Run,
  place: Place,
): Promise<RunPlan> {
  const { command, heredocs } = instruction;
  const { shell } = stage.state.spec.config;
  const mounts: ResolvedMount[] = [];
  const inputs: unknown[] = [];
  for (const text of instruction.mounts) {
    const mount = parseRunMount(stage.expand(text, place), place);
    const { resolved, input } = await resolveMount(stage, mount, place);
    mounts.push(resolved);
    inputs.push(input);
  }
  if (heredocs.length === 0 || command.form === 'exec') {
    return { argv: argvOf(command, shell), mounts, scripts: new Map(), inputs };
  }
  const [only] = heredocs;
  const isAlone = heredocs.length === 1 && /^\d*<<-?["']?[^\s"'<>|&;]+["']?$/.test(command.line);
  if (only !== undefined && isAlone) {
    if (!only.content.startsWith('#!')) {
      const argv = argvOf({ form: 'shell', line: only.content }, shell);
      return { argv, mounts, scripts: new Map(), inputs };
    }
    const scripts = new Map([[only.name, only.content]]);
    const argv = [`${SCRIPTS}/${only.name}`];
    return { argv, mounts, scripts, inputs: [...inputs, only.content] };
  }
  // The shell reads them itself, as it would from a script.
  const documents = heredocs.map(({ name, content }) => `${content}${name}`);
  const line = [command.line, ...documents].join('\n');
  return { argv: argvOf({ form: 'shell', line }, shell), mounts, scripts: new Map(), inputs };
}

async function resolveMount(
  stage: StageBuilder,
  mount: RunMount,
  place: Place,
): Promise<{ readonly resolved: ResolvedMount; readonly input: unknown }> {
  const target =
    mount.target === ''
      ? ''
      : posix.resolve(stage.state.spec.config.workingDir || '/', mount.target);
  const own = { ...mount, target };
  // What a secret says, or a cache holds, is no input: the same command is the same step.
  if (mount.type !== 'bind') return { resolved: { mount: own, from: undefined }, input: own };
  if (mount.from === '') {
    const { context } = stage.build;
    const found = context.lookup(toBinary(mount.source));
    if (found === undefined) throw fault(place, `${mount.source || '/'} is not in the context`);
    const made = await materialize(stage.build, found);
    return {
      resolved: { mount: own, from: { kind: 'path', path: made.path } },
      input: [own, made.digest],
    };
  }
  const source = await stateOf(stage, mount.from, place);
  stage.build.lend(source);
  return {
    resolved: { mount: own, from: { kind: 'image', ref: imageRef(source) } },
    input: [own, chainOfState(source)],
  };
}

/** The stage or image that --from names. */
export async function stateOf(stage: StageBuilder, from: string, place: Place): Promise<State> {
  const { build } = stage;
  const name = stage.expand(from, place);
  const found = findStage(build.file.stages, name, stage.index);
  if (found !== undefined) return build.stage(found.index);
  return imageState(await stage.imageOf(name, place));
}
