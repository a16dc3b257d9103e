// The verbs on files of containers: copied, compared, exported, committed.
import type { CommandSpec } from '../command.ts';
import { bool, list, string } from '../flag-kind.ts';
import { flag } from '../flags.ts';

export const FILE_VERBS: readonly CommandSpec[] = [
  {
    name: 'cp',
    usage: '[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-',
    short: 'Copy files/folders between a container and the local filesystem',
    args: { rule: 'exact', count: 2 },
    flags: [
      flag('archive', bool, 'Archive mode (copy all uid/gid information)', { short: 'a' }),
      flag('follow-link', bool, 'Always follow symbol link in SRC_PATH', { short: 'L' }),
      flag('quiet', bool, 'Suppress progress output during copy', { short: 'q' }),
    ],
    completes: 'container',
    load: () => import('../command/cp.ts'),
  },
  {
    name: 'diff',
    usage: 'CONTAINER',
    short: "Inspect changes to files or directories on a container's filesystem",
    args: { rule: 'exact', count: 1 },
    completes: 'container',
    load: () => import('../command/diff.ts'),
  },
  {
    name: 'export',
    usage: '[OPTIONS] CONTAINER',
    short: "Export a container's filesystem as a tar archive",
    args: { rule: 'exact', count: 1 },
    flags: [flag('output', string, 'Write to a file, instead of STDOUT', { short: 'o' })],
    completes: 'container',
    load: () => import('../command/export.ts'),
  },
  {
    name: 'commit',
    usage: '[OPTIONS] CONTAINER [REPOSITORY[:TAG]]',
    short: "Create a new image from a container's changes",
    args: { rule: 'range', min: 1, max: 2 },
    flags: [
      flag('author', string, 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")', {
        short: 'a',
      }),
      flag('change', list, 'Apply Dockerfile instruction to the created image', { short: 'c' }),
      flag('message', string, 'Commit message', { short: 'm' }),
      flag('pause', bool, 'Pause container during commit (default true)', { short: 'p' }),
    ],
    completes: 'container',
    load: () => import('../command/commit.ts'),
  },
];
