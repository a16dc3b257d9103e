// The verbs of networks: all of them only behind `network`.
import type { CommandSpec } from '../command.ts';
import { labelKind, linkKind } from '../create/kinds.ts';
import { bool, filter, int, map, string, strings } from '../flag-kind.ts';
import type { FlagSpec } from '../flags.ts';
import { FORCE_PRUNE, FORMAT, LIST_FORMAT, PRUNE_FILTER } from './shared.ts';

const MANY = { rule: 'at-least', count: 1 } as const;
const TWO = { rule: 'exact', count: 2 } as const;
const BOTH = 'NETWORK CONTAINER';

const CREATE_FLAGS: readonly FlagSpec[] = [
  { name: 'attachable', kind: bool, usage: 'Enable manual container attachment' },
  {
    name: 'aux-address',
    kind: map,
    usage: 'Auxiliary IPv4 or IPv6 addresses used by Network driver (default map[])',
  },
  {
    name: 'config-from',
    kind: string,
    usage: 'The network from which to copy the configuration',
  },
  { name: 'config-only', kind: bool, usage: 'Create a configuration only network' },
  {
    name: 'driver',
    short: 'd',
    kind: string,
    usage: 'Driver to manage the Network (default "bridge")',
  },
  { name: 'gateway', kind: strings, usage: 'IPv4 or IPv6 Gateway for the master subnet' },
  { name: 'ingress', kind: bool, usage: 'Create swarm routing-mesh network' },
  { name: 'internal', kind: bool, usage: 'Restrict external access to the network' },
  { name: 'ip-range', kind: strings, usage: 'Allocate container ip from a sub-range' },
  {
    name: 'ipam-driver',
    kind: string,
    usage: 'IP Address Management Driver (default "default")',
  },
  {
    name: 'ipam-opt',
    kind: map,
    usage: 'Set IPAM driver specific options (default map[])',
  },
  {
    name: 'ipv4',
    kind: bool,
    usage: 'Enable or disable IPv4 address assignment (default true)',
  },
  { name: 'ipv6', kind: bool, usage: 'Enable or disable IPv6 address assignment' },
  { name: 'label', kind: labelKind, usage: 'Set metadata on a network' },
  { name: 'opt', short: 'o', kind: map, usage: 'Set driver specific options (default map[])' },
  { name: 'scope', kind: string, usage: "Control the network's scope" },
  {
    name: 'subnet',
    kind: strings,
    usage: 'Subnet in CIDR format that represents a network segment',
  },
];

const CONNECT_FLAGS: readonly FlagSpec[] = [
  { name: 'alias', kind: strings, usage: 'Add network-scoped alias for the container' },
  { name: 'driver-opt', kind: strings, usage: 'driver options for the network' },
  {
    name: 'gw-priority',
    kind: int,
    usage:
      'Highest gw-priority provides the default gateway. Accepts positive and negative values.',
  },
  { name: 'ip', kind: string, usage: 'IPv4 address (e.g., "172.30.100.104")' },
  { name: 'ip6', kind: string, usage: 'IPv6 address (e.g., "2001:db8::33")' },
  { name: 'link', kind: linkKind, usage: 'Add link to another container' },
  {
    name: 'link-local-ip',
    kind: strings,
    usage: 'Add a link-local address for the container',
  },
];

const LS_FLAGS: readonly FlagSpec[] = [
  {
    name: 'filter',
    short: 'f',
    kind: filter,
    usage: 'Provide filter values (e.g. "driver=bridge")',
  },
  LIST_FORMAT,
  { name: 'no-trunc', kind: bool, usage: 'Do not truncate the output' },
  { name: 'quiet', short: 'q', kind: bool, usage: 'Only display network IDs' },
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
      {
        name: 'force',
        short: 'f',
        kind: bool,
        usage: 'Force the container to disconnect from a network',
      },
    ],
    completes: ['network', 'container'],
    load: () => import('../command/network-disconnect.ts'),
  },
  {
    name: 'explain',
    usage: '[OPTIONS] NETWORK',
    short: 'Show what a packet meets on its way, in order, with the live counters',
    args: { rule: 'exact', count: 1 },
    flags: [{ name: 'json', kind: bool, usage: 'Print as JSON' }],
    completes: 'network',
    completesOne: true,
    load: () => import('../command/network-explain.ts'),
  },
  {
    name: 'inspect',
    usage: '[OPTIONS] NETWORK [NETWORK...]',
    short: 'Display detailed information on one or more networks',
    args: MANY,
    flags: [
      FORMAT,
      { name: 'verbose', short: 'v', kind: bool, usage: 'Verbose output for diagnostics' },
    ],
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
    flags: [
      {
        name: 'force',
        short: 'f',
        kind: bool,
        usage: 'Do not error if the network does not exist',
      },
    ],
    paths: ['network rm', 'network remove'],
    completes: 'network',
    load: () => import('../command/network-rm.ts'),
  },
];
