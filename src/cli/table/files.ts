// The verbs on files of containers: copied, compared, exported, committed.
import type { CommandSpec } from '../command.ts';
import { bool } from '../flag-kind.ts';
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
];
