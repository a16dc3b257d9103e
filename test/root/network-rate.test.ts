// Bandwidth limits measured with iperf3, in a network namespace that stands for the host.
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { NativeAgent } from '#kernel/native/agent.ts';
import { addAddress } from '#kernel/netlink/address.ts';
import { FIRST_INDEX, planSubordinate, planVeth } from '#kernel/netlink/endpoint.ts';
import { addLink, deleteLink, setLink } from '#kernel/netlink/link.ts';
import { Netlink } from '#kernel/netlink/netlink.ts';
import type { Endpoint, NetworkRate } from '#network/engine.ts';
import type { Plug } from '#network/parts.ts';
import { Rates } from '#network/rate.ts';

const NATIVE = new URL('../../build/coracle-native', import.meta.url).pathname;
/**
 * UDP tells the rate in a second; TCP loses packets until it has found a slow one, and a fair mean
 * takes longer than a test should.
 */
const LOAD = { 10: ['-u', '-b', '25M', '-l', '1448'], 50: [] };
const READY_TRIES_MAX = 100;
const READY_POLL_MS = 20;
const PORT = '5201';
const run = promisify(execFile);
const skip =
  spawnSync('iperf3', ['--version']).status === 0 ? false : 'needs iperf3 (Debian: iperf3)';

let base = '';
let host = ''; // the namespace that stands for the host
let agent: NativeAgent;
let netlink: Netlink;
let rates: Rates;
const servers: ChildProcess[] = [];

type Peer = { readonly plug: Plug; readonly namespace: string; readonly address: string };
let veth: Peer;
let macvlan: Peer;
let parent = 0;

function endpoint(id: string, hostInterface: string | undefined): Endpoint {
  return {
    id: id.repeat(64),
    networkId: 'f'.repeat(64),
    networkName: 'n',
    driver: hostInterface === undefined ? 'macvlan' : 'bridge',
    interface: 'eth0',
    index: FIRST_INDEX,
    hostInterface,
    mac: '',
    ip: undefined,
    prefixLength: 24,
    gateway: '',
    ip6: undefined,
    prefixLength6: 0,
    gateway6: '',
    wish: {
      network: 'n',
      aliases: [],
      links: [],
      ip: undefined,
      ip6: undefined,
      linkLocalIps: [],
      mac: undefined,
      driverOpts: {},
      gwPriority: 0,
    },
    dnsNames: [],
  };
}

function peer(namespace: string, address: string, one: Endpoint): Peer {
  const network = {
    version: 1,
    id: one.networkId,
    name: 'n',
    createdAt: 0n,
    driver: one.driver,
    ipv4: true,
    ipv6: false,
    internal: false,
    attachable: false,
    options: {},
    labels: {},
    ipam: { driver: 'default', options: {}, subnets: [] },
  } as const;
  return { namespace, address, plug: { endpoint: one, network, bridge: undefined } };
}

async function listen(namespace: string): Promise<void> {
  const server = spawn('nsenter', [`--net=${namespace}`, 'iperf3', '-s', '-p', PORT], {
    stdio: 'ignore',
  });
  servers.push(server);
  const listening = () =>
    execFileSync('nsenter', [`--net=${namespace}`, 'ss', '-Hltn', `sport = :${PORT}`]).length > 0;
  for (let i = 0; i < READY_TRIES_MAX && !listening(); i += 1) await sleep(READY_POLL_MS);
}

before(async () => {
  if (skip !== false) return;
  base = mkdtempSync(join(tmpdir(), 'coracle-rate-'));
  host = join(base, 'host');
  // The agent's own namespace is the host's, so it lives in the one that stands for it.
  const maker = new NativeAgent(NATIVE);
  await maker.perform([{ op: 'netns_create', path: host }]);
  await maker[Symbol.asyncDispose]();
  const wrapper = join(base, 'agent.sh');
  writeFileSync(wrapper, `#!/bin/sh\nexec /usr/bin/nsenter --net=${host} ${NATIVE} "$@"\n`, {
    mode: 0o755,
  });
  agent = new NativeAgent(wrapper);
  netlink = new Netlink(agent);
  rates = new Rates(netlink);
  await netlink.exchange('', [
    setLink('lo', { up: true }),
    addLink({ name: 'up0', up: true, kind: { kind: 'veth', peer: { name: 'lan0' } } }),
    setLink('lan0', { up: true }),
  ]);
  parent = (await netlink.link('', 'up0'))?.index ?? 0;
  const lan = (await netlink.link('', 'lan0'))?.index ?? 0;
  const inside = { name: 'eth0', index: FIRST_INDEX, routes: [], addresses: ['10.0.1.2/24'] };
  const one = join(base, 'one');
  const two = join(base, 'two');
  await netlink.perform([
    { op: 'netns_create', path: one },
    ...planVeth({ ...inside, namespace: one }, { name: 'cv1' }),
    { op: 'netns_create', path: two },
    ...planSubordinate(
      { ...inside, namespace: two, addresses: ['10.0.2.2/24'] },
      { temporaryName: 'cv2', parent, kind: { kind: 'macvlan', mode: 'bridge' } },
    ),
  ]);
  const end = (await netlink.link('', 'cv1'))?.index ?? 0;
  await netlink.exchange('', [
    addAddress({ link: end, cidr: '10.0.1.1/24' }),
    addAddress({ link: lan, cidr: '10.0.2.1/24' }),
  ]);
  veth = peer(one, '10.0.1.2', endpoint('a', 'cv1'));
  macvlan = peer(two, '10.0.2.2', endpoint('b', undefined));
  await Promise.all([listen(one), listen(two)]);
});

after(async () => {
  if (skip !== false) return;
  for (const server of servers) {
    const gone = once(server, 'exit');
    server.kill('SIGKILL');
    await gone;
  }
  await agent.perform(
    ['one', 'two', 'host'].map((name) => ({ op: 'netns_delete', path: join(base, name) })),
  );
  await agent[Symbol.asyncDispose]();
  rmSync(base, { recursive: true, force: true });
});

/** Bits a second that arrive in one second: towards the container, or from it. */
async function measure(
  to: Peer,
  direction: 'in' | 'out',
  load: readonly string[],
): Promise<number> {
  const argv = [`--net=${host}`, 'iperf3', '-c', to.address, '-p', PORT, '-t', '1', '-J', ...load];
  const { stdout } = await run('nsenter', direction === 'in' ? argv : [...argv, '-R']);
  const { end }: { end: { sum_received: { bits_per_second: number } } } = JSON.parse(stdout);
  return end.sum_received.bits_per_second;
}

function near(actual: number, wished: number, what: string): void {
  const shown = `${what}: ${(actual / 1e6).toFixed(2)} Mbit/s, wished ${wished / 1e6}`;
  assert.ok(Math.abs(actual / wished - 1) <= 0.1, shown);
}

const mbit = (count: number) => ({ bitsPerSecond: count * 1e6 });
const limit = (to: Peer, rate: NetworkRate | undefined) => rates.apply(to.namespace, to.plug, rate);

test('10 Mbit/s hold within 10 % both ways, and 50 after a change while it runs', {
  skip,
}, async (t) => {
  for (const wished of [10, 50] as const) {
    const both = { in: mbit(wished), out: mbit(wished) };
    await Promise.all([limit(veth, both), limit(macvlan, both)]);
    for (const direction of ['in', 'out'] as const) {
      const peers = [veth, macvlan].map((to) => measure(to, direction, LOAD[wished]));
      const [outside = 0, inside = 0] = await Promise.all(peers);
      const shown = [outside, inside].map((one) => (one / 1e6).toFixed(2)).join(', a macvlan ');
      t.diagnostic(`${direction} ${wished} Mbit/s: a veth pair ${shown}`);
      near(outside, wished * 1e6, `veth, ${direction}`);
      near(inside, wished * 1e6, `macvlan, ${direction}`);
    }
  }
});

async function queues(to: Peer): Promise<readonly string[]> {
  const outside = to === veth;
  const namespace = outside ? '' : to.namespace;
  const links = await netlink.links(namespace);
  const link = links.find(({ name }) => name === (outside ? 'cv1' : 'eth0'));
  const found = link === undefined ? [] : await netlink.queues(namespace, link.index);
  const kinds = new Set(found.map(({ kind }) => kind)); // a tbf is listed with its one class
  return [...kinds, ...links.filter(({ kind }) => kind === 'ifb').map(({ name }) => name)];
}

test('a limit is taken away in one direction or in both, and can come again', {
  skip,
}, async () => {
  await limit(veth, { in: mbit(10), out: mbit(10) });
  assert.deepEqual(await queues(veth), ['tbf', 'ingress', 'ciaaaaaaaaaaaa']);
  await limit(veth, { in: mbit(10), out: undefined });
  assert.deepEqual(await queues(veth), ['tbf']);
  await limit(veth, { in: undefined, out: mbit(20) });
  assert.deepEqual(await queues(veth), ['noqueue', 'ingress', 'ciaaaaaaaaaaaa']);
  await limit(veth, undefined);
  await limit(veth, undefined);
  assert.deepEqual(await queues(veth), ['noqueue']);
  await limit(macvlan, { in: undefined, out: mbit(10) });
  assert.deepEqual(await queues(macvlan), ['tbf']);
  await limit(macvlan, undefined);
  assert.deepEqual(await queues(macvlan), ['noqueue']);
});

test('a burst that no packet fits in is refused with the size that would do', {
  skip,
}, async () => {
  const small = { bitsPerSecond: 1e6, burstBytes: 1000 };
  await assert.rejects(
    limit(veth, { in: small, out: undefined }),
    /MTU is 1500; give at least 1514/,
  );
  await assert.rejects(
    limit(veth, { in: undefined, out: small }),
    /MTU is 1500; give at least 1514/,
  );
  assert.deepEqual(await queues(veth), ['noqueue']);
});

test('the end of an endpoint leaves no ifb, also when its links are gone first', {
  skip,
}, async () => {
  await limit(veth, { in: mbit(10), out: mbit(10) });
  await netlink.exchange('', [deleteLink('cv1')]);
  assert.deepEqual(await queues(veth), ['ciaaaaaaaaaaaa']);
  await assert.rejects(limit(veth, { in: mbit(1), out: mbit(1) }), /its interface cv1 is gone$/);
  await rates.remove(veth.namespace, veth.plug);
  await rates.remove(veth.namespace, veth.plug);
  assert.deepEqual(await queues(veth), []);
  await rates.remove(join(base, 'never'), macvlan.plug);
});
