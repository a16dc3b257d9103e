// The story of a packet through our nftables table (kernel/netfilter/nft-schema.ts). A rule is told
// when the sets that it asks hold something of this network.
import type { NetworkStep } from '../engine.ts';
import { type NftChain, type NftElement, type NftListing, readNftListing } from './listing.ts';
import { type Belongings, type Hook, type Story, shortened, step, type Walk } from './walk.ts';

const CHAIN_AT: Readonly<Record<Hook, string>> = {
  raw: 'guard',
  prerouting: 'prerouting',
  output: 'output',
  forward: 'forward',
  mangle: 'sent',
  postrouting: 'postrouting',
};

const CHAIN_REASONS: Readonly<Record<string, string>> = {
  guard: 'Called for every packet that comes in, before connections are known.',
  prerouting: 'Called for the first packet of a connection that comes in from a link.',
  output: 'The other entrance: what a program of this host opens does not come in from a link.',
  publish: 'The published ports: two maps, so that many cost no more than one.',
  forward: 'Called for every packet that goes through this host, from one interface to another.',
  judge: 'Asked for what goes to or comes from a bridge of ours; it counts for all of them.',
  user: 'Rules that you added: never touched by the engine.',
  sent: 'Called for every packet before it leaves; here it is only counted.',
  traffic: 'Counts both directions of each published port.',
  postrouting: 'Called for the first packet of a connection before it leaves.',
};

/** The first that matches the rule's text says why it is there. */
const RULE_REASONS: readonly (readonly [RegExp, string])[] = [
  [/^ip daddr 127.* return$/, 'From a link nobody can mean the loopback of this host.'],
  [/^fib daddr type local/, 'Is an address of this host meant? Then it may be a published port.'],
  [/map @one/, 'Ports that are published on one address of the host.'],
  [/map @any/, 'Ports that are published on every address of the host.'],
  [/ip [ds]addr 127.* drop$/, "A container must not reach the host's loopback by route_localnet."],
  [/goto judge$/, 'Is one of our bridges on its way? The rules of others are left to others.'],
  [/^jump user$/, "The administrator's own rules come first: `nft add rule` them to this chain."],
  [/^ct state established/, 'Belongs to a connection that was let through before.'],
  [/@talk/, 'Neighbours of one bridge may talk (icc). They meet this only with br_netfilter.'],
  [/@closed/, 'An internal network has no way in or out.'],
  [/^ct status dnat oifname .*@open/, 'Was translated to a port that is published: let it in.'],
  [/@routed.*@open/, 'A routed network: its published ports are reached by their own addresses.'],
  [/@routed.*icmp/, 'A routed network answers pings.'],
  [/@trusted/, 'Neighbours of a trusted interface may use the address of the container.'],
  [/@linked/, 'A container was linked to this one (--link): it may ask for what that exposes.'],
  [/@direct/, 'nat-unprotected: every port is open to who has a route here.'],
  [/^oifname @ours drop$/, 'What nobody published stays outside, from other bridges too.'],
  [/^accept$/, 'A container may go out.'],
  [/jump traffic$/, 'Only connections to published ports are counted.'],
  [/@traffic/, 'Packets and bytes of each published port.'],
  [
    /^ct status dnat oifname .*masquerade$/,
    'Hairpin: a neighbour came by the published port, so its answer must come back through here.',
  ],
  [/@own\d return$/, 'Stays on its own bridge: nothing to translate.'],
  [
    /127\.0\.0\.0\/8 masquerade$/,
    "From this host's localhost: gets the address of the bridge, which the container can answer.",
  ],
  [/@snat/, 'Leaves with the address that the network was given for this.'],
  [
    /masquerade$/,
    'Leaves with the address of the interface that it leaves by; answers find back by it.',
  ],
];

const JUMP = /\b(?:jump|goto) (\S+)$/;
/** Sets whose elements are worth telling: they count, or lead somewhere. */
const TOLD = /^(any|one|traffic|snat|masq)\d$/;

export function nftWalk(text: string, belongings: Belongings): Walk {
  const listing = readNftListing(text);
  const told = { in: new Set<string>(), out: new Set<string>() };
  const names = new Set([`"${belongings.bridge}"`, ...belongings.subnets, ...belongings.ips]);
  return (hook, story) => {
    const chain = listing.chains.get(CHAIN_AT[hook]);
    if (chain === undefined) return [];
    return walkChain(chain, { listing, story, told: told[story], names });
  };
}

type Way = {
  readonly listing: NftListing;
  readonly story: Story;
  /** Chains that were told already. */
  readonly told: Set<string>;
  readonly names: ReadonlySet<string>;
};

function walkChain(chain: NftChain, way: Way): readonly NetworkStep[] {
  if (way.told.has(chain.name)) return [];
  way.told.add(chain.name);
  const hook = chain.hook === undefined ? '' : ` { ${chain.hook} }`;
  const head = step('chain', `chain ${chain.name}${hook}`, CHAIN_REASONS[chain.name] ?? '');
  const steps = chain.rules.flatMap((rule) => {
    if (!isOnTheWay(rule.text, way)) return [];
    const why = RULE_REASONS.find(([pattern]) => pattern.test(rule.text))?.[1] ?? '';
    const target = way.listing.chains.get(JUMP.exec(rule.text)?.[1] ?? '');
    return [
      step('rule', rule.text, why, rule.counter),
      ...elementsOf(rule.text, way),
      ...(target === undefined ? [] : walkChain(target, way)),
    ];
  });
  return steps.length === 0 ? [] : [head, ...steps];
}

function isOnTheWay(text: string, way: Way): boolean {
  if (!isOfStory(text, way.story)) return false;
  // A rule whose sets hold nothing of this network never meets its packets.
  const sets = [...text.matchAll(/@(\w+)/g)].map(([, name]) => name ?? '');
  return sets.every((set) => ofNetwork(set, way).length > 0);
}

function isOfStory(text: string, story: Story): boolean {
  if (/^(ct status dnat|oifname @(routed|direct|closed)|iifname \. oifname @trusted)/.test(text)) {
    return story === 'in';
  }
  if (/^oifname @ours (goto|ip saddr 127)/.test(text)) return story === 'in';
  if (/^iifname @(ours|closed)|@(own|snat|masq)\d|^accept$/.test(text)) return story === 'out';
  return true;
}

function ofNetwork(set: string, { listing, names }: Way): readonly NftElement[] {
  const parts = (element: NftElement): readonly string[] =>
    `${element.key} . ${element.value ?? ''}`.split(' . ');
  return (listing.sets.get(set) ?? []).filter((one) => parts(one).some((part) => names.has(part)));
}

function elementsOf(text: string, way: Way): readonly NetworkStep[] {
  const set = /@(\w+)/.exec(text)?.[1] ?? '';
  // "saddr" counts the answers with the elements that "daddr" has told.
  if (!TOLD.test(set) || way.told.has(`@${set}`)) return [];
  way.told.add(`@${set}`);
  const steps = ofNetwork(set, way).map(({ key, value, counter }) =>
    step(
      'element',
      `${set} { ${key}${value === undefined ? '' : ` : ${value}`} }`,
      /^(any|one)/.test(set) ? 'Its packets are connections: what follows is known by then.' : '',
      counter,
    ),
  );
  return shortened(steps, 'published ports');
}
