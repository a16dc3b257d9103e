// One conformance suite for both back ends of the firewall, with real packets: a host with four
// bridges, containers on them, and a neighbour on the host's link that also routes to the
// containers' subnets through the host.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import {
  FIREWALL_BACKENDS,
  type Firewall,
  type FirewallBackendName,
  openFirewall,
} from '#kernel/netfilter/firewall.ts';
import { NETWORKS, network, port, STATE } from './firewall-state.ts';
import { NetLab } from './net-lab.ts';

const lab = new NetLab(
  [
    { bridge: 'brA', n: 1, containers: ['a1', 'a2'] },
    { bridge: 'brB', n: 2, containers: ['b1'] },
    { bridge: 'brI', n: 3, containers: ['i1', 'i2'] },
    { bridge: 'brN', n: 4, containers: ['n1', 'n2'] },
    { bridge: 'brR', n: 5, containers: ['r1'] },
  ],
  { host: [7000], out: [80, 9000] },
);
const agent = lab.agent();
before(() => lab.ready());
after(async () => {
  await agent[Symbol.asyncDispose]();
  await lab[Symbol.asyncDispose]();
});

/** The rules of everybody, without what changes by itself. */
function ruleset(): string {
  const texts = [
    lab.run('host', 'iptables-save'),
    lab.run('host', 'ip6tables-save'),
    lab.run('host', 'nft', 'list', 'ruleset'),
  ];
  return texts
    .join('\n')
    .replace(/^#.*$/gm, '')
    .replace(/\[\d+:\d+\]/g, '')
    .replace(/packets \d+ bytes \d+/g, '');
}

type Protocol = 'tcp' | 'udp' | 'sctp';
type Case = readonly [from: string, protocol: Protocol, ip: string, port: number, wanted: string];

/** Asks all at once, since a drop costs the whole wait. */
async function check(cases: readonly Case[]): Promise<void> {
  const text = ([from, protocol, ip, number]: Case): string =>
    `${from} -> ${protocol} ${ip} ${number}`;
  const answers = await Promise.all(
    cases.map(async (one) => {
      const [from, protocol, ip, number, wanted] = one;
      return `${text(one)}: ${await lab.ask(from, { protocol, ip, port: number }, wanted)}`;
    }),
  );
  assert.deepEqual(
    answers,
    cases.map((one) => `${text(one)}: ${one[4]}`),
  );
}

const hasSctp = existsSync('/proc/net/sctp');

function suite(backend: FirewallBackendName): void {
  const open = (table = 'coracle'): Firewall =>
    openFirewall({ backend, table, prefix: lab.prefix, netlink: { agent, namespace: '' } });
  const firewall = open();
  let clean = '';

  before(async () => {
    await lab.ready();
    clean = ruleset();
    await firewall.apply(STATE);
  });
  after(() => firewall.remove());

  // None of these changes a rule, and each drop costs the whole wait.
  describe('while nothing changes', { concurrency: true }, () => {
    test('containers reach out with the address of the host', () =>
      check([
        ['a1', 'tcp', '192.0.2.2', 80, 'out 192.0.2.1'],
        ['a1', 'udp', '192.0.2.2', 80, 'out 192.0.2.1'],
        ['a1', 'tcp', '2001:db8:9::2', 80, 'out 2001:db8:9::1'],
        ['n1', 'tcp', '192.0.2.2', 80, 'out 192.0.2.1'],
      ]));

    test('a published port is reached from outside, and the client keeps its address', () =>
      check([
        ['out', 'tcp', '192.0.2.1', 8080, 'a1 192.0.2.2'],
        ['out', 'udp', '192.0.2.1', 8080, 'a1 192.0.2.2'],
        ['out', 'tcp', '192.0.2.1', 8082, 'b1 192.0.2.2'],
        ['out', 'tcp', '192.0.2.1', 8084, 'n1 192.0.2.2'],
        ['out', 'tcp', '2001:db8:9::1', 8080, 'a1 2001:db8:9::2'],
        ['out', 'tcp', '192.0.2.1', 7000, 'host 192.0.2.2'],
        ...(hasSctp ? [['out', 'sctp', '192.0.2.1', 8080, 'a1 192.0.2.2'] as const] : []),
      ]));

    test('the host reaches a published port by its addresses and by 127.0.0.1', () =>
      check([
        ['host', 'tcp', '192.0.2.1', 8080, 'a1 192.0.2.1'],
        ['host', 'tcp', '127.0.0.1', 8080, 'a1 10.91.1.1'],
        ['host', 'tcp', '127.1.2.3', 8080, 'a1 10.91.1.1'],
        ['host', 'udp', '127.0.0.1', 8080, 'a1 10.91.1.1'],
        ['host', 'tcp', '10.91.1.1', 8080, 'a1 10.91.1.1'],
        ['host', 'tcp', '2001:db8:9::1', 8080, 'a1 2001:db8:9::1'],
        ['host', 'tcp', '10.91.1.2', 81, 'a1 10.91.1.1'],
      ]));

    test('hairpin: a container and its neighbours come back in through the published port', () =>
      check([
        ['a1', 'tcp', '192.0.2.1', 8080, 'a1 10.91.1.1'],
        ['a2', 'tcp', '192.0.2.1', 8080, 'a1 10.91.1.1'],
        ['a2', 'udp', '10.91.1.1', 8080, 'a1 10.91.1.1'],
        ['a2', 'tcp', '2001:db8:9::1', 8080, 'a1 fd91:1::1'],
        ['b1', 'tcp', '192.0.2.1', 8080, 'a1 10.91.1.1'],
      ]));

    test('bridges are closed to each other, within one bridge all is open', () =>
      check([
        ['a1', 'tcp', '10.91.1.3', 81, 'a2 10.91.1.2'],
        ['a1', 'tcp', 'fd91:1::3', 81, 'a2 fd91:1::2'],
        ['a1', 'tcp', '10.91.2.2', 80, 'none'],
        ['b1', 'tcp', '10.91.1.2', 80, 'none'],
        ['b1', 'tcp', '10.91.1.2', 81, 'none'],
        ['b1', 'udp', '10.91.1.2', 81, 'none'],
        ['b1', 'tcp', 'fd91:1::2', 81, 'none'],
      ]));

    test('an internal network has no way out and none in', () =>
      check([
        ['i1', 'tcp', '10.91.3.3', 81, 'i2 10.91.3.2'],
        ['i1', 'tcp', '192.0.2.2', 80, 'none'],
        ['i1', 'udp', '192.0.2.2', 80, 'none'],
        ['i1', 'tcp', '10.91.1.2', 80, 'none'],
        ['i1', 'tcp', '192.0.2.1', 8080, 'none'],
        ['i1', 'tcp', '2001:db8:9::2', 80, 'none'],
        ['a1', 'tcp', '10.91.3.2', 80, 'none'],
        ['out', 'tcp', '10.91.3.2', 80, 'none'],
        ['out', 'tcp', '192.0.2.1', 8083, 'refused 111'],
      ]));

    test('icc=false: neighbours are closed, ways out and published ports are open', () =>
      check([
        ['n1', 'tcp', '10.91.4.3', 80, 'none'],
        ['n2', 'udp', '10.91.4.2', 80, 'none'],
        ['n2', 'tcp', '192.0.2.2', 80, 'out 192.0.2.1'],
        ['out', 'tcp', '192.0.2.1', 8084, 'n1 192.0.2.2'],
      ]));

    test('the neighbour that routes to a container directly is dropped, published or not', () =>
      check([
        ['out', 'tcp', '10.91.1.2', 81, 'none'],
        ['out', 'udp', '10.91.1.2', 81, 'none'],
        ['out', 'tcp', '10.91.1.2', 80, 'none'],
        ['out', 'tcp', 'fd91:1::2', 81, 'none'],
        ['out', 'tcp', 'fd91:1::2', 80, 'none'],
      ]));

    test('a routed network is reached by the container’s address, at its published ports only', () =>
      check([
        ['out', 'tcp', '10.91.5.2', 80, 'r1 192.0.2.2'],
        ['out', 'tcp', '10.91.5.2', 81, 'none'],
        ['r1', 'tcp', '192.0.2.2', 80, 'out 10.91.5.2'],
        ['out', 'tcp', '192.0.2.1', 8085, 'refused 111'],
      ]));
  });

  test('an unprotected network is reached at every port of the families that it names', async () => {
    const change = { removeNetworks: ['B'], addNetworks: [network('B', 2, { direct4: true })] };
    await firewall.change(change);
    await check([
      ['out', 'tcp', '10.91.2.2', 81, 'b1 192.0.2.2'],
      ['out', 'tcp', 'fd91:2::2', 81, 'none'],
      ['out', 'tcp', '10.91.1.2', 81, 'none'],
    ]);
    await firewall.apply(STATE);
  });

  test('what is published on 127.0.0.1 is for the host alone', async () => {
    await check([
      ['host', 'tcp', '127.0.0.1', 8090, 'a2 10.91.1.1'],
      ['host', 'tcp', '192.0.2.1', 8090, 'refused 111'],
      ['out', 'tcp', '192.0.2.1', 8090, 'refused 111'],
      ['out', 'tcp', '192.0.2.1', 8091, 'a2 192.0.2.2'],
      ['host', 'tcp', '127.0.0.1', 8091, 'a2 10.91.1.1'],
      ['out', 'tcp', '2001:db8:9::1', 8091, 'a2 2001:db8:9::2'],
    ]);
    // A neighbour and a container that address our loopback across the link.
    const across = async (name: string, via: string): Promise<void> => {
      lab.run(name, 'ip', 'addr', 'del', '127.0.0.1/8', 'dev', 'lo');
      lab.run(name, 'ip', 'route', 'add', '127.0.0.1', 'via', via);
      lab.run(name, 'sysctl', '-qw', 'net.ipv4.conf.eth0.route_localnet=1');
      try {
        await check([
          [name, 'tcp', '127.0.0.1', 8090, 'none'],
          [name, 'tcp', '127.0.0.1', 8080, 'none'],
          [name, 'tcp', '127.0.0.1', 7000, 'none'],
          [name, 'udp', '127.0.0.1', 7000, 'none'],
        ]);
      } finally {
        lab.run(name, 'ip', 'route', 'del', '127.0.0.1', 'via', via);
        lab.run(name, 'ip', 'addr', 'add', '127.0.0.1/8', 'dev', 'lo');
      }
    };
    await Promise.all([across('out', '192.0.2.1'), across('b1', '10.91.2.1')]);
  });

  test('a change adds and removes ports and networks while others stay', async () => {
    const extra = port(8100, '10.91.1.3');
    await firewall.change({ addPorts: [extra] });
    await check([['out', 'tcp', '192.0.2.1', 8100, 'a2 192.0.2.2']]);
    await assert.rejects(firewall.change({ addPorts: [{ ...extra, container: 'other' }] }), {
      code: 'conflict',
      message: 'Bind for 0.0.0.0:8100 failed: port is already allocated',
    });
    await firewall.change({ removePorts: [{ ...extra, container: 'other' }] });
    await firewall.change({ removePorts: [extra], removeNetworks: ['B'] });
    await check([
      ['out', 'tcp', '192.0.2.1', 8100, 'refused 111'],
      ['out', 'tcp', '192.0.2.1', 8082, 'refused 111'],
      ['out', 'tcp', '192.0.2.1', 8080, 'a1 192.0.2.2'],
    ]);
    const [, B] = NETWORKS;
    assert.ok(B);
    await firewall.change({ addNetworks: [B], addPorts: [port(8082, '10.91.2.2')] });
    await check([['out', 'tcp', '192.0.2.1', 8082, 'b1 192.0.2.2']]);
    assert.equal((await firewall.verify()).ok, true);
  });

  test('many changes at once share a transaction; a refused one fails alone', async () => {
    const ports = Array.from({ length: 20 }, (_, n) => port(8200 + n, '10.91.1.3'));
    const results = await Promise.allSettled([
      ...ports.map((one) => firewall.change({ addPorts: [one] })),
      firewall.change({ addPorts: [port(8200, '10.91.1.2')] }),
    ]);
    assert.deepEqual(
      results.map(({ status }) => status),
      [...ports.map(() => 'fulfilled'), 'rejected'],
    );
    assert.deepEqual(await firewall.verify(), {
      ok: true,
      missing: [],
      unexpected: [],
      warnings: [],
    });
    await firewall.change({ removePorts: ports });
    assert.equal((await firewall.verify()).ok, true);
  });

  test('each published port is counted', async () => {
    const count = async (hostPort: number) => {
      const all = await firewall.counters();
      assert.equal(all.length, STATE.ports.length);
      return all.find((one) => one.port.hostPort === hostPort)?.connections ?? -1n;
    };
    const earlier = await count(8082);
    await check([
      ['out', 'tcp', '192.0.2.1', 8082, 'b1 192.0.2.2'],
      ['out', 'tcp', '192.0.2.1', 8082, 'b1 192.0.2.2'],
    ]);
    assert.equal((await count(8082)) - earlier, 2n);
    if (backend !== 'nftables') return;
    const traffic = (await firewall.counters()).find((one) => one.port.hostPort === 8082);
    assert.ok((traffic?.packets ?? 0n) >= 16n, `${traffic?.packets} packets`);
  });

  test('a flush is seen and repaired, and what others have is left', async () => {
    lab.run('host', 'nft', 'add', 'table', 'inet', 'others');
    lab.run('host', 'nft', 'flush', 'ruleset');
    const found = await firewall.repair();
    assert.equal(found.ok, false);
    assert.ok(found.missing.length > 10);
    assert.equal((await firewall.verify()).ok, true);
    await check([['out', 'tcp', '192.0.2.1', 8080, 'a1 192.0.2.2']]);
    // A change right after a flush repairs by itself.
    lab.run('host', 'nft', 'flush', 'ruleset');
    await firewall.change({ removePorts: [port(8082, '10.91.2.2')] });
    await firewall.change({ addPorts: [port(8082, '10.91.2.2')] });
    assert.equal((await firewall.verify()).ok, true);
    await check([
      ['out', 'tcp', '192.0.2.1', 8082, 'b1 192.0.2.2'],
      ['out', 'tcp', '10.91.1.2', 81, 'none'],
    ]);
  });

  test('it works where another has set the FORWARD policy to DROP, before or after', async () => {
    for (const program of ['iptables', 'ip6tables']) {
      lab.run('host', program, '-P', 'FORWARD', 'DROP');
      lab.run('host', program, '-A', 'FORWARD', '-j', 'REJECT');
    }
    try {
      await firewall.repair();
      assert.equal((await firewall.verify()).ok, true);
      await check([
        ['out', 'tcp', '192.0.2.1', 8080, 'a1 192.0.2.2'],
        ['out', 'tcp', '2001:db8:9::1', 8080, 'a1 2001:db8:9::2'],
        ['a1', 'tcp', '192.0.2.2', 80, 'out 192.0.2.1'],
        ['a1', 'tcp', '10.91.1.3', 81, 'a2 10.91.1.2'],
        ['out', 'tcp', '10.91.1.2', 81, 'none'],
        ['a1', 'tcp', '10.91.2.2', 80, 'none'],
      ]);
      await firewall.change({ removeNetworks: ['R'] });
      assert.equal((await firewall.verify()).ok, true);
    } finally {
      for (const program of ['iptables', 'ip6tables']) {
        lab.run('host', program, '-D', 'FORWARD', '-j', 'REJECT');
        lab.run('host', program, '-P', 'FORWARD', 'ACCEPT');
      }
      // What the other made is the other's to remove; our own iptables chains live in it too.
      if (backend === 'nftables') {
        await firewall.repair();
        for (const family of ['ip', 'ip6'])
          lab.run('host', 'nft', 'delete', 'table', family, 'filter');
      }
    }
    await firewall.apply(STATE);
  });

  test('the administrator’s own rules come first and survive', async () => {
    const add =
      backend === 'nftables'
        ? ['nft', 'add', 'rule', 'inet', 'coracle', 'user', 'ip', 'saddr', '192.0.2.2', 'drop']
        : ['iptables', '-A', 'CORACLE-USER', '-s', '192.0.2.2', '-j', 'DROP'];
    lab.run('host', ...add);
    await firewall.apply(STATE);
    assert.equal((await firewall.verify()).ok, true);
    await check([['out', 'tcp', '192.0.2.1', 8080, 'none']]);
    const flush =
      backend === 'nftables'
        ? ['nft', 'flush', 'chain', 'inet', 'coracle', 'user']
        : ['iptables', '-F', 'CORACLE-USER'];
    lab.run('host', ...flush);
    await check([['out', 'tcp', '192.0.2.1', 8080, 'a1 192.0.2.2']]);
  });

  test('two engines live side by side, and each removes only its own', async () => {
    const other = open('second');
    await other.apply({
      networks: [NETWORKS[1] ?? network('B', 2)],
      ports: [port(8300, '10.91.2.2')],
    });
    assert.equal((await firewall.verify()).ok, true);
    await check([['out', 'tcp', '192.0.2.1', 8300, 'b1 192.0.2.2']]);
    await other.remove();
    assert.equal((await firewall.repair()).ok, true);
    await check([['out', 'tcp', '192.0.2.1', 8080, 'a1 192.0.2.2']]);
  });

  test('a new engine adopts what an earlier one left, and writes nothing', async () => {
    const next = open();
    const before = ruleset();
    assert.equal((await next.adopt(STATE)).ok, true);
    assert.equal(ruleset(), before);
    await next.change({ removePorts: [port(8080, '10.91.1.2')] });
    await check([
      ['out', 'tcp', '192.0.2.1', 8080, 'refused 111'],
      ['out', 'udp', '192.0.2.1', 8080, 'a1 192.0.2.2'],
    ]);
    assert.ok((await firewall.verify()).missing.length > 0);
    await firewall.apply(STATE);
  });

  test('only what others change makes check() look', async () => {
    assert.equal((await firewall.repair()).ok, true);
    assert.equal(await firewall.check(), undefined);
    const extra = port(8400, '10.91.1.3');
    await firewall.change({ addPorts: [extra] });
    await firewall.change({ removePorts: [extra] });
    if (backend === 'nftables') assert.equal(await firewall.check(), undefined);
    lab.run('host', 'nft', 'add', 'table', 'inet', 'others');
    assert.equal((await firewall.check())?.ok, true);
    assert.equal(await firewall.check(), undefined);
    lab.run('host', 'nft', 'flush', 'ruleset');
    assert.equal((await firewall.check())?.ok, false);
    assert.equal((await firewall.check())?.ok, true);
    assert.equal(await firewall.check(), undefined);
  });

  test('a refusal names the line', async () => {
    const table = 'x'.repeat(15);
    const broken = openFirewall({ backend, table, prefix: ['false'] });
    await assert.rejects(broken.apply(STATE), { code: 'kernel_refused' });
    const missing = openFirewall({ backend, table, prefix: ['/nonexistent/nft'] });
    await assert.rejects(missing.apply(STATE), { code: 'unavailable' });
  });

  test('after removal the rules are as they were before', async () => {
    await firewall.remove();
    assert.equal(ruleset(), clean);
    await firewall.remove();
    assert.equal(ruleset(), clean);
  });
}

for (const backend of Object.keys(FIREWALL_BACKENDS)) {
  describe(backend, { concurrency: 1 }, () => suite(backend as FirewallBackendName));
}
