// Ours: snapshots of what a container has written.
import type { CommandSpec } from '../command.ts';
import { bool } from '../flag-kind.ts';
import { flag } from '../flags.ts';
import { JSON_FLAG, LIST_FORMAT } from './shared.ts';

export const ROLLBACK: CommandSpec = {
  name: 'rollback',
  usage: 'CONTAINER [SNAPSHOT]',
  short: 'Give a stopped container the content of a snapshot (default: the newest)',
  args: { rule: 'range', min: 1, max: 2 },
  completes: 'container',
  completesOne: true,
  load: () => import('../command/rollback.ts'),
};

const VERBS: readonly CommandSpec[] = [
  {
    name: 'create',
    usage: 'CONTAINER [NAME]',
    short: 'Keep what a container has written, as it is now (default name: the moment)',
    args: { rule: 'range', min: 1, max: 2 },
    completes: 'container',
    completesOne: true,
    load: () => import('../command/snapshot-create.ts'),
  },
  {
    name: 'ls',
    aliases: ['list'],
    usage: '[OPTIONS] CONTAINER',
    short: 'List the snapshots of a container, the newest last',
    args: { rule: 'exact', count: 1 },
    flags: [LIST_FORMAT, JSON_FLAG, flag('quiet', bool, 'Only display names', { short: 'q' })],
    paths: ['snapshot ls', 'snapshot list'],
    completes: 'container',
    completesOne: true,
    load: () => import('../command/snapshot-ls.ts'),
  },
  {
    name: 'inspect',
    usage: 'CONTAINER SNAPSHOT',
    short: 'Show when a snapshot was made, and what it holds and shares',
    args: { rule: 'exact', count: 2 },
    completes: 'container',
    completesOne: true,
    load: () => import('../command/snapshot-inspect.ts'),
  },
  {
    name: 'rm',
    aliases: ['remove'],
    usage: 'CONTAINER SNAPSHOT [SNAPSHOT...]',
    short: 'Remove snapshots of a container',
    args: { rule: 'at-least', count: 2 },
    paths: ['snapshot rm', 'snapshot remove'],
    completes: 'container',
    completesOne: true,
    load: () => import('../command/snapshot-rm.ts'),
  },
];

export const SNAPSHOT: CommandSpec = {
  name: 'snapshot',
  usage: 'COMMAND',
  short: "Manage snapshots of containers' writable layers",
  args: { rule: 'none' },
  group: 'management',
  children: VERBS,
};
