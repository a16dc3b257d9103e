// The whole tree of `docker --help` against our own table of commands: every verb and every flag
// that docker has and we have not stands here with its reason, and nothing else does.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import type { CommandSpec } from '#cli/command.ts';
import type { FlagKind } from '#cli/flag-kind.ts';
import { GLOBAL_FLAGS, ROOT } from '#cli/table/root.ts';

const skip = spawnSync('docker', ['--version']).status !== 0 && 'needs the docker CLI';

const SWARM = 'of swarm';
const WINDOWS = 'of Windows';
const CLUSTER = 'of cluster volumes, which only a swarm has';

/** A verb, or a verb with a flag, and why it is not ours. */
const ABSENT: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['build', 'builder build', 'image build'].flatMap((verb) => [
      [`${verb} --compress`, 'the context goes over a socket of this host'],
      [`${verb} --isolation`, WINDOWS],
      [`${verb} --security-opt`, 'the classic builder of docker refuses it'],
    ]),
  ),
  checkpoint: 'experimental in docker',
  'context export': 'the files below ~/.docker/contexts are copied as they are',
  'context import': 'the files below ~/.docker/contexts are copied as they are',
  manifest: 'experimental in docker; asks registries without an engine',
  plugin: 'there are no plugins',
  trust: 'images are not signed',
  config: SWARM,
  node: SWARM,
  secret: SWARM,
  service: SWARM,
  stack: SWARM,
  swarm: SWARM,
  '--cpu-count': WINDOWS,
  '--cpu-percent': WINDOWS,
  '--io-maxbandwidth': WINDOWS,
  '--io-maxiops': WINDOWS,
  '--use-api-socket': 'experimental in docker',
  '--help': 'understood, and not listed',
  '--checkpoint': 'experimental in docker',
  '--checkpoint-dir': 'experimental in docker',
  '--disable-content-trust': 'accepted and not shown: images are not signed',
  '--tree': 'experimental in docker',
  'volume update': CLUSTER,
  ...Object.fromEntries(
    [
      ...['availability', 'group', 'limit-bytes', 'required-bytes', 'scope', 'secret', 'sharing'],
      ...['topology-preferred', 'topology-required', 'type'],
    ].map((flag) => [`volume create --${flag}`, CLUSTER]),
  ),
  'volume ls --cluster': CLUSTER,
};

type Help = {
  readonly commands: readonly string[];
  /** By name: the letter and the word of the value. */
  readonly flags: ReadonlyMap<string, string>;
};

function helpOf(path: readonly string[]): Help {
  const { stdout, stderr } = spawnSync('docker', [...path, '--help'], { encoding: 'utf8' });
  const commands: string[] = [];
  const flags = new Map<string, string>();
  let section = '';
  for (const line of (stdout || stderr).split('\n')) {
    section = /^([A-Z][\w ]*):\s*$/.exec(line)?.[1] ?? section;
    const command = /^ {2}([\w-]+)\*? +\S/.exec(line)?.[1];
    if (section.endsWith('Commands') && command !== undefined) commands.push(command);
    const flag = /^ {2}(?:-(\w), | {4})--([\w-]+)(?: ([a-zA-Z<>]+))?(?: {2}|$)/.exec(line);
    if (section.endsWith('Options') && flag !== null) {
      flags.set(flag[2] ?? '', `${flag[1] ?? ''} ${flag[3] ?? ''}`);
    }
  }
  return { commands, flags };
}

function flagsOf(spec: CommandSpec): ReadonlyMap<string, string> {
  const shown = (spec === ROOT ? GLOBAL_FLAGS : (spec.flags ?? [])).filter(({ hidden }) => !hidden);
  return new Map(
    shown.map(({ kind, name, short }) => [name, `${short ?? ''} ${(kind as FlagKind).word}`]),
  );
}

/** What docker has at `path` and below, and we have not, or have otherwise. */
function differences(path: readonly string[], spec: CommandSpec): string[] {
  const { commands, flags } = helpOf(path);
  const ours = flagsOf(spec);
  const found: string[] = [];
  for (const [name, shape] of flags) {
    const full = [...path, `--${name}`].join(' ');
    if (!ours.has(name)) found.push(full);
    else if (ours.get(name) !== shape) found.push(`${full}: ${shape} is ours ${ours.get(name)}`);
  }
  for (const name of commands) {
    const child = spec.children?.find(
      (each) => each.name === name || each.aliases?.includes(name) === true,
    );
    if (child === undefined) found.push([...path, name].join(' '));
    else found.push(...differences([...path, name], child));
  }
  return found;
}

test('every verb and flag of docker is ours, or stands here with a reason', { skip }, () => {
  const used = new Set<string>();
  const missing = differences([], ROOT).filter((full) => {
    const key = [full, full.split(' ').at(-1) ?? ''].find((each) => Object.hasOwn(ABSENT, each));
    if (key !== undefined) used.add(key);
    return key === undefined;
  });
  assert.deepEqual(missing, []);
  assert.deepEqual(
    Object.keys(ABSENT).filter((key) => !used.has(key)),
    [],
    'reasons for what is there by now',
  );
});
