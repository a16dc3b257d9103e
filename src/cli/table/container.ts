// The verbs of containers. Each is a command of its own and a child of `container`.
import type { CommandSpec } from '../command.ts';
import { CREATE_FLAGS, RUN_FLAGS } from '../create/flags.ts';
import { UPDATE_FLAGS } from '../create/limit-flags.ts';
import { envKind } from '../create/kinds.ts';
import { bool, int, list, string } from '../flag-kind.ts';
import { type FlagSpec, flag } from '../flags.ts';
import { FILE_VERBS } from './files.ts';
import { PORT_VERBS } from './port.ts';
import {
  DETACH_KEYS,
  FILTER,
  FORCE_PRUNE,
  FORMAT,
  JSON_FLAG,
  LIST_FORMAT,
  NO_TRUNC,
  PRUNE_FILTER,
  SIG_PROXY,
} from './shared.ts';

const ONE = { rule: 'exact', count: 1 } as const;
const MANY = { rule: 'at-least', count: 1 } as const;
const CONTAINERS = 'CONTAINER [CONTAINER...]';

const STOP_FLAGS: readonly FlagSpec[] = [
  flag('signal', string, 'Signal to send to the container', { short: 's' }),
  flag('timeout', int, 'Seconds to wait before killing the container', {
    short: 't',
    alias: 'time',
  }),
];

const EXEC_FLAGS: readonly FlagSpec[] = [
  flag('detach', bool, 'Detached mode: run command in the background', { short: 'd' }),
  DETACH_KEYS,
  flag('env', envKind, 'Set environment variables', { short: 'e' }),
  flag('env-file', list, 'Read in a file of environment variables'),
  flag('interactive', bool, 'Keep STDIN open even if not attached', { short: 'i' }),
  flag('privileged', bool, 'Give extended privileges to the command'),
  flag('tty', bool, 'Allocate a pseudo-TTY', { short: 't' }),
  flag('user', string, 'Username or UID (format: "<name|uid>[:<group|gid>]")', { short: 'u' }),
  flag('workdir', string, 'Working directory inside the container', { short: 'w' }),
];

const TIME_EXAMPLES = '(e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)';

const LOGS_FLAGS: readonly FlagSpec[] = [
  flag('clear', bool, 'Empty the log instead of showing it, also while the container runs'),
  flag('details', bool, 'Show extra details provided to logs'),
  flag('follow', bool, 'Follow log output', { short: 'f' }),
  flag('since', string, `Show logs since timestamp ${TIME_EXAMPLES}`),
  flag('tail', string, 'Number of lines to show from the end of the logs (default "all")', {
    short: 'n',
  }),
  flag('timestamps', bool, 'Show timestamps', { short: 't' }),
  flag('until', string, `Show logs before a timestamp ${TIME_EXAMPLES}`),
];

const PS_FLAGS: readonly FlagSpec[] = [
  flag('all', bool, 'Show all containers (default shows just running)', { short: 'a' }),
  FILTER,
  LIST_FORMAT,
  flag('last', int, 'Show n last created containers (includes all states) (default -1)', {
    short: 'n',
  }),
  flag('latest', bool, 'Show the latest created container (includes all states)', { short: 'l' }),
  NO_TRUNC,
  flag('quiet', bool, 'Only display container IDs', { short: 'q' }),
  flag('size', bool, 'Display total file sizes', { short: 's' }),
];

const STATS_FLAGS: readonly FlagSpec[] = [
  flag('all', bool, 'Show all containers (default shows just running)', { short: 'a' }),
  LIST_FORMAT,
  flag('no-stream', bool, 'Disable streaming stats and only pull the first result'),
  { ...NO_TRUNC, usage: 'Do not truncate output' },
];

/** "80", "80/udp": what docker's `port` takes after the container. */
const PORT = /^\d+(\/\w+)?$/;

/** The verbs that exist with and without `container` before them. */
export const CONTAINER_VERBS: readonly CommandSpec[] = [
  {
    name: 'run',
    usage: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
    short: 'Create and run a new container from an image',
    args: MANY,
    flags: RUN_FLAGS,
    interspersed: false,
    group: 'common',
    completes: 'image',
    completesOne: true,
    load: () => import('../command/run.ts'),
  },
  {
    name: 'exec',
    usage: '[OPTIONS] CONTAINER COMMAND [ARG...]',
    short: 'Execute a command in a running container',
    args: { rule: 'at-least', count: 2 },
    flags: EXEC_FLAGS,
    interspersed: false,
    group: 'common',
    completes: 'running',
    completesOne: true,
    load: () => import('../command/exec.ts'),
  },
  {
    name: 'attach',
    usage: '[OPTIONS] CONTAINER',
    short: 'Attach local standard input, output, and error streams to a running container',
    args: ONE,
    flags: [DETACH_KEYS, flag('no-stdin', bool, 'Do not attach STDIN'), SIG_PROXY],
    completes: 'running',
    completesOne: true,
    load: () => import('../command/attach.ts'),
  },
  {
    name: 'create',
    usage: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
    short: 'Create a new container',
    args: MANY,
    flags: CREATE_FLAGS,
    interspersed: false,
    completes: 'image',
    completesOne: true,
    load: () => import('../command/create.ts'),
  },
  {
    name: 'kill',
    usage: `[OPTIONS] ${CONTAINERS}`,
    short: 'Kill one or more running containers',
    args: MANY,
    flags: STOP_FLAGS.slice(0, 1),
    completes: 'running',
    load: () => import('../command/kill.ts'),
  },
  {
    name: 'logs',
    usage: '[OPTIONS] CONTAINER',
    short: 'Fetch the logs of a container',
    args: ONE,
    flags: LOGS_FLAGS,
    completes: 'container',
    completesOne: true,
    load: () => import('../command/logs.ts'),
  },
  {
    name: 'pause',
    usage: CONTAINERS,
    short: 'Pause all processes within one or more containers',
    args: MANY,
    completes: 'running',
    load: () => import('../command/pause.ts'),
  },
  {
    name: 'port',
    usage: 'CONTAINER [PRIVATE_PORT[/PROTO]]',
    short: 'List port mappings or a specific mapping for the container',
    args: { rule: 'range', min: 1, max: 2 },
    flags: [flag('traffic', bool, 'Show connections, packets and bytes of each published port')],
    completes: 'running',
    completesOne: true,
    children: PORT_VERBS,
    isForChild: (rest) => rest.length > 1 || (rest[0] !== undefined && !PORT.test(rest[0])),
    load: () => import('../command/port.ts'),
  },
  {
    name: 'rename',
    usage: 'CONTAINER NEW_NAME',
    short: 'Rename a container',
    args: { rule: 'exact', count: 2 },
    completes: 'container',
    completesOne: true,
    load: () => import('../command/rename.ts'),
  },
  {
    name: 'restart',
    usage: `[OPTIONS] ${CONTAINERS}`,
    short: 'Restart one or more containers',
    args: MANY,
    flags: STOP_FLAGS,
    completes: 'container',
    load: () => import('../command/restart.ts'),
  },
  {
    name: 'rm',
    aliases: ['remove'],
    usage: `[OPTIONS] ${CONTAINERS}`,
    short: 'Remove one or more containers',
    args: MANY,
    flags: [
      flag('force', bool, 'Force the removal of a running container (uses SIGKILL)', {
        short: 'f',
      }),
      flag('link', bool, 'Remove the specified link', { short: 'l' }),
      flag('volumes', bool, 'Remove anonymous volumes associated with the container', {
        short: 'v',
      }),
    ],
    completes: 'stopped',
    load: () => import('../command/rm.ts'),
  },
  {
    name: 'start',
    usage: `[OPTIONS] ${CONTAINERS}`,
    short: 'Start one or more stopped containers',
    args: MANY,
    flags: [
      flag('attach', bool, 'Attach STDOUT/STDERR and forward signals', { short: 'a' }),
      DETACH_KEYS,
      flag('interactive', bool, "Attach container's STDIN", { short: 'i' }),
    ],
    completes: 'stopped',
    load: () => import('../command/start.ts'),
  },
  {
    name: 'stats',
    usage: '[OPTIONS] [CONTAINER...]',
    short: 'Display a live stream of container(s) resource usage statistics',
    args: { rule: 'at-least', count: 0 },
    flags: STATS_FLAGS,
    completes: 'running',
    load: () => import('../command/stats.ts'),
  },
  {
    name: 'stop',
    usage: `[OPTIONS] ${CONTAINERS}`,
    short: 'Stop one or more running containers',
    args: MANY,
    flags: STOP_FLAGS,
    completes: 'running',
    load: () => import('../command/stop.ts'),
  },
  {
    name: 'top',
    usage: 'CONTAINER [ps OPTIONS]',
    short: 'Display the running processes of a container',
    args: MANY,
    interspersed: false,
    completes: 'running',
    completesOne: true,
    load: () => import('../command/top.ts'),
  },
  {
    name: 'unpause',
    usage: CONTAINERS,
    short: 'Unpause all processes within one or more containers',
    args: MANY,
    completes: 'paused',
    load: () => import('../command/unpause.ts'),
  },
  {
    name: 'update',
    usage: `[OPTIONS] ${CONTAINERS}`,
    short: 'Update configuration of one or more containers',
    args: MANY,
    flags: UPDATE_FLAGS,
    completes: 'container',
    load: () => import('../command/update.ts'),
  },
  ...FILE_VERBS,
  {
    name: 'wait',
    usage: CONTAINERS,
    short: 'Block until one or more containers stop, then print their exit codes',
    args: MANY,
    completes: 'running',
    load: () => import('../command/wait.ts'),
  },
  {
    name: 'explain',
    usage: '[OPTIONS] CONTAINER',
    short: 'Show the kernel operations that made a container, in order, with their times',
    args: ONE,
    flags: [JSON_FLAG],
    completes: 'container',
    completesOne: true,
    load: () => import('../command/explain.ts'),
  },
];

const PS_PATHS = ['container ls', 'container list', 'container ps', 'ps'];

export const PS: CommandSpec = {
  name: 'ps',
  usage: '[OPTIONS]',
  short: 'List containers',
  args: { rule: 'none' },
  flags: PS_FLAGS,
  paths: PS_PATHS,
  group: 'common',
  load: () => import('../command/ps.ts'),
};

/** The verbs that exist only behind `container`. */
export const CONTAINER_ONLY: readonly CommandSpec[] = [
  { ...PS, name: 'ls', aliases: ['list', 'ps'] },
  {
    name: 'inspect',
    usage: `[OPTIONS] ${CONTAINERS}`,
    short: 'Display detailed information on one or more containers',
    args: MANY,
    flags: [FORMAT, flag('size', bool, 'Display total file sizes', { short: 's' })],
    completes: 'container',
    load: () => import('../command/container-inspect.ts'),
  },
  {
    name: 'prune',
    usage: '[OPTIONS]',
    short: 'Remove all stopped containers',
    args: { rule: 'none' },
    flags: [PRUNE_FILTER, FORCE_PRUNE],
    load: () => import('../command/container-prune.ts'),
  },
];
