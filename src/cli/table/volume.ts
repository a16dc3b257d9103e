// The verbs of volumes: all of them only behind `volume`.
import type { CommandSpec } from '../command.ts';
import { labelKind } from '../create/kinds.ts';
import { bool, bytes, filter, map, string } from '../flag-kind.ts';
import { flag } from '../flags.ts';
import { FORCE_PRUNE, FORMAT, JSON_FLAG, LIST_FORMAT } from './shared.ts';

const MANY = { rule: 'at-least', count: 1 } as const;
const TWO = { rule: 'exact', count: 2 } as const;

/** What Docker has. */
const PLAIN: readonly CommandSpec[] = [
  {
    name: 'create',
    usage: '[OPTIONS] [VOLUME]',
    short: 'Create a volume',
    args: { rule: 'range', min: 0, max: 1 },
    flags: [
      flag('driver', string, 'Specify volume driver name (default "local")', { short: 'd' }),
      flag('label', labelKind, 'Set metadata for a volume'),
      flag('name', string, 'Specify volume name', { hidden: true }),
      flag('opt', map, 'Set driver specific options (default map[])', { short: 'o' }),
      flag('size', bytes, 'The most that it may hold, on any file system ("1g")'),
    ],
    load: () => import('../command/volume-create.ts'),
  },
  {
    name: 'inspect',
    usage: '[OPTIONS] VOLUME [VOLUME...]',
    short: 'Display detailed information on one or more volumes',
    args: MANY,
    flags: [FORMAT],
    completes: 'volume',
    load: () => import('../command/volume-inspect.ts'),
  },
  {
    name: 'ls',
    aliases: ['list'],
    usage: '[OPTIONS]',
    short: 'List volumes',
    args: { rule: 'none' },
    flags: [
      flag('filter', filter, 'Provide filter values (e.g. "dangling=true")', { short: 'f' }),
      LIST_FORMAT,
      flag('quiet', bool, 'Only display volume names', { short: 'q' }),
    ],
    paths: ['volume ls', 'volume list'],
    load: () => import('../command/volume-ls.ts'),
  },
  {
    name: 'prune',
    usage: '[OPTIONS]',
    short: 'Remove unused local volumes',
    args: { rule: 'none' },
    flags: [
      flag('all', bool, 'Remove all unused volumes, not just anonymous ones', { short: 'a' }),
      flag('filter', filter, 'Provide filter values (e.g. "label=<label>")'),
      FORCE_PRUNE,
    ],
    load: () => import('../command/volume-prune.ts'),
  },
  {
    name: 'rm',
    aliases: ['remove'],
    usage: '[OPTIONS] VOLUME [VOLUME...]',
    short: 'Remove one or more volumes',
    args: MANY,
    flags: [flag('force', bool, 'Force the removal of one or more volumes', { short: 'f' })],
    paths: ['volume rm', 'volume remove'],
    completes: 'volume',
    load: () => import('../command/volume-rm.ts'),
  },
];

/** What Docker lacks. */
const OURS: readonly CommandSpec[] = [
  {
    name: 'clone',
    usage: 'VOLUME NEW',
    short: 'Create a volume with the content, labels and size of another one',
    args: TWO,
    completes: 'volume',
    completesOne: true,
    load: () => import('../command/volume-clone.ts'),
  },
  {
    name: 'rename',
    usage: 'VOLUME NEW',
    short: 'Give another name to a volume that no container has',
    args: TWO,
    completes: 'volume',
    completesOne: true,
    load: () => import('../command/volume-rename.ts'),
  },
  {
    name: 'resize',
    usage: 'VOLUME SIZE',
    short: 'Raise the size of a volume, also while it is used',
    args: TWO,
    completes: 'volume',
    completesOne: true,
    load: () => import('../command/volume-resize.ts'),
  },
  {
    name: 'rollback',
    usage: 'VOLUME [SNAPSHOT]',
    short: 'Put the content of a snapshot, or of the newest, in the place of what a volume holds',
    args: { rule: 'range', min: 1, max: 2 },
    completes: 'volume',
    completesOne: true,
    load: () => import('../command/volume-rollback.ts'),
  },
  {
    name: 'snapshot',
    usage: '[OPTIONS] VOLUME [SNAPSHOT]',
    short: 'Keep what a volume holds now under a name, or called after the moment',
    args: { rule: 'range', min: 1, max: 2 },
    flags: [flag('rm', bool, 'Remove the snapshot instead')],
    completes: 'volume',
    completesOne: true,
    load: () => import('../command/volume-snapshot.ts'),
  },
  {
    name: 'snapshots',
    usage: '[OPTIONS] VOLUME',
    short: 'List the snapshots of a volume, the newest last',
    args: { rule: 'exact', count: 1 },
    flags: [JSON_FLAG, LIST_FORMAT, flag('quiet', bool, 'Only display names', { short: 'q' })],
    completes: 'volume',
    completesOne: true,
    load: () => import('../command/volume-snapshots.ts'),
  },
];

export const VOLUME_VERBS: readonly CommandSpec[] = [...PLAIN, ...OURS].sort((a, b) =>
  a.name < b.name ? -1 : 1,
);
