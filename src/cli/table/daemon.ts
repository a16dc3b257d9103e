// The flags of `daemon`, for completion and `help daemon`: src/main.ts hands the words to the
// daemon itself, which reads them by src/daemon/flags.ts. tools/tidy.test.ts compares the two.
import { bool, list, string } from '../flag-kind.ts';
import type { FlagSpec } from '../flags.ts';

export const DAEMON_FLAGS: readonly FlagSpec[] = [
  { name: 'bip', kind: string, usage: 'Address of the default bridge (172.17.0.1/16)' },
  { name: 'bip6', kind: string, usage: 'IPv6 address of the default bridge' },
  { name: 'bridge', short: 'b', kind: string, usage: 'Default bridge, or none (coracle0)' },
  { name: 'cgroup-parent', kind: string, usage: 'Parent cgroup of all containers (/coracle)' },
  { name: 'config-file', kind: string, usage: 'Configuration file (/etc/coracle/daemon.json)' },
  {
    name: 'cpu-rt-period',
    kind: string,
    usage: 'Period of real-time for all containers, in microseconds (1000000)',
  },
  {
    name: 'cpu-rt-runtime',
    kind: string,
    usage: 'Real-time of all containers together in a period, in microseconds (0)',
  },
  {
    name: 'data-root',
    short: 'g',
    kind: string,
    usage: 'Directory of persistent state (/var/lib/coracle)',
  },
  {
    name: 'default-address-pool',
    kind: list,
    usage: 'base=PREFIX,size=BITS of networks (many allowed)',
  },
  { name: 'default-gateway', kind: string, usage: 'Gateway of the default bridge' },
  { name: 'default-gateway-v6', kind: string, usage: 'IPv6 gateway of the default bridge' },
  {
    name: 'default-runtime',
    kind: string,
    usage: 'Runtime of containers that name none (coracle)',
  },
  { name: 'dns', kind: list, usage: 'DNS server of containers (many allowed)' },
  { name: 'dns-opt', kind: list, usage: 'Option of resolv.conf (many allowed)' },
  { name: 'dns-search', kind: list, usage: 'Search domain (many allowed)' },
  { name: 'exec-root', kind: string, usage: 'Directory of runtime state (/run/coracle)' },
  { name: 'firewall-backend', kind: string, usage: 'nftables or iptables (nftables)' },
  {
    name: 'firewall-table',
    kind: string,
    usage: 'Name of our table in the firewall (coracle, with a suffix for other data roots)',
  },
  { name: 'fixed-cidr', kind: string, usage: 'Range of addresses on the default bridge' },
  { name: 'fixed-cidr-v6', kind: string, usage: 'Range of IPv6 addresses on the default bridge' },
  { name: 'group', short: 'G', kind: string, usage: 'Group that may use the socket (docker)' },
  {
    name: 'host',
    short: 'H',
    kind: list,
    usage: 'Socket to serve, unix://PATH or fd:// (many allowed)',
  },
  {
    name: 'host-gateway-ip',
    kind: string,
    usage: 'What --add-host NAME:host-gateway means (the address of the bridge)',
  },
  {
    name: 'icc',
    kind: bool,
    usage: 'Let containers on the default bridge talk to each other (true)',
  },
  { name: 'init', kind: bool, usage: 'Run an init in every container' },
  { name: 'ip', kind: string, usage: 'Where ports are published by default (0.0.0.0)' },
  { name: 'ip-forward', kind: bool, usage: 'Switch on forwarding when a network needs it (true)' },
  { name: 'ip-masq', kind: bool, usage: 'MASQUERADE the default bridge (true)' },
  { name: 'ipv6', kind: bool, usage: 'IPv6 on the default bridge' },
  {
    name: 'log-level',
    short: 'l',
    kind: string,
    usage: 'debug, info, warn, error or fatal (info)',
  },
  { name: 'mtu', kind: string, usage: 'MTU of the default bridge (1500)' },
  { name: 'pidfile', kind: string, usage: 'File for the process id (EXEC-ROOT/coracle.pid)' },
];
