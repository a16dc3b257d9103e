// Bandwidth limits measured with iperf3, in a network namespace that stands for the host.
// Alone: rates are measured.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { addAddress } from '#kernel/netlink/address.ts';
import { FIRST_INDEX, planSubordinate, planVeth } from '#kernel/netlink/endpoint.ts';
import { addLink, deleteLink, setLink } from '#kernel/netlink/link.ts';
import type { Netlink } from '#kernel/netlink/netlink.ts';
import type { NetworkRate } from '#network/engine.ts';
import type { Plug } from '#network/parts.ts';
import { Rates } from '#network/rate.ts';
import { plainEndpoint, plainNetwork } from '#network/testing-network.ts';
import { IperfServers, lacksIperf, measureRate } from './iperf.ts';
import { ServiceHost } from './service-host.ts';

/**
 * UDP tells the rate in a second; TCP loses packets until it has found a slow one, and a fair mean
 * takes longer than a test should.
 */
const LOAD = { 10: ['-u', '-b', '25M', '-l', '1448'], 50: [] };
const TRIES_MAX = 3;
const skip = lacksIperf();

let host: ServiceHost;
let netlink: Netlink;
let rates: Rates;
const servers = new IperfServers();

type Peer = { readonly plug: Plug; readonly namespace: string; readonly address: string };
let veth: Peer;
let macvlan: Peer;
let parent = 0;

function peer(namespace: string, address: string, id: string, hostInterface?: string): Peer {
  const driver = hostInterface === undefined ? 'macvlan' : 'bridge';
  const network = plainNetwork({ driver });
  const endpoint = plainEndpoint(network, { id: id.repeat(64), index: FIRST_INDEX, hostInterface });
  return { namespace, address, plug: { endpoint, network, bridge: undefined } };
}

before(async () => {
  if (skip !== false) return;
  host = await ServiceHost.open();
  ({ netlink } = host);
  rates = new Rates(netlink);
  await netlink.exchange('', [
    addLink({ name: 'up0', up: true, kind: { kind: 'veth', peer: { name: 'lan0' } } }),
    setLink('lan0', { up: true }),
  ]);
  parent = (await netlink.link('', 'up0'))?.index ?? 0;
  const lan = (await netlink.link('', 'lan0'))?.index ?? 0;
  const inside = { name: 'eth0', index: FIRST_INDEX, routes: [], addresses: ['10.0.1.2/24'] };
  const one = join(host.directory, 'one');
  const two = join(host.directory, 'two');
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
  veth = peer(one, '10.0.1.2', 'a', 'cv1');
  macvlan = peer(two, '10.0.2.2', 'b');
  await Promise.all([servers.listen(one), servers.listen(two)]);
});

after(async () => {
  if (skip !== false) return;
  await servers[Symbol.asyncDispose]();
  await host[Symbol.asyncDispose]();
});

/** In one second, towards the container or from it. */
function measure(to: Peer, direction: 'in' | 'out', load: readonly string[]): Promise<number> {
  const options = ['-t', '1', ...load, ...(direction === 'in' ? [] : ['-R'])];
  return measureRate(host.namespace, to.address, options);
}

const mbit = (count: number) => ({ bitsPerSecond: count * 1e6 });
const limit = (to: Peer, rate: NetworkRate | undefined) => rates.apply(to.namespace, to.plug, rate);

const isNear = (actual: number, wished: number): boolean => Math.abs(actual / wished - 1) <= 0.1;

/** A second in which the machine had no time for the sender tells nothing of the limit. */
async function checkRate(to: Peer, direction: 'in' | 'out', wished: 10 | 50): Promise<string> {
  let rate = 0;
  for (let tries = 0; tries < TRIES_MAX && !isNear(rate, wished * 1e6); tries += 1) {
    rate = await measure(to, direction, LOAD[wished]);
  }
  const shown = `${direction} of a ${to.plug.network.driver}: ${(rate / 1e6).toFixed(2)} Mbit/s`;
  assert.ok(isNear(rate, wished * 1e6), `${shown}, wished ${wished}`);
  return shown;
}

test('10 Mbit/s hold within 10 % both ways, and 50 after a change while it runs', {
  skip,
}, async (t) => {
  for (const wished of [10, 50] as const) {
    const both = { in: mbit(wished), out: mbit(wished) };
    await Promise.all([limit(veth, both), limit(macvlan, both)]);
    for (const direction of ['in', 'out'] as const) {
      const checks = [veth, macvlan].map((to) => checkRate(to, direction, wished));
      t.diagnostic((await Promise.all(checks)).join(', '));
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
  await rates.remove(join(host.directory, 'never'), macvlan.plug);
});
