// The story of a packet through our iptables chains (kernel/netfilter/iptables-rule.ts). A rule is
// told when it names something of this network, or nothing of any network.
import type { NetworkStep } from '../engine.ts';
import { type IptablesLine, readIptablesListing } from './listing.ts';
import { type Belongings, type Hook, type Story, shortened, step, type Walk } from './walk.ts';

const CHAIN_AT: Readonly<Record<Hook, readonly [table: string, chain: string] | undefined>> = {
  raw: ['raw', 'PREROUTING'],
  prerouting: ['nat', 'PREROUTING'],
  output: ['nat', 'OUTPUT'],
  forward: ['filter', 'FORWARD'],
  // Nothing is counted there: iptables has no sets.
  mangle: undefined,
  postrouting: ['nat', 'POSTROUTING'],
};

const REASONS: readonly (readonly [RegExp, string])[] = [
  [/-j \S+-GUARD$/, 'Every packet that comes in, before connections are known.'],
  [/-j \S+-PUBLISH$/, 'Is an address of this host meant? Then it may be a published port.'],
  [/-j \S+-FORWARD$/, 'Every packet that goes through this host, from one interface to another.'],
  [/-j \S+-POSTROUTING$/, 'The first packet of a connection before it leaves.'],
  [/-j \S+-JUDGE$/, 'This bridge is on its way. The rules of others are left to others.'],
  [/-j \S+-USER$/, "The administrator's: rules that you add there are never touched."],
  [/-j \S+-TALK$/, 'Neighbours, and networks that are closed.'],
  [/-j \S+-LINK$/, 'Neighbours that were linked (--link), where others may not talk.'],
  [/-j \S+-DIRECT$/, 'Who may use the address of the container itself.'],
  [/--ctstate DNAT -j \S+-OPEN$/, 'Was translated: asks whether the port is published.'],
  [/-j \S+-OPEN$/, 'By the address of the container: asks whether the port is published.'],
  [/-j \S+-DROP$/, 'What nobody let in.'],
  [/ESTABLISHED -j ACCEPT$/, 'Belongs to a connection that was let through before.'],
  [
    /-[sd] 127\.0\.0\.0\/8 -i .* -j DROP$/,
    "A container must not reach the host's loopback by route_localnet.",
  ],
  [/-j DNAT /, 'A published port of the host: where its container listens.'],
  [
    /--ctstate DNAT -j MASQUERADE$/,
    'Hairpin: a neighbour came by the published port, so its answer must come back through here.',
  ],
  [
    /-s 127\.0\.0\.0\/8 .*-j MASQUERADE$/,
    "From this host's localhost: gets the address of the bridge, which the container can answer.",
  ],
  [/-j SNAT /, 'Leaves with the address that the network was given for this.'],
  [
    /-j MASQUERADE$/,
    'Leaves with the address of the interface that it leaves by; answers find back by it.',
  ],
  [/^-s .* --dport \d+ -j ACCEPT$/, 'It was linked (--link) to who exposes this port.'],
  [/--dport \d+ -j ACCEPT$/, 'The port is published: let it in.'],
  [
    /-i (\S+) -o \1 -j ACCEPT$/,
    'Neighbours of one bridge may talk (icc). They meet this only with br_netfilter.',
  ],
  [/icmp.* -j ACCEPT$/, 'A routed network answers pings.'],
  [/^-o \S+ -j ACCEPT$/, 'nat-unprotected: every port is open to who has a route here.'],
  [/-o \S+ -j DROP$/, 'What nobody published stays outside, from other bridges too.'],
  [/-i \S+ -j DROP$/, 'An internal network has no way out.'],
  [/^-j ACCEPT$/, 'A container may go out.'],
];

const JUMP = /-j (\S+)$/;
/** Who a rule is about. */
const NAMES = /(?:^|\s)(?:-[iosd]|--to-destination) (\S+)/g;

export function iptablesWalk(text: string, belongings: Belongings): Walk {
  const lines = readIptablesListing(text);
  const told = { in: new Set<string>(), out: new Set<string>() };
  const isOwn = owner(belongings);
  const programs = [...new Set(lines.map(({ program }) => program))];
  return (hook, story) => {
    const at = CHAIN_AT[hook];
    if (at === undefined) return [];
    return programs.flatMap((program) => {
      const own = lines.filter((line) => line.program === program && line.table === at[0]);
      const way = { lines: own, story, told: told[story], isOwn, bridge: belongings.bridge };
      return walkChain(at[1], program, way);
    });
  };
}

type Way = {
  /** Of one program and table. */
  readonly lines: readonly IptablesLine[];
  readonly story: Story;
  readonly told: Set<string>;
  readonly isOwn: (text: string) => boolean;
  readonly bridge: string;
};

function walkChain(chain: string, program: string, way: Way): readonly NetworkStep[] {
  const rules = way.lines.filter((line) => line.chain === chain);
  const key = `${program} ${rules[0]?.table} ${chain}`;
  if (way.told.has(key)) return [];
  way.told.add(key);
  const steps = rules.flatMap(({ table, text, counter }) => {
    if (!way.isOwn(text) || !isOfStory(text, way)) return [];
    const why = REASONS.find(([pattern]) => pattern.test(text))?.[1] ?? '';
    return [
      step('rule', `${program} -t ${table} -A ${chain} ${text}`, why, counter),
      ...walkChain(JUMP.exec(text)?.[1] ?? '', program, way),
    ];
  });
  return chain.endsWith('-PUBLISH') ? shortened(steps, 'published ports') : steps;
}

function owner({ bridge, subnets, ips }: Belongings): (text: string) => boolean {
  const names = new Set([bridge, ...subnets, ...ips.flatMap((ip) => [`${ip}/32`, `${ip}/128`])]);
  return (text) => {
    const target = / --to-destination (\S+)$/.exec(text)?.[1];
    if (target !== undefined) {
      const ip = target.slice(0, target.lastIndexOf(':')).replace(/^\[|\]$/g, '');
      return ips.includes(ip);
    }
    const about = [...text.matchAll(NAMES)].map(([, name]) => name ?? '');
    // The loopback alone is nobody's.
    const some = about.filter((name) => name !== '127.0.0.0/8');
    return some.length === 0 || some.some((name) => names.has(name));
  };
}

function isOfStory(text: string, { story, bridge }: Way): boolean {
  const from = text.includes(`-i ${bridge} `);
  const to = text.includes(`-o ${bridge} `) && !text.includes(`! -o ${bridge} `);
  if (from && to) return true;
  if (from) return story === 'out';
  if (to) return story === 'in';
  if (text.includes('--ctstate DNAT')) return story === 'in';
  if (/^-j ACCEPT$|! -o \S+ -j/.test(text)) return story === 'out';
  return true;
}
