// __complete: cobra's protocol. The last argument is the word under the cursor; the answer is one
// candidate a line with a description after a tab, then a directive (:4 no files, :0 files).
import { EngineClient } from '#client/client.ts';
import type { ContainerSummary } from '#wire/container.ts';
import type { ImageSummary } from '#wire/image.ts';
import type { NetworkInspect } from '#wire/network.ts';
import type { VolumeList } from '#wire/volume.ts';
import type { SliceSummary } from '#wire/slice.ts';
import type { CommandSpec, Completion, Context } from '../command.ts';
import { ContextStore, DEFAULT_CONTEXT } from '../context/store.ts';
import type { FlagKind } from '../flag-kind.ts';
import type { FlagSpec } from '../flags.ts';
import { GLOBAL_FLAGS, ROOT } from '../table/root.ts';

/** The daemon must not make a shell wait. */
const DAEMON_MS_MAX = 1_000;

export async function run(context: Context): Promise<number> {
  const { args, configFolder } = context;
  // A client of its own: the tab key must never start a daemon.
  const client = (): EngineClient => new EngineClient(context.client.endpoint);
  const contexts = (): string[] => [
    DEFAULT_CONTEXT,
    ...new ContextStore(configFolder).list().map(({ name }) => name),
  ];
  const words = args.slice(0, -1);
  const typed = args.at(-1) ?? '';
  const { candidates, files } = await complete({ client, contexts }, words, typed);
  const lines = candidates.filter(([name]) => name.startsWith(typed));
  const text = lines.map(([name, about]) => `${name}${about === '' ? '' : `\t${about}`}\n`);
  process.stdout.write(`${text.join('')}:${files ? 0 : 4}\n`);
  return 0;
}

type Candidate = readonly [name: string, about: string];

interface Answer {
  readonly candidates: readonly Candidate[];
  readonly files: boolean;
}

/** Where names come from. */
interface Sources {
  readonly client: () => EngineClient;
  readonly contexts: () => string[];
}

async function complete(
  sources: Sources,
  words: readonly string[],
  typed: string,
): Promise<Answer> {
  const { spec, positionals, pending } = walk(words);
  const noun = pending?.name;
  if (noun === 'network' || noun === 'slice' || noun === 'context') {
    return { candidates: plain(await namesOf(sources, noun)), files: false };
  }
  if (pending !== undefined) {
    const files = /file|input|output|volume|mount|config/.test(pending.name);
    return { candidates: [], files };
  }
  if (typed.startsWith('-')) {
    const flags = spec === ROOT ? GLOBAL_FLAGS : (spec.flags ?? []);
    return { candidates: flagNames(flags, typed), files: false };
  }
  const below = positionals.length === 0 ? commandNames(spec) : [];
  if (spec.children !== undefined && spec.load === undefined) {
    return { candidates: below, files: false };
  }
  const completes = completionAt(spec, positionals.length);
  if (completes === undefined) return { candidates: [], files: true };
  if (completes === 'command') return { candidates: commandNames(ROOT), files: false };
  const names = await namesOf(sources, completes);
  const rest = names.filter((name) => !positionals.includes(name));
  return { candidates: [...below, ...plain(rest)], files: false };
}

function completionAt(spec: CommandSpec, position: number): Completion | undefined {
  if (spec.completesOne === true && position > 0) return undefined;
  const { completes } = spec;
  if (completes === undefined || typeof completes === 'string') return completes;
  return completes[position] ?? completes.at(-1);
}

function plain(names: readonly string[]): Candidate[] {
  return names.map((name) => [name, ''] as const);
}

function commandNames(spec: CommandSpec): Candidate[] {
  return (spec.children ?? [])
    .filter(({ group }) => group !== 'hidden')
    .map(({ name, short }) => [name, short] as const);
}

function flagNames(flags: readonly FlagSpec[], typed: string): Candidate[] {
  const shown = [...flags, { name: 'help', usage: 'Print usage', hidden: false }];
  return shown
    .filter(({ hidden }) => hidden !== true)
    .map(({ name, usage }) => [`--${name}`, usage.split('\n', 1)[0] ?? ''] as const)
    .filter(([name]) => name.startsWith(typed));
}

interface Walk {
  readonly spec: CommandSpec;
  readonly positionals: readonly string[];
  /** The flag whose value is under the cursor. */
  readonly pending: FlagSpec | undefined;
}

function walk(words: readonly string[]): Walk {
  let spec: CommandSpec = ROOT;
  const positionals: string[] = [];
  let pending: FlagSpec | undefined;
  for (const word of words) {
    if (pending !== undefined) {
      pending = undefined;
      continue;
    }
    if (word.startsWith('-') && word !== '-') {
      pending = flagThatWaits(spec === ROOT ? GLOBAL_FLAGS : (spec.flags ?? []), word);
      continue;
    }
    const child: CommandSpec | undefined = spec.children?.find(
      ({ name, aliases }) => name === word || aliases?.includes(word) === true,
    );
    if (child !== undefined && positionals.length === 0) spec = child;
    else positionals.push(word);
  }
  return { spec, positionals, pending };
}

function flagThatWaits(flags: readonly FlagSpec[], word: string): FlagSpec | undefined {
  if (word.includes('=')) return undefined;
  const flag = word.startsWith('--')
    ? flags.find(({ name }) => name === word.slice(2))
    : flags.find(({ short }) => short === word.at(-1));
  if (flag === undefined) return undefined;
  return (flag.kind as FlagKind).bare === undefined ? flag : undefined;
}

const STATES: Readonly<Record<string, readonly string[]>> = {
  running: ['running', 'paused'],
  paused: ['paused'],
  stopped: ['created', 'exited', 'dead'],
};

async function namesOf(sources: Sources, kind: Completion): Promise<string[]> {
  const signal = AbortSignal.timeout(DAEMON_MS_MAX);
  try {
    if (kind === 'context') return sources.contexts();
    const client = sources.client();
    if (kind === 'image') {
      const images = await client.json<ImageSummary[]>('GET', '/images/json', { signal });
      const names = images.flatMap((image) => image.RepoTags ?? []);
      return names.filter((name) => name !== '<none>:<none>');
    }
    if (kind === 'network') {
      const networks = await client.json<NetworkInspect[]>('GET', '/networks', { signal });
      return networks.map(({ Name: name }) => name);
    }
    if (kind === 'volume') {
      const { Volumes: volumes } = await client.json<VolumeList>('GET', '/volumes', { signal });
      return volumes.map(({ Name: name }) => name);
    }
    if (kind === 'slice') {
      const slices = await client.json<SliceSummary[]>('GET', '/coracle/slices', { signal });
      return slices.map(({ Path: path }) => path);
    }
    const options = { query: { all: true }, signal };
    const list = await client.json<ContainerSummary[]>('GET', '/containers/json', options);
    const states = STATES[kind];
    return list
      .filter(({ State: state }) => states === undefined || states.includes(state))
      .flatMap(({ Names: names }) => names.map((name) => name.replace(/^\//, '')));
  } catch {
    // No daemon, no names: completion says nothing rather than something wrong.
    return [];
  }
}
