// Our verbs of published ports, below docker's `port`.
import type { CommandSpec } from '../command.ts';
import { bool } from '../flag-kind.ts';
import { flag } from '../flags.ts';

const PORTS = 'CONTAINER [IP:][HOST_PORT:]PORT[/PROTO]...';

/** Docker cannot change the ports of a container; `port` alone is docker's. */
export const PORT_VERBS: readonly CommandSpec[] = [
  {
    name: 'add',
    usage: `[OPTIONS] ${PORTS}`,
    short: 'Publish ports of a container, also while it runs',
    args: { rule: 'at-least', count: 2 },
    flags: [
      flag('move', bool, 'Withdraw the ports from where they are published now, in the same step'),
    ],
    completes: 'container',
    completesOne: true,
    load: () => import('../command/port-add.ts'),
  },
  {
    name: 'rm',
    aliases: ['remove'],
    usage: PORTS,
    short: 'Withdraw published ports of a container, also while it runs',
    args: { rule: 'at-least', count: 2 },
    completes: 'container',
    completesOne: true,
    load: () => import('../command/port-rm.ts'),
  },
];
