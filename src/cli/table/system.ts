// The commands about the engine itself.
import type { CommandSpec } from '../command.ts';
import { bool, string } from '../flag-kind.ts';
import { flag } from '../flags.ts';
import { DAEMON_FLAGS } from './daemon.ts';
import { FILTER, FORCE_PRUNE, FORMAT, LINE_FORMAT, LIST_FORMAT, PRUNE_FILTER } from './shared.ts';

const NONE = { rule: 'none' } as const;

/** The verbs that exist with and without `system` before them. */
export const SYSTEM_VERBS: readonly CommandSpec[] = [
  {
    name: 'events',
    usage: '[OPTIONS]',
    short: 'Get real time events from the server',
    args: NONE,
    flags: [
      FILTER,
      LINE_FORMAT,
      flag('since', string, 'Show all events created since timestamp'),
      flag('until', string, 'Stream events until this timestamp'),
    ],
    load: () => import('../command/events.ts'),
  },
  {
    name: 'info',
    usage: '[OPTIONS]',
    short: 'Display system-wide information',
    args: NONE,
    flags: [FORMAT],
    group: 'common',
    load: () => import('../command/info.ts'),
  },
];

export const SYSTEM_ONLY: readonly CommandSpec[] = [
  {
    name: 'df',
    usage: '[OPTIONS]',
    short: 'Show disk usage',
    args: NONE,
    flags: [
      LIST_FORMAT,
      flag('verbose', bool, 'Show detailed information on space usage', { short: 'v' }),
    ],
    load: () => import('../command/system-df.ts'),
  },
  {
    name: 'prune',
    usage: '[OPTIONS]',
    short: 'Remove unused data',
    args: NONE,
    flags: [
      flag('all', bool, 'Remove all unused images not just dangling ones', { short: 'a' }),
      PRUNE_FILTER,
      FORCE_PRUNE,
      flag('volumes', bool, 'Prune anonymous volumes'),
    ],
    load: () => import('../command/system-prune.ts'),
  },
];

export const TOP_LEVEL: readonly CommandSpec[] = [
  {
    name: 'version',
    usage: '[OPTIONS]',
    short: 'Show the version of client and server',
    args: NONE,
    flags: [FORMAT],
    group: 'common',
    load: () => import('../command/version.ts'),
  },
  {
    name: 'inspect',
    usage: '[OPTIONS] NAME|ID [NAME|ID...]',
    short: 'Return low-level information on containers, images, networks and volumes',
    args: { rule: 'at-least', count: 1 },
    flags: [
      FORMAT,
      flag('size', bool, 'Display total file sizes if the type is container', { short: 's' }),
      flag('type', string, 'Only inspect objects of the given type'),
    ],
    completes: 'container',
    load: () => import('../command/inspect.ts'),
  },
  {
    name: 'daemon',
    usage: '[OPTIONS]',
    short: 'Run the engine in the foreground',
    args: NONE,
    flags: DAEMON_FLAGS,
  },
  {
    name: 'completion',
    usage: 'bash|zsh|fish',
    short: 'Print the completion script for a shell',
    args: { rule: 'exact', count: 1 },
    load: () => import('../command/completion.ts'),
  },
  {
    name: 'help',
    usage: '[COMMAND]',
    short: 'Help about any command',
    args: { rule: 'at-least', count: 0 },
    completes: 'command',
    group: 'hidden',
    load: () => import('../command/help.ts'),
  },
  {
    name: '__man',
    usage: 'FOLDER',
    short: 'Write the manual pages into a folder',
    args: { rule: 'exact', count: 1 },
    group: 'hidden',
    load: () => import('../command/man.ts'),
  },
  {
    name: '__complete',
    usage: 'WORD...',
    short: 'Answer the shell completion scripts',
    args: { rule: 'at-least', count: 0 },
    interspersed: false,
    group: 'hidden',
    load: () => import('../command/complete.ts'),
  },
];
