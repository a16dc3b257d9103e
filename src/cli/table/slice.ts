// The verbs of slices: all of them only behind `slice`. Their limits are those of run.
import type { CommandSpec } from '../command.ts';
import { LIMITS, OWN_LIMITS, UPDATE_FLAGS } from '../create/limit-flags.ts';
import { bool } from '../flag-kind.ts';
import { type FlagSpec, flag } from '../flags.ts';
import { FORMAT, JSON_FLAG, LIST_FORMAT } from './shared.ts';

const ONE = { rule: 'exact', count: 1 } as const;
const MANY = { rule: 'at-least', count: 1 } as const;

/** Of a container or its processes, not of a group of them. */
const NOT_OF_SLICES = new Set([
  'cgroup-parent',
  'device-cgroup-rule',
  'kernel-memory',
  'memory-reclaim',
  'storage-size',
  'net-burst',
  'net-rate',
  'oom-score-adj',
  'restart',
  'ulimit',
]);

function ofSlices(flags: readonly FlagSpec[]): FlagSpec[] {
  return flags.filter(({ name }) => !NOT_OF_SLICES.has(name));
}

export const SLICE_VERBS: readonly CommandSpec[] = [
  {
    name: 'create',
    usage: '[OPTIONS] SLICE',
    short: 'Create a slice, and those above it that are missing, without limits',
    args: ONE,
    flags: ofSlices([...LIMITS, ...OWN_LIMITS]),
    completes: 'slice',
    load: () => import('../command/slice-create.ts'),
  },
  {
    name: 'inspect',
    usage: '[OPTIONS] SLICE [SLICE...]',
    short: 'Display limits, usage, and what really binds one or more slices',
    args: MANY,
    flags: [FORMAT, JSON_FLAG],
    completes: 'slice',
    load: () => import('../command/slice-inspect.ts'),
  },
  {
    name: 'ls',
    aliases: ['list'],
    usage: '[OPTIONS]',
    short: 'List slices as a tree, with their usage',
    args: { rule: 'none' },
    flags: [LIST_FORMAT, JSON_FLAG, flag('quiet', bool, 'Only display paths', { short: 'q' })],
    paths: ['slice ls', 'slice list'],
    load: () => import('../command/slice-ls.ts'),
  },
  {
    name: 'rm',
    aliases: ['remove'],
    usage: 'SLICE [SLICE...]',
    short: 'Remove one or more slices that nothing is in',
    args: MANY,
    paths: ['slice rm', 'slice remove'],
    completes: 'slice',
    load: () => import('../command/slice-rm.ts'),
  },
  {
    name: 'update',
    usage: '[OPTIONS] SLICE [SLICE...]',
    short: 'Change limits of slices, and with them of the containers inside, at once',
    args: MANY,
    flags: ofSlices(UPDATE_FLAGS),
    completes: 'slice',
    load: () => import('../command/slice-update.ts'),
  },
];
