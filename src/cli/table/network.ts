// The verbs of networks: all of them only behind `network`.
import type { CommandSpec } from '../command.ts';
import { labelKind, linkKind } from '../create/kinds.ts';
import { bool, filter, int, map, string, strings } from '../flag-kind.ts';
import { type FlagSpec, flag } from '../flags.ts';
import { FORCE_PRUNE, FORMAT, JSON_FLAG, LIST_FORMAT, PRUNE_FILTER } from './shared.ts';

const MANY = { rule: 'at-least', count: 1 } as const;
const TWO = { rule: 'exact', count: 2 } as const;
const BOTH = 'NETWORK CONTAINER';

const CREATE_FLAGS: readonly FlagSpec[] = [
  flag('attachable', bool, 'Enable manual container attachment'),
  flag(
    'aux-address',
    map,
    'Auxiliary IPv4 or IPv6 addresses used by Network driver (default map[])',
  ),
  flag('config-from', string, 'The network from which to copy the configuration'),
  flag('config-only', bool, 'Create a configuration only network'),
  flag('driver', string, 'Driver to manage the Network (default "bridge")', { short: 'd' }),
  flag('gateway', strings, 'IPv4 or IPv6 Gateway for the master subnet'),
  flag('ingress', bool, 'Create swarm routing-mesh network'),
  flag('internal', bool, 'Restrict external access to the network'),
  flag('ip-range', strings, 'Allocate container ip from a sub-range'),
  flag('ipam-driver', string, 'IP Address Management Driver (default "default")'),
  flag('ipam-opt', map, 'Set IPAM driver specific options (default map[])'),
  flag('ipv4', bool, 'Enable or disable IPv4 address assignment (default true)'),
  flag('ipv6', bool, 'Enable or disable IPv6 address assignment'),
  flag('label', labelKind, 'Set metadata on a network'),
  flag('opt', map, 'Set driver specific options (default map[])', { short: 'o' }),
  flag('scope', string, "Control the network's scope"),
  flag('subnet', strings, 'Subnet in CIDR format that represents a network segment'),
];

const CONNECT_FLAGS: readonly FlagSpec[] = [
  flag('alias', strings, 'Add network-scoped alias for the container'),
  flag('driver-opt', strings, 'driver options for the network'),
  flag(
    'gw-priority',
    int,
    'Highest gw-priority provides the default gateway. Accepts positive and negative values.',
  ),
  flag('ip', string, 'IPv4 address (e.g., "172.30.100.104")'),
  flag('ip6', string, 'IPv6 address (e.g., "2001:db8::33")'),
  flag('link', linkKind, 'Add link to another container'),
  flag('link-local-ip', strings, 'Add a link-local address for the container'),
];

const LS_FLAGS: readonly FlagSpec[] = [
  flag('filter', filter, 'Provide filter values (e.g. "driver=bridge")', { short: 'f' }),
  LIST_FORMAT,
  flag('no-trunc', bool, 'Do not truncate the output'),
  flag('quiet', bool, 'Only display network IDs', { short: 'q' }),
];

export const NETWORK_VERBS: readonly CommandSpec[] = [
  {
    name: 'connect',
    usage: `[OPTIONS] ${BOTH}`,
    short: 'Connect a container to a network',
    args: TWO,
    flags: CONNECT_FLAGS,
    completes: ['network', 'container'],
    load: () => import('../command/network-connect.ts'),
  },
  {
    name: 'create',
    usage: '[OPTIONS] NETWORK',
    short: 'Create a network',
    args: { rule: 'exact', count: 1 },
    flags: CREATE_FLAGS,
    load: () => import('../command/network-create.ts'),
  },
  {
    name: 'disconnect',
    usage: `[OPTIONS] ${BOTH}`,
    short: 'Disconnect a container from a network',
    args: TWO,
    flags: [
      flag('force', bool, 'Force the container to disconnect from a network', { short: 'f' }),
    ],
    completes: ['network', 'container'],
    load: () => import('../command/network-disconnect.ts'),
  },
  {
    name: 'explain',
    usage: '[OPTIONS] NETWORK',
    short: 'Show what a packet meets on its way, in order, with the live counters',
    args: { rule: 'exact', count: 1 },
    flags: [JSON_FLAG],
    completes: 'network',
    completesOne: true,
    load: () => import('../command/network-explain.ts'),
  },
  {
    name: 'inspect',
    usage: '[OPTIONS] NETWORK [NETWORK...]',
    short: 'Display detailed information on one or more networks',
    args: MANY,
    flags: [FORMAT, flag('verbose', bool, 'Verbose output for diagnostics', { short: 'v' })],
    completes: 'network',
    load: () => import('../command/network-inspect.ts'),
  },
  {
    name: 'ls',
    aliases: ['list'],
    usage: '[OPTIONS]',
    short: 'List networks',
    args: { rule: 'none' },
    flags: LS_FLAGS,
    paths: ['network ls', 'network list'],
    load: () => import('../command/network-ls.ts'),
  },
  {
    name: 'prune',
    usage: '[OPTIONS]',
    short: 'Remove all unused networks',
    args: { rule: 'none' },
    flags: [PRUNE_FILTER, FORCE_PRUNE],
    load: () => import('../command/network-prune.ts'),
  },
  {
    name: 'rm',
    aliases: ['remove'],
    usage: 'NETWORK [NETWORK...]',
    short: 'Remove one or more networks',
    args: MANY,
    flags: [flag('force', bool, 'Do not error if the network does not exist', { short: 'f' })],
    paths: ['network rm', 'network remove'],
    completes: 'network',
    load: () => import('../command/network-rm.ts'),
  },
];
