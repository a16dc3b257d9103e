// The whole tree of `docker --help` against our own table of commands: what docker has and we have
// not stands in docs/compat.md with its reason, and nothing else does.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CommandSpec } from '#cli/command.ts';
import type { FlagKind } from '#cli/flag-kind.ts';
import { GLOBAL_FLAGS, ROOT as ROOT_COMMAND } from '#cli/table/root.ts';
import { ROOT } from '../../tools/source.ts';

const skip = spawnSync('docker', ['--version']).status !== 0 && 'needs the docker CLI';

/** What docs/compat.md says is missing: a verb, a verb's flag, or a flag of any verb. */
function absent(): readonly string[] {
  const page = readFileSync(join(ROOT, 'docs/compat.md'), 'utf8');
  const section = /^## Commands\n([\s\S]*?)^## /m.exec(page)?.[1] ?? '';
  const rows = [...section.matchAll(/^\| (`.*?`) \| (.+) \|$/gm)];
  return rows.flatMap(([, names = '']) => [...names.matchAll(/`([^`]+)`/g)].map((m) => m[1] ?? ''));
}

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
    const flag = /^ {2}(?:-(\w), | {4})--([\w-]+)(?: ([a-zA-Z<>-]+))?(?: {2}|$)/.exec(line);
    if (section.endsWith('Options') && flag !== null) {
      flags.set(flag[2] ?? '', `${flag[1] ?? ''} ${flag[3] ?? ''}`);
    }
  }
  return { commands, flags };
}

function flagsOf(spec: CommandSpec): ReadonlyMap<string, string> {
  const shown = (spec === ROOT_COMMAND ? GLOBAL_FLAGS : (spec.flags ?? [])).filter(
    ({ hidden }) => !hidden,
  );
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

test('every verb and flag of docker is ours, or docs/compat.md says why not', { skip }, () => {
  const listed = absent();
  const used = new Set<string>();
  const missing = differences([], ROOT_COMMAND).filter((full) => {
    const key = [full, full.split(' ').at(-1) ?? ''].find((each) => listed.includes(each));
    if (key !== undefined) used.add(key);
    return key === undefined;
  });
  assert.deepEqual(missing, []);
  assert.deepEqual(
    listed.filter((key) => !used.has(key)),
    [],
    'the page says that these are missing, and they are not',
  );
});
