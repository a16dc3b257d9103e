// The fixed part of our nftables table: sets, chains and rules. Nothing here depends on how many
// networks or ports there are; those are elements of the sets (element.ts), found by hash, so that
// the cost of a packet and of a change stays the same (nft(8), "SETS", "MAPS").
// A packet meets the base chains in the order in which they stand here.

export type NftSet = {
  readonly name: string;
  readonly kind: 'set' | 'map';
  readonly body: string;
};

export type NftChain = {
  readonly name: string;
  /** Of a base chain: where netfilter calls it. */
  readonly hook?: string;
  readonly rules: readonly string[];
  /** Belongs to the administrator: made when missing, never emptied. */
  readonly foreign?: true;
};

const FAMILIES = [
  { n: 4, ip: 'ip', addr: 'ipv4_addr' },
  { n: 6, ip: 'ip6', addr: 'ipv6_addr' },
] as const;

const port = 'inet_proto . inet_service';

export const SETS: readonly NftSet[] = [
  { name: 'ours', kind: 'set', body: 'type ifname;' },
  { name: 'closed', kind: 'set', body: 'type ifname;' },
  { name: 'talk', kind: 'set', body: 'type ifname . ifname;' },
  { name: 'trusted', kind: 'set', body: 'type ifname . ifname;' },
  { name: 'linked4', kind: 'set', body: `type ifname . ifname . ipv4_addr . ipv4_addr . ${port};` },
  ...FAMILIES.flatMap(({ n, addr }): readonly NftSet[] => [
    // Host port of every address, and of one address: where the container listens.
    { name: `any${n}`, kind: 'map', body: `type ${port} : ${addr} . inet_service; counter;` },
    {
      name: `one${n}`,
      kind: 'map',
      body: `type inet_proto . ${addr} . inet_service : ${addr} . inet_service; counter;`,
    },
    { name: `open${n}`, kind: 'set', body: `type ifname . ${addr} . ${port};` },
    { name: `traffic${n}`, kind: 'set', body: `type ${addr} . ${port}; counter;` },
    { name: `routed${n}`, kind: 'set', body: 'type ifname;' },
    { name: `direct${n}`, kind: 'set', body: 'type ifname;' },
    { name: `own${n}`, kind: 'set', body: `type ifname . ${addr}; flags interval;` },
    { name: `masq${n}`, kind: 'set', body: `type ${addr}; flags interval;` },
    { name: `snat${n}`, kind: 'map', body: `type ${addr} : ${addr}; flags interval;` },
  ]),
];

const both = (rules: (family: (typeof FAMILIES)[number]) => readonly string[]): readonly string[] =>
  FAMILIES.flatMap(rules);

const openPort = (n: number, ip: string): string =>
  `oifname . ${ip} daddr . meta l4proto . th dport @open${n} counter accept`;

export const CHAINS: readonly NftChain[] = [
  {
    name: 'user',
    rules: [],
    foreign: true,
  },
  {
    // route_localnet on a bridge lets the host reach containers from 127.0.0.1, and would let
    // containers reach the host's loopback (ip-sysctl.rst); this closes the second half.
    name: 'guard',
    hook: 'type filter hook prerouting priority raw; policy accept;',
    // The address first: it is in the packet, and nearly none has to be looked up then.
    rules: [
      'ip daddr 127.0.0.0/8 iifname @ours counter drop',
      'ip saddr 127.0.0.0/8 iifname @ours counter drop',
    ],
  },
  {
    name: 'publish',
    rules: both(({ n, ip }) => [
      `dnat ${ip} to meta l4proto . ${ip} daddr . th dport map @one${n}`,
      `dnat ${ip} to meta l4proto . th dport map @any${n}`,
    ]),
  },
  {
    name: 'prerouting',
    hook: 'type nat hook prerouting priority dstnat; policy accept;',
    rules: [
      // A packet from a link never means our loopback: what is published there is translated in
      // "output" only.
      'ip daddr 127.0.0.0/8 return',
      'fib daddr type local jump publish',
    ],
  },
  {
    name: 'output',
    hook: 'type nat hook output priority -100; policy accept;',
    rules: ['fib daddr type local jump publish'],
  },
  {
    name: 'judge',
    rules: [
      // Frames within a bridge come here only where br_netfilter hands them to IP.
      'iifname . oifname @talk counter accept',
      'iifname @closed counter drop',
      'oifname @closed counter drop',
      ...both(({ n, ip }) => [`ct status dnat ${openPort(n, ip)}`]),
      ...both(({ n, ip }) => [
        `oifname @routed${n} ${openPort(n, ip)}`,
        `iifname . oifname @trusted ${openPort(n, ip)}`,
      ]),
      // Neighbours of a bridge without icc, whose frames come here by way of the host's own
      // address.
      'iifname . oifname . ip saddr . ip daddr . meta l4proto . th dport @linked4 counter accept',
      'oifname @routed4 meta l4proto icmp counter accept',
      'oifname @routed6 meta l4proto ipv6-icmp counter accept',
      'oifname @direct4 meta nfproto ipv4 counter accept',
      'oifname @direct6 meta nfproto ipv6 counter accept',
      'oifname @ours counter drop',
      'counter accept',
    ],
  },
  {
    name: 'forward',
    hook: 'type filter hook forward priority filter; policy accept;',
    // Nearly every packet belongs to a connection that was judged before: it meets two rules and
    // no set. For packets of others the verdict is what the policy says anyway.
    rules: [
      'jump user',
      'ct state established,related counter accept',
      'iifname @ours goto judge',
      'oifname @ours goto judge',
    ],
  },
  {
    // Each packet is looked up once, at the end where the container is.
    name: 'traffic',
    rules: both(({ n, ip }) => [
      `ct direction original ${ip} daddr . meta l4proto . th dport @traffic${n} return`,
      `ct direction reply ${ip} saddr . meta l4proto . th sport @traffic${n} return`,
    ]),
  },
  {
    // Before the source is translated, so that a reply still has the container's address.
    name: 'sent',
    hook: 'type filter hook postrouting priority mangle; policy accept;',
    rules: ['ct status dnat jump traffic'],
  },
  {
    name: 'received',
    hook: 'type filter hook input priority mangle; policy accept;',
    rules: ['ct status dnat iifname @ours jump traffic'],
  },
  {
    name: 'postrouting',
    hook: 'type nat hook postrouting priority srcnat; policy accept;',
    rules: [
      ...both(({ n, ip }) => [
        // Hairpin: the answer must come back through us, not go straight to the neighbour.
        `ct status dnat oifname . ${ip} saddr @own${n} counter masquerade`,
        `oifname . ${ip} saddr @own${n} return`,
      ]),
      'oifname @ours ip saddr 127.0.0.0/8 counter masquerade',
      ...both(({ n, ip }) => [
        `snat ${ip} to ${ip} saddr map @snat${n}`,
        `${ip} saddr @masq${n} counter masquerade`,
      ]),
    ],
  },
];
