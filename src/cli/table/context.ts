// The verbs of contexts: engines by name.
import type { CommandSpec } from '../command.ts';
import { bool, map, string } from '../flag-kind.ts';
import { type FlagSpec, flag } from '../flags.ts';
import { FORMAT, LIST_FORMAT } from './shared.ts';

const ONE = { rule: 'exact', count: 1 } as const;

const SHAPE: readonly FlagSpec[] = [
  flag('description', string, 'Description of the context'),
  flag(
    'docker',
    { ...map, word: 'stringToString' },
    [
      'Set the docker endpoint: "host=tcp://HOST:PORT,ca=FILE,cert=FILE,',
      'key=FILE,skip-tls-verify=true", or "from=CONTEXT" (default [])',
    ].join('\n'),
  ),
];

export const CONTEXT_VERBS: readonly CommandSpec[] = [
  {
    name: 'create',
    usage: '[OPTIONS] CONTEXT',
    short: 'Create a context',
    args: ONE,
    flags: [...SHAPE, flag('from', string, 'Create context from a named context')],
    load: () => import('../command/context-create.ts'),
  },
  {
    name: 'export',
    usage: '[OPTIONS] CONTEXT [FILE|-]',
    short: 'Export a context to a tar archive FILE or a tar stream on STDOUT.',
    args: { rule: 'range', min: 1, max: 2 },
    completes: 'context',
    completesOne: true,
    load: () => import('../command/context-export.ts'),
  },
  {
    name: 'import',
    usage: 'CONTEXT FILE|-',
    short: 'Import a context from a tar file',
    args: { rule: 'exact', count: 2 },
    load: () => import('../command/context-import.ts'),
  },
  {
    name: 'inspect',
    usage: '[OPTIONS] [CONTEXT] [CONTEXT...]',
    short: 'Display detailed information on one or more contexts',
    args: { rule: 'at-least', count: 0 },
    flags: [FORMAT],
    completes: 'context',
    load: () => import('../command/context-inspect.ts'),
  },
  {
    name: 'ls',
    aliases: ['list'],
    usage: '[OPTIONS]',
    short: 'List contexts',
    args: { rule: 'none' },
    flags: [LIST_FORMAT, flag('quiet', bool, 'Only show context names', { short: 'q' })],
    paths: ['context ls', 'context list'],
    load: () => import('../command/context-ls.ts'),
  },
  {
    name: 'rm',
    aliases: ['remove'],
    usage: 'CONTEXT [CONTEXT...]',
    short: 'Remove one or more contexts',
    args: { rule: 'at-least', count: 1 },
    flags: [flag('force', bool, 'Force the removal of a context in use', { short: 'f' })],
    paths: ['context rm', 'context remove'],
    completes: 'context',
    load: () => import('../command/context-rm.ts'),
  },
  {
    name: 'show',
    usage: '',
    short: 'Print the name of the current context',
    args: { rule: 'none' },
    load: () => import('../command/context-show.ts'),
  },
  {
    name: 'update',
    usage: '[OPTIONS] CONTEXT',
    short: 'Update a context',
    args: ONE,
    flags: SHAPE,
    completes: 'context',
    completesOne: true,
    load: () => import('../command/context-update.ts'),
  },
  {
    name: 'use',
    usage: 'CONTEXT',
    short: 'Set the current context',
    args: ONE,
    completes: 'context',
    completesOne: true,
    load: () => import('../command/context-use.ts'),
  },
];
