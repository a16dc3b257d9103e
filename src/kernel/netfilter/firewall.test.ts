// Every text that nft and iptables-restore get, as golden files; and the bookkeeping around them.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { EngineError } from '#base/error.ts';
import { CommitQueue } from './commit-queue.ts';
import { type FirewallBackendName, LEGACY_LOOK_MS, openFirewall } from './firewall.ts';
import { forwardDrops, parseSave } from './iptables-read.ts';
import { isFirst } from './iptables-text.ts';
import { readTable } from './nft-read.ts';
import { type ProgramRunner, refusedLine } from './run.ts';
import {
  type FirewallNetwork,
  type LinkedPort,
  normaliseNetwork,
  normalisePort,
  parseTableName,
  type PublishedPort,
} from './state.ts';
import { StateBook } from './state-book.ts';

const NETWORK: FirewallNetwork = {
  id: 'net1',
  bridge: 'coracle0',
  subnets: ['172.17.0.1/16', 'FD00:0::1/64'],
  internal: false,
  icc: true,
  masquerade4: true,
  masquerade6: true,
  gatewayMode4: 'nat',
  gatewayMode6: 'nat',
};
const NETWORKS: readonly FirewallNetwork[] = [
  NETWORK,
  {
    ...NETWORK,
    id: 'net2',
    bridge: 'br-2',
    subnets: ['172.18.0.0/16'],
    icc: false,
    snat4: '192.0.2.9',
  },
  { ...NETWORK, id: 'net3', bridge: 'br-3', subnets: ['172.19.0.0/16'], internal: true },
  {
    ...NETWORK,
    id: 'net4',
    bridge: 'br-4',
    subnets: ['172.20.0.0/16', 'fd04::/64'],
    gatewayMode4: 'routed',
    gatewayMode6: 'routed',
  },
  { ...NETWORK, id: 'net5', bridge: 'br-5', subnets: ['172.21.0.0/16'], trusted: ['eth1', 'eth1'] },
];
const PORT: PublishedPort = {
  container: 'web',
  network: 'net1',
  bridge: 'coracle0',
  protocol: 'tcp',
  hostIp: '0.0.0.0',
  hostPort: 8080,
  ip: '172.17.0.2',
  port: 80,
};
const LINK: LinkedPort = {
  asking: 'web',
  asked: 'db',
  network: 'net2',
  bridge: 'br-2',
  protocol: 'tcp',
  from: '172.18.0.2',
  to: '172.18.0.3',
  port: 5432,
};
const PORTS: readonly PublishedPort[] = [
  PORT,
  { ...PORT, hostPort: 8081 },
  { ...PORT, protocol: 'udp', hostIp: '127.0.0.1', port: 53 },
  { ...PORT, hostIp: '::', ip: 'FD00::2' },
  { ...PORT, protocol: 'sctp', hostIp: '2001:db8::1', ip: 'fd00::2' },
  { ...PORT, network: 'net3', bridge: 'br-3', hostPort: 1, ip: '172.19.0.2' },
  { ...PORT, network: 'net4', bridge: 'br-4', hostPort: 2, ip: '172.20.0.2' },
];

/** Keeps what was run, and answers from `answers` by program. */
class Recorder implements ProgramRunner {
  readonly answers: Record<string, string> = {};
  readonly refused = new Set<string>();
  runs: { argv: string; input: string }[] = [];
  async run(argv: readonly string[], input = ''): Promise<string> {
    this.runs.push({ argv: argv.join(' '), input });
    await Promise.resolve();
    for (const part of this.refused) {
      if (input.includes(part)) throw new EngineError('kernel_refused', `no ${part}`);
    }
    return this.answers[argv[0] ?? ''] ?? '';
  }
  /** What was run since the last call, as one text. */
  take(): string {
    const text = this.runs.map(({ argv, input }) => `$ ${argv}\n${input}`).join('');
    this.runs = [];
    return text;
  }
}

function opened(backend: FirewallBackendName) {
  const programs = new Recorder();
  return { programs, firewall: openFirewall({ backend, programs }) };
}

function golden(t: TestContext, name: string, text: string): void {
  t.assert.fileSnapshot(text, `test/golden/netfilter/${name}.txt`, { serializers: [String] });
}

const DOCKER_SAVE = [
  '*filter',
  ':INPUT ACCEPT [0:0]',
  ':FORWARD DROP [9:540]',
  ':OUTPUT ACCEPT [0:0]',
  ':DOCKER-USER - [0:0]',
  '[1:2] -A FORWARD -j DOCKER-USER',
  'COMMIT',
  '',
].join('\n');

for (const backend of ['nftables', 'iptables'] as const) {
  test(`${backend}: the whole state`, async (t) => {
    const { programs, firewall } = opened(backend);
    await firewall.apply({ networks: NETWORKS, ports: PORTS, links: [LINK] });
    golden(t, `${backend}-whole`, programs.take());
    await firewall.remove();
    golden(t, `${backend}-remove`, programs.take());
  });

  test(`${backend}: a port or a network is a few lines`, async (t) => {
    const { programs, firewall } = opened(backend);
    await firewall.apply({ networks: NETWORKS.slice(0, 1), ports: PORTS.slice(0, 1) });
    programs.take();
    // The port of the container is shared with the first: what is shared is written once.
    await firewall.change({ addPorts: PORTS.slice(1, 3) });
    await firewall.change({ removePorts: [PORT] });
    await firewall.change({ addNetworks: NETWORKS.slice(1, 2) });
    // Two names for one container are one link.
    await firewall.change({ addLinks: [LINK, { ...LINK, protocol: 'udp' }, LINK] });
    await firewall.change({ removeLinks: [LINK] });
    await firewall.change({ removeNetworks: ['net1', 'net2'] });
    golden(t, `${backend}-steps`, programs.take());
  });

  test(`${backend}: on a host where Docker's FORWARD drops`, async (t) => {
    const { programs, firewall } = opened(backend);
    programs.answers['iptables-save'] = DOCKER_SAVE;
    await firewall.apply({ networks: NETWORKS.slice(0, 1), ports: [] });
    const text = programs.take();
    golden(t, `${backend}-docker`, text.slice(text.indexOf('$ iptables')));
  });

  test(`${backend}: a change that finds the rules gone writes the whole state`, async () => {
    const { programs, firewall } = opened(backend);
    await firewall.apply({ networks: NETWORKS.slice(0, 1), ports: PORTS.slice(0, 1) });
    programs.refused.add(backend === 'nftables' ? 'delete element' : '-D CORACLE-PUBLISH');
    programs.take();
    await firewall.change({ removePorts: [PORT] });
    assert.match(programs.take(), backend === 'nftables' ? /add table inet/ : /:CORACLE-PUBLISH/);
  });

  test(`${backend}: a change that the kernel refuses leaves the state as it was`, async () => {
    const { programs, firewall } = opened(backend);
    await firewall.apply({ networks: NETWORKS.slice(0, 1), ports: PORTS.slice(0, 1) });
    programs.refused.add('172.17.0.77');
    const bad = { ...PORT, hostPort: 1, ip: '172.17.0.77' };
    const results = await Promise.allSettled([
      firewall.change({ addPorts: [{ ...PORT, hostPort: 2 }] }),
      firewall.change({ addPorts: [bad] }),
      firewall.change({ addPorts: [{ ...PORT, hostPort: 3 }] }),
    ]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    programs.refused.clear();
    programs.take();
    await firewall.change({ removePorts: [bad] });
    assert.equal(programs.take(), '', 'what was never there is not removed');
    await firewall.change({ addPorts: [bad] });
    assert.match(programs.take(), /172\.17\.0\.77/);
  });
}

test('nft: publishing the thousandth port writes as much as the first', async () => {
  const { programs, firewall } = opened('nftables');
  await firewall.apply({ networks: [NETWORK], ports: [] });
  const size = async (hostPort: number): Promise<number> => {
    programs.take();
    await firewall.change({ addPorts: [{ ...PORT, hostPort, port: hostPort }] });
    assert.equal(programs.runs.length, 1);
    return programs.take().length;
  };
  const first = await size(1001);
  await firewall.change({
    addPorts: Array.from({ length: 998 }, (_, n) => ({ ...PORT, hostPort: 3000 + n })),
  });
  assert.equal(await size(1002), first);
});

/** A kernel whose generation never changes. */
const still = {
  perform: async () => {
    const output = Buffer.from('1c0000000f0a00000100000000000000000000000800010000000007', 'hex');
    return [{ place: 'agent', index: 0, op: 'netlink', errno: 0, nanoseconds: 0, output }] as const;
  },
};

test('rules of iptables-legacy, which nobody counts, are listed now and then', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 });
  for (const [version, looks] of [
    ['iptables v1.8.9 (legacy)', 1],
    ['iptables v1.8.9 (nf_tables)', 0],
  ] as const) {
    const programs = new Recorder();
    programs.answers['iptables'] = version;
    const netlink = { agent: still, namespace: '' };
    const firewall = openFirewall({ backend: 'iptables', programs, netlink });
    await firewall.apply({ networks: [NETWORK], ports: [] });
    const saved = programs.runs.filter(({ argv }) => argv.includes('restore'));
    programs.answers['iptables-save'] = listing(saved.find(({ argv }) => !argv.includes('6')));
    programs.answers['ip6tables-save'] = listing(saved.find(({ argv }) => argv.includes('6')));
    assert.equal((await firewall.check())?.ok, true, version);
    programs.take();
    const count = async (): Promise<number> => {
      await firewall.check();
      return programs.take().split('$ iptables-save').length - 1;
    };
    assert.equal(await count(), 0);
    t.mock.timers.setTime(Date.now() + LEGACY_LOOK_MS);
    assert.equal(await count(), looks, version);
    assert.equal(await count(), 0);
  }
});

/** What iptables-save says after iptables-restore got this. */
function listing(run: { readonly input: string } | undefined): string {
  const lines = (run?.input ?? '').split('\n');
  return lines.map((line) => line.replace(/^-I (\S+) /, '-A $1 ')).join('\n');
}

test('names that would end a rule and begin another are refused', () => {
  for (const bridge of [
    '',
    'a b',
    'br"0',
    'br;0',
    'br\n0',
    'br*',
    'eth+',
    '$x',
    '.',
    'a'.repeat(16),
  ]) {
    assert.throws(() => normaliseNetwork({ ...NETWORK, bridge }), { code: 'invalid_argument' });
    assert.throws(() => normalisePort({ ...PORT, bridge }), { code: 'invalid_argument' });
    assert.throws(() => normaliseNetwork({ ...NETWORK, trusted: [bridge] }), EngineError);
  }
  for (const table of ['', 'a-b', '1a', 'x y', 'a'.repeat(16), 'é']) {
    assert.throws(() => parseTableName(table), { code: 'invalid_argument' });
  }
  for (const bad of [
    { hostIp: '1.2.3.4 accept' },
    { ip: '10.0.0' },
    { hostPort: 0 },
    { port: 65536 },
    { port: 1.5 },
    { hostIp: '::' },
    { hostIp: '::1', ip: 'fd00::2' },
  ]) {
    assert.throws(() => normalisePort({ ...PORT, ...bad }), { code: 'invalid_argument' });
  }
  assert.throws(() => normaliseNetwork({ ...NETWORK, subnets: ['10.0.0.0'] }), EngineError);
  assert.throws(() => normaliseNetwork({ ...NETWORK, snat4: 'fd00::1' }), EngineError);
});

test('a port has one owner, and only the owner gives it back', () => {
  const book = StateBook.of({ networks: [NETWORK], ports: [PORT] });
  const other = { ...PORT, container: 'other' };
  assert.throws(() => book.note([{ addPorts: [other] }]), {
    code: 'conflict',
    message: 'Bind for 0.0.0.0:8080 failed: port is already allocated',
  });
  assert.deepEqual(book.note([{ removePorts: [other] }]).removePorts, []);
  const step = book.note([
    { removePorts: [PORT] },
    { addPorts: [other] },
    { removePorts: [other] },
  ]);
  assert.equal(step.addPorts.length, 0);
  assert.equal(book.ports.size, 0);
  book.undo(step);
  assert.equal(book.ports.get('tcp 0.0.0.0 8080')?.container, 'web');
  assert.throws(() => book.note([{ addPorts: [{ ...PORT, hostPort: 1, network: 'gone' }] }]));
});

test('the place of a final DROP or REJECT in FORWARD is found', () => {
  const save = (...rules: string[]) =>
    parseSave(
      ['*filter', ':FORWARD ACCEPT [0:0]', ...rules.map((one) => `-A FORWARD ${one}`)].join('\n'),
    );
  assert.equal(forwardDrops(save('-i eth0 -j DROP', '-j LOG')), undefined);
  assert.deepEqual(forwardDrops(save('-j X', '-j REJECT --reject-with icmp-host-prohibited')), {
    position: 2,
  });
  assert.deepEqual(forwardDrops(parseSave(DOCKER_SAVE)), { position: 2 });
  assert.equal(forwardDrops(parseSave('')), undefined);
});

test('another engine of ours may stand first, a Docker may not', () => {
  assert.ok(isFirst(['-j SECOND-FORWARD', '-j CORACLE-FORWARD'], 1, 'FORWARD'));
  assert.ok(!isFirst(['-j DOCKER-FORWARD', '-j CORACLE-FORWARD'], 1, 'FORWARD'));
  assert.ok(!isFirst(['-i eth0 -j DROP', '-j CORACLE-FORWARD'], 1, 'FORWARD'));
});

test('the refused line is found in what nft and iptables-restore say', () => {
  const input = 'one\ntwo\nthree\n';
  assert.equal(refusedLine('/dev/stdin:2:5-9: Error: No such file or directory', input), 'two');
  assert.equal(refusedLine('iptables-restore v1.8.9 (nf_tables): line 3 failed', input), 'three');
  assert.equal(refusedLine('Error occurred at line: 1', input), 'one');
  assert.equal(refusedLine('out of memory', input), undefined);
});

test('what nft answers is parsed as unknown', () => {
  assert.throws(() => readTable('not json'), { code: 'corrupt' });
  for (const text of ['null', '[]', '{}', '{"nftables":5}', '{"nftables":[null,{"set":{}}]}']) {
    assert.ok(readTable(text).elements.length === 0);
  }
});

test('changes that arrive while one is under way are performed together', async () => {
  const groups: number[][] = [];
  const queue = new CommitQueue<number>(async (changes) => {
    groups.push([...changes]);
    await Promise.resolve();
    if (changes.includes(5)) throw new Error('five');
  });
  const results = await Promise.allSettled([1, 2, 3, 4].map((n) => queue.submit(n)));
  assert.deepEqual(groups, [[1], [2, 3, 4]]);
  assert.ok(results.every(({ status }) => status === 'fulfilled'));
  const more = [queue.submit(0), queue.submit(4), queue.submit(5)];
  const alone = queue.alone(async () => groups.length);
  const last = queue.submit(6);
  assert.deepEqual(
    (await Promise.allSettled(more)).map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected'],
  );
  assert.equal(await alone, 6);
  await last;
  assert.deepEqual(groups.slice(2), [[0], [4, 5], [4], [5], [6]]);
});
