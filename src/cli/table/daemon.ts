// The flags of `daemon`, for completion and `help daemon`: src/main.ts hands the words to the
// daemon itself, which reads them by src/daemon/flags.ts. tools/tidy.test.ts compares the two.
import { bool, list, string } from '../flag-kind.ts';
import { type FlagSpec, flag } from '../flags.ts';

export const DAEMON_FLAGS: readonly FlagSpec[] = [
  flag('bip', string, 'Address of the default bridge (172.17.0.1/16)'),
  flag('bip6', string, 'IPv6 address of the default bridge'),
  flag('bridge', string, 'Default bridge, or none (coracle0)', { short: 'b' }),
  flag('cgroup-parent', string, 'Parent cgroup of all containers (/coracle)'),
  flag('config-file', string, 'Configuration file (/etc/coracle/daemon.json)'),
  flag(
    'cpu-rt-period',
    string,
    'Period of real-time for all containers, in microseconds (1000000)',
  ),
  flag(
    'cpu-rt-runtime',
    string,
    'Real-time of all containers together in a period, in microseconds (0)',
  ),
  flag('data-root', string, 'Directory of persistent state (/var/lib/coracle)', { short: 'g' }),
  flag('default-address-pool', list, 'base=PREFIX,size=BITS of networks (many allowed)'),
  flag('default-gateway', string, 'Gateway of the default bridge'),
  flag('default-gateway-v6', string, 'IPv6 gateway of the default bridge'),
  flag('default-runtime', string, 'Runtime of containers that name none (coracle)'),
  flag('dns', list, 'DNS server of containers (many allowed)'),
  flag('dns-opt', list, 'Option of resolv.conf (many allowed)'),
  flag('dns-search', list, 'Search domain (many allowed)'),
  flag('exec-root', string, 'Directory of runtime state (/run/coracle)'),
  flag('firewall-backend', string, 'nftables or iptables (nftables)'),
  flag(
    'firewall-table',
    string,
    'Name of our table in the firewall (coracle, with a suffix for other data roots)',
  ),
  flag('fixed-cidr', string, 'Range of addresses on the default bridge'),
  flag('fixed-cidr-v6', string, 'Range of IPv6 addresses on the default bridge'),
  flag('group', string, 'Group that may use the socket (docker)', { short: 'G' }),
  flag('host', list, 'Socket to serve, unix://PATH or fd:// (many allowed)', { short: 'H' }),
  flag(
    'host-gateway-ip',
    string,
    'What --add-host NAME:host-gateway means (the address of the bridge)',
  ),
  flag('icc', bool, 'Let containers on the default bridge talk to each other (true)'),
  flag('init', bool, 'Run an init in every container'),
  flag('ip', string, 'Where ports are published by default (0.0.0.0)'),
  flag('ip-forward', bool, 'Switch on forwarding when a network needs it (true)'),
  flag('ip-masq', bool, 'MASQUERADE the default bridge (true)'),
  flag('ipv6', bool, 'IPv6 on the default bridge'),
  flag('log-level', string, 'debug, info, warn, error or fatal (info)', { short: 'l' }),
  flag('mtu', string, 'MTU of the default bridge (1500)'),
  flag('pidfile', string, 'File for the process id (EXEC-ROOT/coracle.pid)'),
];
