// The verbs of building.
import type { CommandSpec } from '../command.ts';
import { addHostKind, envKind, labelKind, tagKind, ulimitKind } from '../create/kinds.ts';
import { bool, bytes, int, list, string, strings, swapBytes } from '../flag-kind.ts';
import { type FlagSpec, flag } from '../flags.ts';
import { FORCE_PRUNE, PRUNE_FILTER } from './shared.ts';

const FLAGS: readonly FlagSpec[] = [
  flag('add-host', addHostKind, 'Add a custom host-to-IP mapping ("host:ip")'),
  flag('build-arg', envKind, 'Set build-time variables'),
  flag('build-context', list, 'Additional build contexts ("name=path|URL|docker-image://ref")'),
  flag('cache-from', strings, 'Images to consider as cache sources'),
  flag('cgroup-parent', string, 'Set the parent cgroup for the "RUN" instructions during build'),
  flag('check', bool, 'Only check the Dockerfile, and exit with 1 when something is wrong'),
  flag('cpu-period', int, 'Limit the CPU CFS (Completely Fair Scheduler) period'),
  flag('cpu-quota', int, 'Limit the CPU CFS (Completely Fair Scheduler) quota'),
  flag('cpu-shares', int, 'CPU shares (relative weight)', { short: 'c' }),
  flag('cpuset-cpus', string, 'CPUs in which to allow execution (0-3, 0,1)'),
  flag('cpuset-mems', string, 'MEMs in which to allow execution (0-3, 0,1)'),
  flag('explain', bool, 'Say of each step why it was not taken from the cache'),
  flag('file', string, 'Name of the Dockerfile (default "PATH/Dockerfile")', { short: 'f' }),
  flag('force-rm', bool, 'Always remove intermediate containers'),
  flag('iidfile', string, 'Write the image ID to a file'),
  flag('label', labelKind, 'Set metadata for an image'),
  flag('memory', bytes, 'Memory limit', { short: 'm' }),
  flag(
    'memory-swap',
    swapBytes,
    'Swap limit equal to memory plus swap: -1 to enable unlimited swap',
  ),
  flag('metadata-file', string, 'Write build result metadata to a file'),
  flag('network', string, 'Set the networking mode for the "RUN" instructions (default "default")'),
  flag('no-cache', bool, 'Do not use cache when building the image'),
  flag('output', list, 'Output destination ("type=tar|local|oci,dest=path")', { short: 'o' }),
  flag('platform', string, 'Set platform if server is multi-platform capable'),
  flag('progress', string, 'Set type of progress output ("auto", "plain", "tty", "rawjson")'),
  flag('pull', bool, 'Always attempt to pull a newer version of the image'),
  flag('quiet', bool, 'Suppress the build output and print image ID on success', { short: 'q' }),
  flag('rm', bool, 'Remove intermediate containers after a successful build (default true)'),
  flag('secret', list, 'Secret to expose to the build ("id=mysecret[,src=/local/secret]")'),
  flag('shm-size', bytes, 'Size of "/dev/shm"'),
  flag('ssh', list, 'SSH agent or keys to expose to the build ("default|id[=socket|key[,key]]")'),
  flag('squash', bool, 'Squash newly built layers into a single new layer'),
  flag('tag', tagKind, 'Name and optionally a tag ("name:tag")', { short: 't' }),
  flag('target', string, 'Set the target build stage to build'),
  flag('ulimit', ulimitKind, 'Ulimit options (default [])'),
];

export const BUILD: CommandSpec = {
  name: 'build',
  usage: '[OPTIONS] PATH | URL | -',
  short: 'Build an image from a Dockerfile',
  args: { rule: 'range', min: 0, max: 1 },
  flags: FLAGS,
  paths: ['image build', 'builder build', 'build'],
  group: 'common',
  load: () => import('../command/build.ts'),
};

export const BUILDER_VERBS: readonly CommandSpec[] = [
  BUILD,
  {
    name: 'prune',
    usage: '[OPTIONS]',
    short: 'Remove build cache',
    args: { rule: 'none' },
    flags: [
      flag('all', bool, 'Remove all unused build cache, not just dangling ones', { short: 'a' }),
      PRUNE_FILTER,
      FORCE_PRUNE,
      flag('keep-storage', bytes, 'Amount of disk space to keep for cache'),
    ],
    load: () => import('../command/builder-prune.ts'),
  },
];
