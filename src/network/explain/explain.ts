// A network as a story: what it is made of, and what a packet meets on its way in and out, in the
// order in which it meets it, with live counters. For somebody who is learning. Pure but for the
// look at the kernel (facts.ts).
import { formatBurst, formatRate } from '#base/net-rate.ts';
import type { AddressState } from '#kernel/netlink/address.ts';
import type { LinkState } from '#kernel/netlink/link-state.ts';
import type { NetworkExplanation, NetworkRate, NetworkStep } from '../engine.ts';
import type { ExplainPart } from '../parts.ts';
import { type Eyes, type Inside, look, type Member, type NetworkFacts } from './facts.ts';
import { iptablesWalk } from './iptables.ts';
import { nftWalk } from './nftables.ts';
import { type Hook, shortened, step, type Story, type Walk } from './walk.ts';
import { addressText, linkText, routeText } from './words.ts';

export function makeExplainer(eyes: Eyes): ExplainPart {
  return {
    explain: async (network, targets) => explainNetwork(await look(eyes, network, targets)),
  };
}

type Group = { readonly name: string; readonly steps: readonly NetworkStep[] };

export function explainNetwork(facts: NetworkFacts): NetworkExplanation {
  const { record } = facts.network;
  const walk = walkOf(facts);
  const groups: readonly Group[] = [
    { name: 'what it is made of', steps: parts(facts) },
    { name: 'its containers', steps: containers(facts) },
    ...(walk === undefined
      ? []
      : [
          { name: 'a packet from outside to a published port', steps: inwards(facts, walk) },
          { name: 'a packet from a container outwards', steps: outwards(facts, walk) },
          { name: 'a packet between its containers', steps: within(facts) },
        ]),
    {
      name: 'not as it should be',
      steps: facts.firewall.amiss.map((text) =>
        step('rule', text, 'The engine looks about once a second, and puts right what is its own.'),
      ),
    },
  ];
  const told = groups.filter(({ steps }) => steps.length > 0);
  return { id: record.id, name: record.name, driver: record.driver, groups: told };
}

/** undefined: no rule of ours has to do with it. */
function walkOf({ network, host, members, firewall }: NetworkFacts): Walk | undefined {
  const { bridge, record } = network;
  if (bridge === undefined || !host.links.some(({ name }) => name === bridge)) return undefined;
  const belongings = {
    bridge,
    subnets: record.ipam.subnets.map(({ subnet }) => subnet),
    ips: members.flatMap(({ plug }) =>
      [plug.endpoint.ip, plug.endpoint.ip6].filter((ip) => ip !== undefined),
    ),
  };
  return firewall.backend === 'nftables'
    ? nftWalk(firewall.listing, belongings)
    : iptablesWalk(firewall.listing, belongings);
}

const DRIVERS: Readonly<Record<NetworkExplanation['driver'], string>> = {
  bridge: 'A switch in the kernel: each container is plugged in by a veth pair.',
  host: "No network of its own: containers use the host's interfaces, addresses and ports.",
  null: 'Only a loopback interface: nothing comes in or goes out.',
  macvlan: 'Each container has an interface with its own MAC on an interface of the host.',
  ipvlan: 'Each container has an interface that shares the MAC of an interface of the host.',
};

function parts(facts: NetworkFacts): readonly NetworkStep[] {
  const { network, host, forwarding } = facts;
  const { record, bridge } = network;
  const subnets = record.ipam.subnets.map(({ subnet, ipRange: range, gateway }) => {
    const part = range === undefined || range === subnet ? '' : ` range ${range}`;
    const via = gateway === undefined ? '' : ` gateway ${gateway}`;
    return step('subnet', `${subnet}${part}${via}`, 'Where its containers get addresses from.');
  });
  const kind = record.internal ? `${record.driver}, internal` : record.driver;
  const driver = step('driver', kind, DRIVERS[record.driver]);
  if (bridge === undefined) return [driver, ...subnets, ...parentOf(facts)];
  const link = host.links.find(({ name }) => name === bridge);
  if (link === undefined) {
    const why =
      'Made with the first container that starts here; until then the host is not touched.';
    return [driver, ...subnets, step('bridge', `${bridge} (not there)`, why)];
  }
  return [
    driver,
    ...subnets,
    step('bridge', linkText(link), 'The switch itself, and an interface of the host on it.'),
    ...addressesOn(link, facts, 'The gateway: the address of the host on this network.'),
    ...routesTo(link, facts, 'How this host finds the containers.'),
    ...forwardingSteps(record.internal ? {} : forwarding),
  ];
}

function parentOf({ network, host }: NetworkFacts): readonly NetworkStep[] {
  const parent = network.record.options['parent'];
  const link = host.links.find(({ name }) => name === parent);
  if (parent === undefined) return [];
  const why =
    'The interface of the host that carries it. No rule of ours applies: frames leave by the link, ' +
    'and the host itself cannot reach the containers by it.';
  return [step('parent', link === undefined ? `${parent} (not there)` : linkText(link), why)];
}

function forwardingSteps(values: Partial<NetworkFacts['forwarding']>): readonly NetworkStep[] {
  const why = 'Lets packets go through this host; switched on when a network first needs it.';
  return [
    ...(values[4] === undefined ? [] : [step('sysctl', `net.ipv4.ip_forward = ${values[4]}`, why)]),
    ...(values[6] === undefined
      ? []
      : [step('sysctl', `net.ipv6.conf.all.forwarding = ${values[6]}`, why)]),
  ];
}

function addressesOn(link: LinkState, { host }: NetworkFacts, why: string): NetworkStep[] {
  return host.addresses
    .filter((one) => one.link === link.index && one.scope === 'global')
    .map((one) => step('address', addressText(one, host), why));
}

function routesTo(link: LinkState, { host }: NetworkFacts, why: string): NetworkStep[] {
  return host.routes
    .filter((route) => route.link === link.index && !route.to.startsWith('fe80:'))
    .map((route) => step('route', routeText(route, host), why));
}

function containers(facts: NetworkFacts): readonly NetworkStep[] {
  const steps = facts.members.flatMap((member) => containerSteps(member, facts));
  if (facts.more === 0) return steps;
  return [...steps, step('', `… and ${facts.more} more containers`, '')];
}

function containerSteps({ sandbox, plug, inside }: Member, facts: NetworkFacts): NetworkStep[] {
  const { endpoint } = plug;
  const where = ` in ${sandbox.containerName}`;
  const pinned =
    'Its network namespace, held by a mount: `nsenter --net=PATH ip address` looks in.';
  const netns = step('netns', `${sandbox.path} (${sandbox.containerName})`, pinned);
  if (inside === undefined) return [netns];
  const link = inside.links.find(({ index }) => index === endpoint.index);
  return [
    netns,
    ...(link === undefined
      ? [step('interface', `${endpoint.interface}${where} (not there)`, 'Somebody removed it.')]
      : [step('interface', linkText(link) + where, interfaceWhy(endpoint.hostInterface))]),
    ...inside.addresses
      .filter((one) => one.link === endpoint.index && one.scope === 'global')
      .map((one) => step('address', addressText(one, inside) + where, 'Taken from the subnet.')),
    ...inside.routes
      .filter((route) => route.link === endpoint.index && route.to === 'default')
      .map((route) => step('route', routeText(route, inside) + where, 'The way out of it.')),
    ...rateSteps(sandbox.rate, where),
    ...nameSteps(endpoint.dnsNames, facts),
  ];
}

function interfaceWhy(hostInterface: string | undefined): string {
  if (hostInterface === undefined) return 'Its interface.';
  return `One end of a veth pair: what goes in here comes out of ${hostInterface} on the host.`;
}

function rateSteps(rate: NetworkRate | undefined, where: string): readonly NetworkStep[] {
  const of = (direction: 'in' | 'out', why: string): readonly NetworkStep[] => {
    const limit = rate?.[direction];
    if (limit === undefined) return [];
    const burst = limit.burstBytes === undefined ? '' : ` burst ${formatBurst(limit.burstBytes)}`;
    const text = `${direction} ${formatRate(limit.bitsPerSecond)}${burst}${where}`;
    return [step('rate', text, why)];
  };
  return [
    ...of('in', 'A token bucket: what is more waits, then is dropped (tc qdisc).'),
    ...of('out', 'The other direction: sent through an ifb, so that it can wait, too.'),
  ];
}

function nameSteps(names: readonly string[], { network }: NetworkFacts): readonly NetworkStep[] {
  // The default bridge has no names, as in Docker.
  if (names.length === 0 || network.record.name === 'bridge') return [];
  const why = 'What the resolver at 127.0.0.11 answers with its address, to neighbours only.';
  return [step('names', names.join(' '), why)];
}

function inwards(facts: NetworkFacts, walk: Walk): readonly NetworkStep[] {
  const { host, network } = facts;
  const bridge = host.links.find(({ name }) => name === network.bridge);
  const published = facts.members.filter(({ sandbox }) => sandbox.ports.length > 0);
  const none = step(
    'port',
    'no port is published',
    'So every new connection ends at the last drop.',
  );
  return [
    ...(published.length === 0 ? [none] : []),
    ...shortened(
      outerAddresses(facts).map((one) =>
        step('address', addressText(one, host), 'It arrives at an address of this host.'),
      ),
      'addresses',
    ),
    ...rules(walk, 'in', ['prerouting', 'output']),
    ...(bridge === undefined
      ? []
      : routesTo(bridge, facts, 'The address of a container leads to the bridge.')),
    ...rules(walk, 'in', ['forward', 'mangle', 'postrouting']),
    ...published.flatMap((member) => pairSteps(member, facts, 'in')),
  ];
}

function outwards(facts: NetworkFacts, walk: Walk): readonly NetworkStep[] {
  const { host } = facts;
  const defaults = host.routes.filter(({ to }) => to === 'default');
  const isOpen = !facts.network.record.internal;
  return [
    ...shortened(
      facts.members.flatMap((member) => pairSteps(member, facts, 'out')),
      'veth pairs',
    ),
    ...rules(walk, 'out', ['raw']),
    ...(isOpen
      ? defaults.map((route) =>
          step('route', routeText(route, host), 'Where this host sends what is not its own.'),
        )
      : []),
    ...rules(walk, 'out', ['forward', 'postrouting']),
    ...(isOpen
      ? outerAddresses(facts)
          .filter(({ link }) => defaultLinks(host).has(link))
          .map((one) =>
            step(
              'address',
              addressText(one, host),
              'It leaves; the answer comes back the same way.',
            ),
          )
      : []),
  ];
}

function rules(walk: Walk, story: Story, hooks: readonly Hook[]): readonly NetworkStep[] {
  return hooks.flatMap((hook) => walk(hook, story));
}

/**
 * Addresses by which the host itself is reached: not those of bridges, unless the way out leads
 * over one.
 */
function outerAddresses({ host }: NetworkFacts): readonly AddressState[] {
  const waysOut = defaultLinks(host);
  const outer = host.links.filter(
    ({ index, loopback, up, kind }) => !loopback && up && (kind !== 'bridge' || waysOut.has(index)),
  );
  return outer.flatMap((link) =>
    host.addresses.filter((one) => one.link === link.index && one.scope === 'global'),
  );
}

function defaultLinks({ routes }: Inside): ReadonlySet<number | undefined> {
  return new Set(routes.filter(({ to }) => to === 'default').map(({ link }) => link));
}

/** A veth pair in the direction of the story; the host's end counts. */
function pairSteps(member: Member, facts: NetworkFacts, story: Story): readonly NetworkStep[] {
  const { endpoint } = member.plug;
  const { bridge } = facts.network;
  const link = facts.host.links.find(({ name }) => name === endpoint.hostInterface);
  if (link === undefined) return [];
  const there = `${endpoint.interface} in ${member.sandbox.containerName}`;
  const flags = [
    ...(link.port?.hairpin === true ? ['hairpin'] : []),
    ...(link.port?.isolated === true ? ['isolated'] : []),
  ];
  const port = `${bridge} port ${link.name}${flags.length === 0 ? '' : ` (${flags.join(', ')})`}`;
  const { rxPackets, rxBytes, txPackets, txBytes } = link.statistics ?? {};
  // What the host's end receives is what the container has sent.
  const counts = story === 'in' ? [txPackets, txBytes] : [rxPackets, rxBytes];
  const [packets = 0n, bytes = 0n] = counts;
  const text = story === 'in' ? `${port} -> ${there}` : `${there} -> ${port}`;
  const why =
    story === 'in'
      ? 'The bridge knows by its MAC behind which port the container is.'
      : 'It goes to its default route: through the pair, to the gateway on the bridge.';
  return [step('veth pair', text, why, { packets, bytes })];
}

function within(facts: NetworkFacts): readonly NetworkStep[] {
  const pairs = facts.members.filter(({ plug }) => plug.endpoint.hostInterface !== undefined);
  if (pairs.length < 2) return [];
  const { host, network } = facts;
  const isolated = pairs.some(
    ({ plug }) =>
      host.links.find(({ name }) => name === plug.endpoint.hostInterface)?.port?.isolated === true,
  );
  const text = pairs.map(({ plug }) => plug.endpoint.hostInterface).join(' ');
  return [
    step(
      'bridge',
      `${network.bridge}: ${text}`,
      isolated
        ? 'Its ports are isolated (icc=false): the bridge passes nothing from one to another.'
        : 'Frames go from port to port inside the bridge; no IP rule is asked.',
    ),
    ...(network.record.name === 'bridge'
      ? []
      : [
          step(
            'names',
            '127.0.0.11:53',
            'A name is asked first: a socket inside the container, answered by the engine.',
          ),
        ]),
  ];
}
