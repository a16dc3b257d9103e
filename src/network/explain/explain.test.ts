// Stories from listings as nft and iptables-save write them, made from the rules that the engine
// writes: a rule that is added there and told without a reason here fails.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linkElement, networkElements, portElements } from '#kernel/netfilter/element.ts';
import type { FirewallBackendName } from '#kernel/netfilter/firewall.ts';
import { FULL_RULES, type Rule } from '#kernel/netfilter/iptables-rule.ts';
import { CHAINS, SETS } from '#kernel/netfilter/nft-schema.ts';
import type { FirewallNetwork, LinkedPort, PublishedPort } from '#kernel/netfilter/state.ts';
import type { LinkState } from '#kernel/netlink/link-state.ts';
import type { NetworkExplanation, NetworkStep } from '../engine.ts';
import { plugged } from '../names/testing-plugged.ts';
import { explainNetwork } from './explain.ts';
import type { Inside, NetworkFacts } from './facts.ts';

const SHOP: FirewallNetwork = {
  id: 'shop',
  bridge: 'co-shop',
  subnets: ['172.18.0.0/16', 'fd00:1::/64'],
  internal: false,
  icc: true,
  masquerade4: true,
  masquerade6: true,
  gatewayMode4: 'nat',
  gatewayMode6: 'nat',
};
const OTHER: FirewallNetwork = {
  ...SHOP,
  id: 'other',
  bridge: 'co-other',
  subnets: ['172.19.0.0/16'],
};
const WEB: PublishedPort = {
  container: 'web',
  network: 'shop',
  bridge: 'co-shop',
  protocol: 'tcp',
  hostIp: '0.0.0.0',
  hostPort: 8080,
  ip: '172.18.0.2',
  port: 80,
};
const WEB6 = { ...WEB, hostIp: '::', ip: 'fd00:1::2' };
const ELSEWHERE = { ...WEB, network: 'other', bridge: 'co-other', hostPort: 99, ip: '172.19.0.2' };

type Rules = {
  readonly networks: readonly FirewallNetwork[];
  readonly ports: readonly PublishedPort[];
  readonly links?: readonly LinkedPort[];
};

/** `nft list table`: every rule that counts has counted 3 packets of 180 bytes together. */
function nftListing({ networks, ports, links = [] }: Rules): string {
  const elements = [
    ...networks.flatMap(networkElements),
    ...ports.flatMap((port) => {
      const network = networks.find(({ id }) => id === port.network);
      return network === undefined ? [] : portElements(port, network);
    }),
    ...links.map(linkElement),
  ];
  const sets = SETS.map(({ name, kind, body }) => {
    const counter = body.includes('counter') ? ' counter packets 7 bytes 420' : '';
    const list = elements
      .filter(({ set }) => set === name)
      .map(({ key, value }) => `${key}${counter}${value === undefined ? '' : ` : ${value}`}`);
    const shown = list.length === 0 ? '' : `\t\telements = { ${list.join(',\n\t\t\t     ')} }\n`;
    return `\t${kind} ${name} {\n\t\ttype x\n${shown}\t}\n`;
  });
  const chains = CHAINS.map(({ name, hook, rules }) => {
    const lines = [...(hook === undefined ? [] : [hook]), ...rules].map(
      (line) => `\t\t${line.replace(/\bcounter\b/, 'counter packets 3 bytes 180')}\n`,
    );
    return `\tchain ${name} {\n${lines.join('')}\t}\n`;
  });
  return `table inet coracle {\n${[...sets, ...chains].join('\n')}}\n`;
}

function iptablesListing({ networks, ports, links = [] }: Rules): string {
  const line = (program: string, { table, chain, text }: Rule, prefix: string): string =>
    `${program} -t ${table} [3:180] -A ${prefix}${chain} ${text.replaceAll('@', 'CORACLE-')}`;
  return ([4, 6] as const)
    .flatMap((family) => {
      const program = family === 4 ? 'iptables' : 'ip6tables';
      const own = [
        ...FULL_RULES.fixed,
        ...networks.flatMap((network) => FULL_RULES.network(network, family)),
        ...ports.flatMap((port) => {
          const network = networks.find(({ id }) => id === port.network);
          return network === undefined ? [] : FULL_RULES.port(port, network, family);
        }),
        ...links.flatMap((one) => FULL_RULES.link(one, family)),
      ];
      return [
        ...FULL_RULES.hooks(family).map((rule) => line(program, rule, '')),
        ...own.map((rule) => line(program, rule, 'CORACLE-')),
      ];
    })
    .join('\n');
}

const link = (index: number, name: string, more: Partial<LinkState> = {}): LinkState => ({
  index,
  name,
  mtu: 1500,
  up: true,
  carrier: true,
  loopback: false,
  ...more,
});

const STATISTICS = { rxErrors: 0n, txErrors: 0n, rxDropped: 0n, txDropped: 0n };

const HOST: Inside = {
  links: [
    link(1, 'lo', { loopback: true }),
    link(2, 'eth0'),
    link(3, 'co-shop', { kind: 'bridge', mac: '02:42:ac:12:00:01' }),
    link(4, 'cvweb', {
      kind: 'veth',
      master: 3,
      port: { hairpin: true },
      statistics: { ...STATISTICS, rxPackets: 5n, rxBytes: 500n, txPackets: 9n, txBytes: 900n },
    }),
  ],
  addresses: [
    {
      link: 2,
      family: 'inet',
      address: '10.9.0.1',
      prefixLength: 24,
      scope: 'global',
      tentative: false,
      duplicate: false,
    },
  ],
  routes: [
    {
      family: 'inet',
      to: 'default',
      via: '10.9.0.254',
      link: 2,
      table: 254,
      type: 'unicast',
      protocol: 'boot',
      scope: 'global',
    },
    {
      family: 'inet',
      to: '172.18.0.0/16',
      link: 3,
      source: '172.18.0.1',
      table: 254,
      type: 'unicast',
      protocol: 'kernel',
      scope: 'link',
    },
  ],
};

function factsOf(backend: FirewallBackendName, rules: Rules, host = HOST): NetworkFacts {
  const { sandbox, plugs } = plugged('web', [{ network: 'shop', ip: WEB.ip, ip6: WEB6.ip }]);
  const [plug] = plugs;
  assert.ok(plug);
  const listing = backend === 'nftables' ? nftListing(rules) : iptablesListing(rules);
  const record = {
    ...plug.network,
    internal: rules.networks[0]?.internal ?? false,
    ipam: {
      ...plug.network.ipam,
      subnets: SHOP.subnets.map((subnet) => ({
        subnet,
        auxAddresses: {},
        userConfigured: false,
      })),
    },
  };
  return {
    network: { record, bridge: 'co-shop' },
    host,
    forwarding: { 4: '1', 6: undefined },
    members: [
      {
        sandbox: {
          ...sandbox,
          ports: [{ port: 80, protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 8080 }],
        },
        plug: { ...plug, endpoint: { ...plug.endpoint, hostInterface: 'cvweb' } },
        inside: undefined,
      },
    ],
    more: 0,
    firewall: { backend, listing, amiss: [] },
  };
}

const RULES: Rules = { networks: [SHOP, OTHER], ports: [WEB, WEB6, ELSEWHERE] };

function story(explanation: NetworkExplanation, name: string): readonly NetworkStep[] {
  return explanation.groups.find((group) => group.name.startsWith(name))?.steps ?? [];
}

const texts = (steps: readonly NetworkStep[]): string => steps.map(({ text }) => text).join('\n');

test('from outside: DNAT, route, judgement, traffic, veth pair, in the order of a packet', () => {
  const steps = story(explainNetwork(factsOf('nftables', RULES)), 'a packet from outside');
  assert.match(
    texts(steps),
    new RegExp(
      [
        '^inet 10.9.0.1/24 dev eth0',
        'chain prerouting \\{ type nat hook prerouting priority dstnat \\}',
        'chain publish',
        'any4 \\{ tcp . 8080 : 172.18.0.2 . 80 \\}',
        '172.18.0.0/16 dev co-shop scope link src 172.18.0.1',
        'chain forward',
        'chain judge',
        'ct status dnat .*@open4 accept',
        'oifname @ours drop',
        'chain traffic',
        'traffic4 \\{ 172.18.0.2 . tcp . 80 \\}',
        'chain postrouting',
        'co-shop port cvweb \\(hairpin\\) -> eth0 in web$',
      ].join('[^]*'),
    ),
  );
  const port = steps.find(({ text }) => text.startsWith('any4'));
  assert.deepEqual([port?.packets, port?.bytes], [7n, 420n]);
  const drop = steps.find(({ text }) => text === 'oifname @ours drop');
  assert.deepEqual([drop?.packets, drop?.bytes], [3n, 180n]);
  assert.deepEqual([steps.at(-1)?.packets, steps.at(-1)?.bytes], [9n, 900n]);
});

test('outwards: veth pair, guard, route of the host, judgement, masquerade', () => {
  const steps = story(explainNetwork(factsOf('nftables', RULES)), 'a packet from a container');
  assert.match(
    texts(steps),
    new RegExp(
      [
        '^eth0 in web -> co-shop port cvweb',
        'chain guard',
        'default via 10.9.0.254 dev eth0',
        'iifname @ours goto judge',
        '\naccept',
        'ip saddr @masq4 masquerade',
        'masq4 \\{ 172.18.0.0/16 \\}',
        'inet 10.9.0.1/24 dev eth0$',
      ].join('[^]*'),
    ),
  );
  assert.deepEqual([steps[0]?.packets, steps[0]?.bytes], [5n, 500n]);
});

for (const backend of ['nftables', 'iptables'] as const) {
  test(`${backend}: nothing of another network is told`, () => {
    const all = explainNetwork(factsOf(backend, RULES)).groups.flatMap(({ steps }) => steps);
    assert.doesNotMatch(texts(all), /co-other|172\.19|\b99\b/);
    assert.match(texts(all), /8080/);
    assert.match(texts(all), /fd00:1::2/);
  });

  test(`${backend}: every rule has its reason`, () => {
    const kinds: readonly Partial<FirewallNetwork>[] = [
      {},
      { internal: true },
      { icc: false, trusted: ['eth1'] },
      { gatewayMode4: 'routed', gatewayMode6: 'routed' },
      { direct4: true, direct6: true },
      { snat4: '10.9.0.7', snat6: 'fd00:9::7' },
    ];
    const steps = kinds.flatMap((kind) => {
      const on = { ...WEB, hostIp: '10.9.0.1', protocol: 'udp' as const };
      const on6 = { ...WEB6, hostIp: 'fd00:9::1', protocol: 'udp' as const };
      const links = [{ ...WEB, asking: 'db', asked: 'web', from: '10.9.0.5', to: WEB.ip }];
      const rules = { networks: [{ ...SHOP, ...kind }], ports: [WEB, WEB6, on, on6], links };
      return explainNetwork(factsOf(backend, rules)).groups.flatMap((group) => group.steps);
    });
    const told = steps.filter(({ kind }) => kind === 'rule' || kind === 'chain');
    assert.deepEqual(
      told.filter(({ why }) => why === '').map(({ text }) => text),
      [],
    );
    if (backend === 'iptables') return;
    // "received" only counts what "sent" counts, of packets for this host itself.
    const rules = CHAINS.filter(({ name }) => name !== 'received').flatMap((chain) => chain.rules);
    const known = new Set(told.map(({ text }) => text));
    const untold = rules.filter((rule) => !known.has(rule.replace(/\bcounter /, '')));
    assert.deepEqual(untold, []);
  });
}

test('iptables: the chains are told in the order of the jumps, with their counters', () => {
  const steps = story(explainNetwork(factsOf('iptables', RULES)), 'a packet from outside');
  assert.match(
    texts(steps),
    new RegExp(
      [
        'iptables -t nat -A PREROUTING .*-j CORACLE-PUBLISH',
        'iptables -t nat -A CORACLE-PUBLISH .*--dport 8080 -j DNAT',
        'ip6tables -t nat -A PREROUTING',
        '172.18.0.0/16 dev co-shop',
        'iptables -t filter -A FORWARD -j CORACLE-FORWARD',
        'iptables -t filter -A CORACLE-FORWARD -o co-shop -j CORACLE-JUDGE',
        'iptables -t filter -A CORACLE-JUDGE -m conntrack --ctstate DNAT -j CORACLE-OPEN',
        'iptables -t filter -A CORACLE-OPEN -d 172.18.0.2/32 -o co-shop .*--dport 80 -j ACCEPT',
        'iptables -t filter -A CORACLE-DROP -o co-shop -j DROP',
        '-A POSTROUTING -j CORACLE-POSTROUTING',
      ].join('[^]*'),
    ),
  );
  assert.deepEqual(steps.find(({ kind }) => kind === 'rule')?.packets, 3n);
  const out = story(explainNetwork(factsOf('iptables', RULES)), 'a packet from a container');
  assert.match(texts(out), /-s 172\.18\.0\.0\/16 ! -o co-shop -j MASQUERADE/);
  assert.doesNotMatch(texts(out), /DNAT/);
});

test('an internal network is closed at its bridge, and has no way out', () => {
  const rules = { networks: [{ ...SHOP, internal: true }], ports: [] };
  const explanation = explainNetwork(factsOf('nftables', rules));
  assert.match(texts(story(explanation, 'a packet from a container')), /iifname @closed drop/);
  assert.match(texts(story(explanation, 'a packet from outside')), /oifname @closed drop/);
  assert.doesNotMatch(texts(story(explanation, 'a packet from a container')), /default via/);
});

test('a bridge that is not there yet is said to come with the first container', () => {
  const bare = { ...HOST, links: HOST.links.slice(0, 2) };
  const { groups } = explainNetwork({ ...factsOf('nftables', RULES, bare), members: [] });
  assert.deepEqual(
    groups.map(({ name }) => name),
    ['what it is made of'],
  );
  assert.match(texts(groups[0]?.steps ?? []), /co-shop \(not there\)/);
});

test('many published ports are told as the first ones and a number', () => {
  const ports = Array.from({ length: 40 }, (_, at) => ({ ...WEB, hostPort: 9000 + at }));
  for (const backend of ['nftables', 'iptables'] as const) {
    const facts = factsOf(backend, { networks: [SHOP], ports });
    const steps = story(explainNetwork(facts), 'a packet from outside');
    assert.match(texts(steps), /… and 8 more published ports/);
  }
});
