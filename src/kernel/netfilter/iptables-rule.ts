// Rules of the iptables back end in the words of iptables-save(8), so that what we write can be
// compared with what is listed. The same meaning as nft-schema.ts, in the same order; but iptables
// has no sets, so a network or a port is a rule in each chain that asks about it.
import type { IpFamily } from '#base/ip-address.ts';
import {
  type FirewallNetwork,
  familyOf,
  isAnyHost,
  isClosed,
  type LinkedPort,
  masquerades,
  modeOf,
  type PublishedPort,
} from './state.ts';

export const IPTABLES_TABLES = ['raw', 'nat', 'filter'] as const;
export type IptablesTable = (typeof IPTABLES_TABLES)[number];

export type Rule = {
  readonly table: IptablesTable;
  /** Without the prefix for ours (FORWARD of ours is CORACLE-FORWARD). */
  readonly chain: string;
  /** After "-A CHAIN"; `@NAME` stands for our chain NAME. */
  readonly text: string;
};

export type ChainName = { readonly table: IptablesTable; readonly name: string };

/** A kernel's chain that leads to ours. */
export type Hook = Rule & {
  /** At the head, before what others have there; otherwise at the end. */
  readonly first: boolean;
};

/** One set of chains: what is fixed, and what a network and a port add. */
export type RuleSet = {
  readonly chains: readonly ChainName[];
  /** Of `chains`, the administrator's: made when missing, never emptied. */
  readonly user: ChainName | undefined;
  readonly hooks: (family: IpFamily) => readonly Hook[];
  readonly fixed: readonly Rule[];
  readonly network: (network: FirewallNetwork, family: IpFamily) => readonly Rule[];
  readonly port: (
    port: PublishedPort,
    network: FirewallNetwork,
    family: IpFamily,
  ) => readonly Rule[];
  readonly link: (link: LinkedPort, family: IpFamily) => readonly Rule[];
};

const filter = (chain: string, text: string): Rule => ({ table: 'filter', chain, text });
const nat = (chain: string, text: string): Rule => ({ table: 'nat', chain, text });
const raw = (chain: string, text: string): Rule => ({ table: 'raw', chain, text });

const LOOPBACK = '127.0.0.0/8';

function hooks(family: IpFamily): readonly Hook[] {
  const local = '-m addrtype --dst-type LOCAL -j @PUBLISH';
  // Loopback addresses are translated in OUTPUT only: from a link nobody may mean our loopback.
  const notLoopback = family === 4 ? `! -d ${LOOPBACK} ` : '';
  return [
    { ...raw('PREROUTING', '-j @GUARD'), first: true },
    { ...nat('PREROUTING', notLoopback + local), first: false },
    { ...nat('OUTPUT', local), first: false },
    { ...nat('POSTROUTING', '-j @POSTROUTING'), first: true },
    // First, so that a Docker's rules and its policy DROP come after our judgement.
    { ...filter('FORWARD', '-j @FORWARD'), first: true },
  ];
}

const FIXED: readonly Rule[] = [
  filter('JUDGE', '-j @USER'),
  filter('JUDGE', '-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'),
  filter('JUDGE', '-j @TALK'),
  filter('JUDGE', '-m conntrack --ctstate DNAT -j @OPEN'),
  filter('JUDGE', '-j @LINK'),
  filter('JUDGE', '-j @DIRECT'),
  filter('JUDGE', '-j @DROP'),
  filter('JUDGE', '-j ACCEPT'),
];

function filterRules(network: FirewallNetwork, family: IpFamily): readonly Rule[] {
  const { bridge } = network;
  const rules = [
    filter('FORWARD', `-i ${bridge} -j @JUDGE`),
    filter('FORWARD', `-o ${bridge} -j @JUDGE`),
  ];
  if (network.icc) rules.push(filter('TALK', `-i ${bridge} -o ${bridge} -j ACCEPT`));
  if (isClosed(network)) {
    rules.push(filter('TALK', `-i ${bridge} -j DROP`), filter('TALK', `-o ${bridge} -j DROP`));
  }
  if (modeOf(network, family) === 'routed') {
    const icmp = family === 4 ? 'icmp' : 'ipv6-icmp';
    rules.push(filter('DIRECT', `-o ${bridge} -j @OPEN`));
    rules.push(filter('DIRECT', `-o ${bridge} -p ${icmp} -j ACCEPT`));
  }
  if (family === 4 ? network.direct4 : network.direct6) {
    rules.push(filter('DIRECT', `-o ${bridge} -j ACCEPT`));
  }
  for (const name of new Set(network.trusted)) {
    rules.push(filter('DIRECT', `-i ${name} -o ${bridge} -j @OPEN`));
  }
  return [...rules, filter('DROP', `-o ${bridge} -j DROP`)];
}

function sourceRules(network: FirewallNetwork, family: IpFamily): readonly Rule[] {
  const { bridge } = network;
  const source = family === 4 ? network.snat4 : network.snat6;
  const target = source === undefined ? 'MASQUERADE' : `SNAT --to-source ${source}`;
  const rules: Rule[] = [];
  for (const subnet of network.subnets.filter((text) => familyOf(text) === family)) {
    // Hairpin: the answer must come back through us, not go straight to the neighbour.
    const hairpin = `-s ${subnet} -o ${bridge} -m conntrack --ctstate DNAT -j MASQUERADE`;
    rules.push(nat('POSTROUTING', hairpin));
    if (!masquerades(network, family)) continue;
    rules.push(nat('POSTROUTING', `-s ${subnet} ! -o ${bridge} -j ${target}`));
  }
  if (family === 4) {
    rules.push(nat('POSTROUTING', `-s ${LOOPBACK} -o ${bridge} -j MASQUERADE`));
    // route_localnet on a bridge would let containers reach the host's loopback (ip-sysctl.rst).
    rules.push(raw('GUARD', `-d ${LOOPBACK} -i ${bridge} -j DROP`));
    rules.push(raw('GUARD', `-s ${LOOPBACK} -i ${bridge} -j DROP`));
  }
  return rules;
}

function portRules(
  port: PublishedPort,
  network: FirewallNetwork,
  family: IpFamily,
): readonly Rule[] {
  if (familyOf(port.ip) !== family || isClosed(network)) return [];
  const { protocol } = port;
  const bits = family === 4 ? 32 : 128;
  const service = (number: number): string => `-p ${protocol} -m ${protocol} --dport ${number}`;
  const open = filter(
    'OPEN',
    `-d ${port.ip}/${bits} -o ${port.bridge} ${service(port.port)} -j ACCEPT`,
  );
  if (modeOf(network, family) === 'routed') return [open];
  const inside = family === 4 ? port.ip : `[${port.ip}]`;
  const host = isAnyHost(port) ? '' : `-d ${port.hostIp}/${bits} `;
  const listener = nat(
    'PUBLISH',
    `${host}${service(port.hostPort)} -j DNAT --to-destination ${inside}:${port.port}`,
  );
  return [listener, open];
}

/** Neighbours of a bridge without icc, whose frames come here by way of the host's own address. */
function linkRules(link: LinkedPort, family: IpFamily): readonly Rule[] {
  if (family !== 4) return [];
  const { bridge, from, to, protocol, port } = link;
  const who = `-s ${from}/32 -d ${to}/32 -i ${bridge} -o ${bridge}`;
  return [filter('LINK', `${who} -p ${protocol} -m ${protocol} --dport ${port} -j ACCEPT`)];
}

const chainsOf = (table: IptablesTable, names: readonly string[]): readonly ChainName[] =>
  names.map((name) => ({ table, name }));

/** The whole back end. */
export const FULL_RULES: RuleSet = {
  chains: [
    ...chainsOf('raw', ['GUARD']),
    ...chainsOf('nat', ['PUBLISH', 'POSTROUTING']),
    ...chainsOf('filter', ['FORWARD', 'JUDGE', 'USER', 'TALK', 'OPEN', 'LINK', 'DIRECT', 'DROP']),
  ],
  user: { table: 'filter', name: 'USER' },
  hooks,
  fixed: FIXED,
  network: (network, family) => [...filterRules(network, family), ...sourceRules(network, family)],
  port: portRules,
  link: linkRules,
};

/** The rule of iptables that answers for one published port; undefined when it has none. */
export const listenerRule = (port: PublishedPort, network: FirewallNetwork): Rule | undefined =>
  portRules(port, network, familyOf(port.ip)).find(({ chain }) => chain === 'PUBLISH');

/**
 * For the nftables back end on a host whose iptables FORWARD drops: an accept in our table cannot
 * overrule a drop in another (nft(8), "VERDICT STATEMENTS"). What our table has let through is
 * accepted there too, at the end, after every rule of others has had its say.
 */
export const OPENING_RULES: RuleSet = {
  chains: chainsOf('filter', ['FORWARD']),
  user: undefined,
  hooks: () => [{ ...filter('FORWARD', '-j @FORWARD'), first: false }],
  fixed: [],
  network: ({ bridge }) => [
    filter('FORWARD', `-i ${bridge} -j ACCEPT`),
    filter('FORWARD', `-o ${bridge} -j ACCEPT`),
  ],
  port: () => [],
  link: () => [],
};
