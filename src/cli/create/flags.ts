// The flags of `run` and `create` as data, in groups; names, letters and texts are docker's.
// `singleDash` names are the book's spellings (-name, -net, -mem, -cpushare, -cpuset).
import { bool, bytes, duration, int, list, map, string } from '../flag-kind.ts';
import { type FlagSpec, flag } from '../flags.ts';
import {
  addHostKind,
  attachKind,
  deviceRuleKind,
  dnsKind,
  dnsSearchKind,
  envKind,
  labelKind,
  linkKind,
  sysctlKind,
} from './kinds.ts';
import { gpuKind } from './gpus.ts';
import { LIMITS, NET_RATE, OWN_LIMITS } from './limit-flags.ts';
import { mountKind } from './mount.ts';
import { networkKind } from './network.ts';

const CGROUPNS_USAGE = [
  'Cgroup namespace to use (host|private)',
  "'host':    Run the container in the host's cgroup namespace",
  "'private': Run the container in its own private cgroup namespace",
  "'':        Use the daemon's default (private)",
].join('\n');

const PROCESSES_AND_TERMINALS: readonly FlagSpec[] = [
  flag('attach', attachKind, 'Attach to STDIN, STDOUT or STDERR', { short: 'a' }),
  flag('entrypoint', string, 'Overwrite the default ENTRYPOINT of the image'),
  flag('env', envKind, 'Set environment variables', { short: 'e' }),
  flag('env-file', list, 'Read in a file of environment variables'),
  flag('init', bool, 'Run an init inside the container that forwards signals and reaps processes'),
  flag('interactive', bool, 'Keep STDIN open even if not attached', { short: 'i' }),
  flag('stop-signal', string, 'Signal to stop the container'),
  flag('stop-timeout', int, 'Timeout (in seconds) to stop a container'),
  flag('tty', bool, 'Allocate a pseudo-TTY', { short: 't' }),
  flag('user', string, 'Username or UID (format: <name|uid>[:<group|gid>])', { short: 'u' }),
  flag('workdir', string, 'Working directory inside the container', { short: 'w' }),
  flag('group-add', list, 'Add additional groups to join'),
];

const THE_CONTAINER_AS_AN_OBJECT: readonly FlagSpec[] = [
  flag('name', string, 'Assign a name to the container', { singleDash: ['name'] }),
  flag('cidfile', string, 'Write the container ID to the file'),
  flag('label', labelKind, 'Set meta data on a container', { short: 'l' }),
  flag('label-file', list, 'Read in a line delimited file of labels'),
  flag(
    'annotation',
    map,
    'Add an annotation to the container (passed through to the OCI runtime) ' + '(default map[])',
  ),
  flag(
    'rm',
    bool,
    'Automatically remove the container and its associated anonymous volumes ' + 'when it exits',
  ),
  flag('restart', string, 'Restart policy to apply when a container exits (default "no")'),
  flag('runtime', string, 'Runtime to use for this container'),
  flag(
    'pull',
    string,
    'Pull image before running ("always", "missing", "never") (default "missing")',
  ),
  flag('quiet', bool, 'Suppress the pull output', { short: 'q' }),
  flag('platform', string, 'Set platform if server is multi-platform capable'),
  flag('disable-content-trust', bool, 'Skip image verification (default true)'),
  flag('log-driver', string, 'Logging driver for the container'),
  flag('log-opt', list, 'Log driver options'),
  flag('storage-opt', list, 'Storage driver options for the container'),
  flag('isolation', string, 'Container isolation technology'),
];

const HEALTH: readonly FlagSpec[] = [
  flag('health-cmd', string, 'Command to run to check health'),
  flag('health-interval', duration, 'Time between running the check (ms|s|m|h) (default 0s)'),
  flag('health-retries', int, 'Consecutive failures needed to report unhealthy'),
  flag(
    'health-start-interval',
    duration,
    'Time between running the check during the start period (ms|s|m|h) (default 0s)',
  ),
  flag(
    'health-start-period',
    duration,
    'Start period for the container to initialize before starting ' +
      'health-retries countdown (ms|s|m|h) (default 0s)',
  ),
  flag(
    'health-timeout',
    duration,
    'Maximum time to allow one check to run (ms|s|m|h) (default 0s)',
  ),
  flag('no-healthcheck', bool, 'Disable any container-specified HEALTHCHECK'),
];

const FILES: readonly FlagSpec[] = [
  flag('mount', mountKind, 'Attach a filesystem mount to the container'),
  flag('read-only', bool, "Mount the container's root filesystem as read only"),
  flag('shm-size', bytes, 'Size of /dev/shm'),
  flag('tmpfs', list, 'Mount a tmpfs directory'),
  flag('volume', list, 'Bind mount a volume', { short: 'v' }),
  flag('volume-driver', string, 'Optional volume driver for the container'),
  flag('volumes-from', list, 'Mount volumes from the specified container(s)'),
];

const NAMESPACES_AND_NAMES: readonly FlagSpec[] = [
  flag('hostname', string, 'Container host name', { short: 'h' }),
  flag('domainname', string, 'Container NIS domain name'),
  flag('ipc', string, 'IPC mode to use'),
  flag('pid', string, 'PID namespace to use'),
  flag('uts', string, 'UTS namespace to use'),
  flag('userns', string, 'User namespace to use ("host", "auto", "map:OUTSIDE:COUNT")'),
  flag('timens', string, 'Time namespace to use ("host" or "private")'),
  flag('cgroupns', string, CGROUPNS_USAGE),
  flag('sysctl', sysctlKind, 'Sysctl options (default map[])'),
];

const PRIVILEGES_AND_DEVICES: readonly FlagSpec[] = [
  flag('privileged', bool, 'Give extended privileges to this container'),
  flag('cap-add', list, 'Add Linux capabilities'),
  flag('cap-drop', list, 'Drop Linux capabilities'),
  flag('security-opt', list, 'Security Options'),
  flag('device', list, 'Add a host device to the container'),
  flag('gpus', gpuKind, `GPU devices to add to the container ('all' to pass all GPUs)`),
  flag('device-cgroup-rule', deviceRuleKind, 'Add a rule to the cgroup allowed devices list'),
];

const NETWORK: readonly FlagSpec[] = [
  flag('network', networkKind, 'Connect a container to a network', {
    singleDash: ['net'],
    alias: 'net',
  }),
  flag('network-alias', list, 'Add network-scoped alias for the container', { alias: 'net-alias' }),
  flag('add-host', addHostKind, 'Add a custom host-to-IP mapping (host:ip)'),
  flag('dns', dnsKind, 'Set custom DNS servers'),
  flag('dns-option', list, 'Set DNS options', { alias: 'dns-opt' }),
  flag('dns-search', dnsSearchKind, 'Set custom DNS search domains'),
  flag('expose', list, 'Expose a port or a range of ports'),
  flag('publish', list, "Publish a container's port(s) to the host", { short: 'p' }),
  flag('publish-all', bool, 'Publish all exposed ports to random ports', { short: 'P' }),
  flag('link', linkKind, 'Add link to another container'),
  flag('link-local-ip', list, 'Container IPv4/IPv6 link-local addresses'),
  flag('ip', string, 'IPv4 address (e.g., 172.30.100.104)'),
  flag('ip6', string, 'IPv6 address (e.g., 2001:db8::33)'),
  flag('mac-address', string, 'Container MAC address (e.g., 92:d0:c6:0a:29:33)'),
];

/** What `run` and `create` share. */
export const CREATE_FLAGS: readonly FlagSpec[] = [
  ...PROCESSES_AND_TERMINALS,
  ...THE_CONTAINER_AS_AN_OBJECT,
  ...HEALTH,
  ...FILES,
  ...NAMESPACES_AND_NAMES,
  ...PRIVILEGES_AND_DEVICES,
  ...NETWORK,
  ...NET_RATE,
  ...LIMITS,
  ...OWN_LIMITS,
  flag('slice', string, 'Slice that the container is in (coracle slice create)'),
];

export const RUN_FLAGS: readonly FlagSpec[] = [
  ...CREATE_FLAGS,
  flag('detach', bool, 'Run container in background and print container ID', { short: 'd' }),
  flag('detach-keys', string, 'Override the key sequence for detaching a container'),
  flag('sig-proxy', bool, 'Proxy received signals to the process (default true)'),
  flag('dry-run', bool, 'Print the kernel operations that would make the container, and stop'),
  flag('json', bool, 'With --dry-run: print the plan as JSON'),
];
