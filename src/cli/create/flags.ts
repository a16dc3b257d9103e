// The flags of `run` and `create` as data, in groups; names, letters and texts are docker's.
// `singleDash` names are the book's spellings (-name, -net, -mem, -cpushare, -cpuset).
import { bool, bytes, duration, int, list, map, string } from '../flag-kind.ts';
import type { FlagSpec } from '../flags.ts';
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
  { name: 'attach', short: 'a', kind: attachKind, usage: 'Attach to STDIN, STDOUT or STDERR' },
  { name: 'entrypoint', kind: string, usage: 'Overwrite the default ENTRYPOINT of the image' },
  { name: 'env', short: 'e', kind: envKind, usage: 'Set environment variables' },
  { name: 'env-file', kind: list, usage: 'Read in a file of environment variables' },
  {
    name: 'init',
    kind: bool,
    usage: 'Run an init inside the container that forwards signals and reaps processes',
  },
  { name: 'interactive', short: 'i', kind: bool, usage: 'Keep STDIN open even if not attached' },
  { name: 'stop-signal', kind: string, usage: 'Signal to stop the container' },
  { name: 'stop-timeout', kind: int, usage: 'Timeout (in seconds) to stop a container' },
  { name: 'tty', short: 't', kind: bool, usage: 'Allocate a pseudo-TTY' },
  {
    name: 'user',
    short: 'u',
    kind: string,
    usage: 'Username or UID (format: <name|uid>[:<group|gid>])',
  },
  { name: 'workdir', short: 'w', kind: string, usage: 'Working directory inside the container' },
  { name: 'group-add', kind: list, usage: 'Add additional groups to join' },
];

const THE_CONTAINER_AS_AN_OBJECT: readonly FlagSpec[] = [
  { name: 'name', kind: string, singleDash: ['name'], usage: 'Assign a name to the container' },
  { name: 'cidfile', kind: string, usage: 'Write the container ID to the file' },
  { name: 'label', short: 'l', kind: labelKind, usage: 'Set meta data on a container' },
  { name: 'label-file', kind: list, usage: 'Read in a line delimited file of labels' },
  {
    name: 'annotation',
    kind: map,
    usage:
      'Add an annotation to the container (passed through to the OCI runtime) ' + '(default map[])',
  },
  {
    name: 'rm',
    kind: bool,
    usage:
      'Automatically remove the container and its associated anonymous volumes ' + 'when it exits',
  },
  {
    name: 'restart',
    kind: string,
    usage: 'Restart policy to apply when a container exits (default "no")',
  },
  { name: 'runtime', kind: string, usage: 'Runtime to use for this container' },
  {
    name: 'pull',
    kind: string,
    usage: 'Pull image before running ("always", "missing", "never") (default "missing")',
  },
  { name: 'quiet', short: 'q', kind: bool, usage: 'Suppress the pull output' },
  { name: 'platform', kind: string, usage: 'Set platform if server is multi-platform capable' },
  { name: 'disable-content-trust', kind: bool, usage: 'Skip image verification (default true)' },
  { name: 'log-driver', kind: string, usage: 'Logging driver for the container' },
  { name: 'log-opt', kind: list, usage: 'Log driver options' },
  { name: 'storage-opt', kind: list, usage: 'Storage driver options for the container' },
  { name: 'isolation', kind: string, usage: 'Container isolation technology' },
];

const HEALTH: readonly FlagSpec[] = [
  { name: 'health-cmd', kind: string, usage: 'Command to run to check health' },
  {
    name: 'health-interval',
    kind: duration,
    usage: 'Time between running the check (ms|s|m|h) (default 0s)',
  },
  { name: 'health-retries', kind: int, usage: 'Consecutive failures needed to report unhealthy' },
  {
    name: 'health-start-interval',
    kind: duration,
    usage: 'Time between running the check during the start period (ms|s|m|h) (default 0s)',
  },
  {
    name: 'health-start-period',
    kind: duration,
    usage:
      'Start period for the container to initialize before starting ' +
      'health-retries countdown (ms|s|m|h) (default 0s)',
  },
  {
    name: 'health-timeout',
    kind: duration,
    usage: 'Maximum time to allow one check to run (ms|s|m|h) (default 0s)',
  },
  { name: 'no-healthcheck', kind: bool, usage: 'Disable any container-specified HEALTHCHECK' },
];

const FILES: readonly FlagSpec[] = [
  { name: 'mount', kind: mountKind, usage: 'Attach a filesystem mount to the container' },
  { name: 'read-only', kind: bool, usage: "Mount the container's root filesystem as read only" },
  { name: 'shm-size', kind: bytes, usage: 'Size of /dev/shm' },
  { name: 'tmpfs', kind: list, usage: 'Mount a tmpfs directory' },
  { name: 'volume', short: 'v', kind: list, usage: 'Bind mount a volume' },
  { name: 'volume-driver', kind: string, usage: 'Optional volume driver for the container' },
  { name: 'volumes-from', kind: list, usage: 'Mount volumes from the specified container(s)' },
];

const NAMESPACES_AND_NAMES: readonly FlagSpec[] = [
  { name: 'hostname', short: 'h', kind: string, usage: 'Container host name' },
  { name: 'domainname', kind: string, usage: 'Container NIS domain name' },
  { name: 'ipc', kind: string, usage: 'IPC mode to use' },
  { name: 'pid', kind: string, usage: 'PID namespace to use' },
  { name: 'uts', kind: string, usage: 'UTS namespace to use' },
  {
    name: 'userns',
    kind: string,
    usage: 'User namespace to use ("host", "auto", "map:OUTSIDE:COUNT")',
  },
  { name: 'timens', kind: string, usage: 'Time namespace to use ("host" or "private")' },
  { name: 'cgroupns', kind: string, usage: CGROUPNS_USAGE },
  { name: 'sysctl', kind: sysctlKind, usage: 'Sysctl options (default map[])' },
];

const PRIVILEGES_AND_DEVICES: readonly FlagSpec[] = [
  { name: 'privileged', kind: bool, usage: 'Give extended privileges to this container' },
  { name: 'cap-add', kind: list, usage: 'Add Linux capabilities' },
  { name: 'cap-drop', kind: list, usage: 'Drop Linux capabilities' },
  { name: 'security-opt', kind: list, usage: 'Security Options' },
  { name: 'device', kind: list, usage: 'Add a host device to the container' },
  {
    name: 'device-cgroup-rule',
    kind: deviceRuleKind,
    usage: 'Add a rule to the cgroup allowed devices list',
  },
];

const NETWORK: readonly FlagSpec[] = [
  {
    name: 'network',
    kind: networkKind,
    singleDash: ['net'],
    alias: 'net',
    usage: 'Connect a container to a network',
  },
  {
    name: 'network-alias',
    kind: list,
    alias: 'net-alias',
    usage: 'Add network-scoped alias for the container',
  },
  { name: 'add-host', kind: addHostKind, usage: 'Add a custom host-to-IP mapping (host:ip)' },
  { name: 'dns', kind: dnsKind, usage: 'Set custom DNS servers' },
  { name: 'dns-option', kind: list, alias: 'dns-opt', usage: 'Set DNS options' },
  { name: 'dns-search', kind: dnsSearchKind, usage: 'Set custom DNS search domains' },
  { name: 'expose', kind: list, usage: 'Expose a port or a range of ports' },
  { name: 'publish', short: 'p', kind: list, usage: "Publish a container's port(s) to the host" },
  {
    name: 'publish-all',
    short: 'P',
    kind: bool,
    usage: 'Publish all exposed ports to random ports',
  },
  { name: 'link', kind: linkKind, usage: 'Add link to another container' },
  { name: 'link-local-ip', kind: list, usage: 'Container IPv4/IPv6 link-local addresses' },
  { name: 'ip', kind: string, usage: 'IPv4 address (e.g., 172.30.100.104)' },
  { name: 'ip6', kind: string, usage: 'IPv6 address (e.g., 2001:db8::33)' },
  { name: 'mac-address', kind: string, usage: 'Container MAC address (e.g., 92:d0:c6:0a:29:33)' },
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
  { name: 'slice', kind: string, usage: 'Slice that the container is in (coracle slice create)' },
];

export const RUN_FLAGS: readonly FlagSpec[] = [
  ...CREATE_FLAGS,
  {
    name: 'detach',
    short: 'd',
    kind: bool,
    usage: 'Run container in background and print container ID',
  },
  {
    name: 'detach-keys',
    kind: string,
    usage: 'Override the key sequence for detaching a container',
  },
  {
    name: 'sig-proxy',
    kind: bool,
    usage: 'Proxy received signals to the process (default true)',
  },
  {
    name: 'dry-run',
    kind: bool,
    usage: 'Print the kernel operations that would make the container, and stop',
  },
  { name: 'json', kind: bool, usage: 'With --dry-run: print the plan as JSON' },
];
