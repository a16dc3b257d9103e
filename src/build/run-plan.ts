// What RUN will execute: its words, the scripts of its here-documents, its mounts with their
// sources.
import { posix } from 'node:path';
import { argvOf } from './config-change.ts';
import { Context } from './context.ts';
import { failure, type Place } from './dockerfile/fault.ts';
import type { Run } from './dockerfile/instruction.ts';
import { materialize } from './materialize.ts';
import { parseRunMount, type RunMount } from './run-mount.ts';
import { type ResolvedMount, SCRIPT_DIRECTORY } from './run-mounts.ts';
import type { StageBuilder } from './stage.ts';
import { chainOfState, imageRef } from './state.ts';
import { toBinary } from '#tar/binary-path.ts';

/** As buildkit counts them, those with a target of their own too. */
const AGENT_TARGET = '/run/buildkit/ssh_agent.';

export type RunPlan = {
  readonly argv: readonly string[];
  readonly mounts: readonly ResolvedMount[];
  readonly scripts: ReadonlyMap<string, string>;
  /** The network that its container is in. */
  readonly network: string;
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
  let agents = 0;
  for (const text of instruction.mounts) {
    const parsed = parseRunMount(stage.expand(text, place), place);
    const isAgent = parsed.type === 'ssh';
    const target = isAgent && parsed.target === '' ? `${AGENT_TARGET}${agents}` : parsed.target;
    if (isAgent) agents += 1;
    const mount = { ...parsed, target };
    const { resolved, input } = await resolveMount(stage, mount, place);
    mounts.push(resolved);
    inputs.push(input);
  }
  if (instruction.security === 'insecure') {
    throw failure(place, 'security.insecure is not allowed', { code: 'forbidden' });
  }
  const plain = {
    mounts,
    scripts: new Map<string, string>(),
    network: networkOf(stage, instruction),
  };
  if (heredocs.length === 0 || command.form === 'exec') {
    return { ...plain, argv: argvOf(command, shell), inputs };
  }
  const [only] = heredocs;
  const isAlone = heredocs.length === 1 && /^\d*<<-?["']?[^\s"'<>|&;]+["']?$/.test(command.line);
  if (only !== undefined && isAlone) {
    if (!only.content.startsWith('#!')) {
      const argv = argvOf({ form: 'shell', line: only.content }, shell);
      return { ...plain, argv, inputs };
    }
    // The word may be any text; as a file it has a plain name.
    const name = /^[\w.-]*\w$/.test(only.name) ? only.name : 'script';
    const scripts = new Map([[name, only.content]]);
    const argv = [`${SCRIPT_DIRECTORY}/${name}`];
    return { ...plain, argv, scripts, inputs: [...inputs, only.content] };
  }
  // The shell reads them itself, as it would from a script.
  const documents = heredocs.map(({ name, content }) => `${content}${name}`);
  const line = [command.line, ...documents].join('\n');
  return { ...plain, argv: argvOf({ form: 'shell', line }, shell), inputs };
}

/** Its own --network, else the build's, else the one that containers have. */
function networkOf({ build }: StageBuilder, { network }: Run): string {
  const isSaid = (mode: string): boolean => mode !== '' && mode !== 'default';
  const { networkMode } = build.request;
  if (isSaid(network)) return network;
  return isSaid(networkMode) ? networkMode : build.deps.defaultNetwork;
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
  const source = mount.from === '' ? stage.build.context : await stage.source(mount.from, place);
  if (source instanceof Context) {
    const found = source.lookup(toBinary(mount.source));
    if (found === undefined) {
      const which = mount.from === '' ? '' : ` ${mount.from}`;
      throw failure(place, `${mount.source || '/'} is not in the build context${which}`);
    }
    const made = await materialize(stage.build, source, found, { ofItsOwn: !mount.readOnly });
    return {
      resolved: { mount: own, from: { kind: 'path', path: made.path } },
      input: [own, made.digest],
    };
  }
  stage.build.lend(source);
  return {
    resolved: { mount: own, from: { kind: 'image', ref: imageRef(source) } },
    input: [own, chainOfState(source)],
  };
}
