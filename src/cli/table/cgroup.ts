// The verbs of cgroups, all of them ours.
import type { CommandSpec } from '../command.ts';
import { string } from '../flag-kind.ts';
import { flag } from '../flags.ts';
import { JSON_FLAG } from './shared.ts';

const NONE = { rule: 'none' } as const;

export const CGROUP_VERBS: readonly CommandSpec[] = [
  {
    name: 'subsystems',
    usage: '[OPTIONS]',
    short: 'Show which cgroup subsystems this kernel has, and which options depend on them',
    args: NONE,
    flags: [JSON_FLAG],
    load: () => import('../command/cgroup-subsystems.ts'),
  },
  {
    name: 'tree',
    usage: '[OPTIONS]',
    short: 'Show the cgroups of containers in each hierarchy, with usage, limits and processes',
    args: NONE,
    flags: [flag('controller', string, 'Only hierarchies that have this controller'), JSON_FLAG],
    load: () => import('../command/cgroup-tree.ts'),
  },
];
