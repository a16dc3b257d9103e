// What each object looks like on the wire. The bytes were checked once against the kernel
// (test/root/netlink.test.ts reads everything back); here they are kept from changing unseen.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addAddress, decodeAddress } from './address.ts';
import { planSubordinate, planVeth } from './endpoint.ts';
import { addFilter, redirectIngress } from './filter.ts';
import { addLink, setBridgePort, setBridgePortByIndex, setLink } from './link.ts';
import { decodeLink } from './link-state.ts';
import { addRoute, decodeRoute, deleteRoute } from './route.ts';
import { decodeNeighbour, setNeighbour } from './neighbour.ts';
import { limitIngress, rateOf } from './rate.ts';
import { decodeQueue, HANDLE, handle, setClass, setQdisc } from './traffic.ts';

const hex = (data: Uint8Array) => Buffer.from(data).toString('hex');

test('a veth pair is one message, with its peer in another namespace', () => {
  const message = addLink({
    name: 'va',
    mtu: 1400,
    kind: { kind: 'veth', peer: { name: 'eth0', index: 16, namespace: 0 } },
  });
  assert.equal(
    hex(message.body),
    '00000000000000000000000000000000' +
      '0700030076610000' + // IFLA_IFNAME "va"
      '0800040078050000' + // IFLA_MTU 1400
      '3c0012800900010076657468000000002c000280' + // IFLA_LINKINFO: kind "veth", data
      '280001800000000010000000000000000000000' + // VETH_INFO_PEER: index 16
      '009000300657468300000000' + // IFLA_IFNAME "eth0"
      '008001c00c8000000', // IFLA_NET_NS_FD 200
  );
});

test('an interface reads back with all that was said about it', () => {
  const bridge = addLink({
    name: 'br0',
    mac: '02:42:00:00:00:01',
    mtu: 1500,
    up: true,
    index: 5,
    kind: { kind: 'bridge', bridge: { stp: false, multicastSnooping: false, forwardDelay: 0 } },
  });
  assert.deepEqual(decodeLink(Buffer.from(bridge.body)), {
    index: 5,
    name: 'br0',
    kind: 'bridge',
    mac: '02:42:00:00:00:01',
    mtu: 1500,
    up: true,
    carrier: false,
    loopback: false,
    bridge: { stp: false, multicastSnooping: false, forwardDelay: 0 },
  });
  const macvlan = addLink({ name: 'm', parent: 3, kind: { kind: 'macvlan', mode: 'bridge' } });
  const { kind, mode, parent } = decodeLink(Buffer.from(macvlan.body));
  assert.deepEqual({ kind, mode, parent }, { kind: 'macvlan', mode: 'bridge', parent: 3 });
  const ipvlan = addLink({
    name: 'i',
    parent: 3,
    kind: { kind: 'ipvlan', mode: 'l3s', flag: 'private' },
  });
  assert.equal(decodeLink(Buffer.from(ipvlan.body)).mode, 'l3s');
});

test('a bridge port is the same by IFLA_INFO_SLAVE_DATA and by IFLA_PROTINFO', () => {
  const port = { hairpin: true, isolated: true, learning: false };
  const byName = decodeLink(Buffer.from(setBridgePort('va', port).body));
  const byIndex = decodeLink(Buffer.from(setBridgePortByIndex(9, port).body));
  assert.deepEqual(byName.port, port);
  assert.deepEqual(byIndex.port, port);
});

test('setting an interface touches only what is named', () => {
  assert.equal(hex(setLink(3, { up: false }).body), '00000000030000000000000001000000');
  assert.equal(
    hex(setLink(3, { master: 0 }).body),
    '0000000003000000000000000000000008000a0000000000',
  );
});

test('an address carries its flags, and no duplicate detection only for IPv6', () => {
  assert.equal(
    hex(addAddress({ link: 16, cidr: '10.9.0.2/24', noDad: true }).body),
    '0218000010000000080002000a090002080001000a0900020800080000000000',
  );
  const six = addAddress({ link: 16, cidr: 'fd00::2/64', noDad: true });
  assert.deepEqual(decodeAddress(Buffer.from(six.body)), {
    link: 16,
    family: 'inet6',
    address: 'fd00::2',
    prefixLength: 64,
    scope: 'global',
    tentative: false,
    duplicate: false,
  });
});

test('a route reads back; a default route takes its family from the gateway', () => {
  const body = Buffer.from(addRoute({ to: 'default', via: 'fd00::1', link: 16, metric: 5 }).body);
  const { family, to, via, link, metric, table } = decodeRoute(body) ?? {};
  assert.deepEqual(
    { family, to, via, link, metric, table },
    { family: 'inet6', to: 'default', via: 'fd00::1', link: 16, metric: 5, table: 254 },
  );
  const direct = decodeRoute(Buffer.from(addRoute({ to: '10.0.0.0/8', link: 2 }).body));
  assert.deepEqual([direct?.to, direct?.scope], ['10.0.0.0/8', 'link']);
  assert.equal(deleteRoute({ to: '10.0.0.0/8', link: 2 }).body[6], 255);
});

test('neighbours read back, also the remote host of a vxlan', () => {
  const arp = setNeighbour({
    entry: 'permanent',
    link: 4,
    address: '10.0.0.9',
    mac: '02:00:00:00:00:09',
  });
  assert.deepEqual(decodeNeighbour(Buffer.from(arp.body)), {
    link: 4,
    family: 'inet',
    address: '10.0.0.9',
    mac: '02:00:00:00:00:09',
    permanent: true,
    proxy: false,
    state: 0x80,
  });
  const fdb = setNeighbour({
    entry: 'forward',
    link: 4,
    mac: '00:00:00:00:00:00',
    to: '192.0.2.1',
  });
  const remote = decodeNeighbour(Buffer.from(fdb.body));
  assert.deepEqual([remote?.family, remote?.address], ['bridge', '192.0.2.1']);
});

test('a rate above 2^32 bytes a second has its own attribute', () => {
  const fast = setClass(2, { rate: rateOf(80e9) }, { handle: handle(1, 16) });
  assert.equal(decodeQueue(Buffer.from(fast.body)).bytesPerSecond, 10e9);
  const slow = setQdisc(2, {
    kind: 'tbf',
    bytesPerSecond: 1_250_000,
    burstBytes: 65536,
    limitBytes: 2e5,
  });
  assert.equal(
    hex(slow.body),
    '000000000200000000000100ffffffff00000000' + // struct tcmsg: handle 1:, parent root
      '0800010074626600' + // TCA_KIND "tbf"
      '34000280' +
      '280001000001000000000000d0121300' + // TCA_TBF_PARMS: 1250000 bytes a second
      '000000000000000000000000400d0300' + // no peak rate, limit
      '00800c0000000000' + // 819200 ticks of 64 ns are 65536 bytes; mtu 0
      '0800060000000100',
  );
  assert.throws(
    () => setQdisc(2, { kind: 'tbf', bytesPerSecond: 0, burstBytes: 1, limitBytes: 1 }),
    {
      code: 'invalid_argument',
    },
  );
});

test('a burst given by the user is kept, otherwise it fits the rate', () => {
  assert.deepEqual(rateOf(10e6), { bytesPerSecond: 1_250_000, burstBytes: 65_536 });
  assert.equal(rateOf(10e9).burstBytes, 12_500_000);
  assert.equal(rateOf(10e6, 1_000).burstBytes, 1_000);
});

test('the redirection comes after the queue that it leads to', () => {
  const messages = limitIngress(7, 9, rateOf(10e6));
  assert.deepEqual(
    messages.map(({ what }) => what),
    ['set tbf qdisc', 'set ingress qdisc', 'add u32 filter'],
  );
  assert.equal(
    hex(redirectIngress(7, 9).body),
    '0000000007000000000000000000ffff00030100' + // priority 1, ETH_P_ALL
      '0800010075333200' + // "u32"
      '60000280' +
      '2400050001000100000000000000000000000000000000000000000000000000' + // one key of zeros
      '0000000038000780' +
      '340001800b0001006d69727265640000' + // "mirred"
      '2400028020000200000000000000000004000000' + // TC_ACT_STOLEN
      '0000000000000000' +
      '0100000009000000', // TCA_EGRESS_REDIR to 9
  );
  const classful = addFilter({
    link: 7,
    parent: handle(1),
    priority: 2,
    match: 'matchall',
    action: { classId: handle(1, 16) },
  });
  assert.match(hex(classful.body), /0c00028008000100[0-9a-f]{8}$/);
  assert.equal(HANDLE.INGRESS_QDISC, handle(0xffff));
});

test('an endpoint is two batches: inside with the peer, then the port on the host', () => {
  const inside = {
    namespace: '/run/x',
    name: 'eth0',
    index: 16,
    addresses: ['10.9.0.2/24', 'fd00::2/64'],
    routes: [
      { to: 'default', via: '10.9.0.1' },
      { to: 'default', via: 'fd00::1' },
    ],
  };
  const plan = planVeth(inside, { name: 'va', bridge: 3, port: { hairpin: true } });
  assert.deepEqual(
    plan.map(({ namespace, namespaces, messages }) => ({
      namespace,
      namespaces,
      messages: messages.map(({ what, on }) => `${what} ${on}`),
    })),
    [
      {
        namespace: '/run/x',
        namespaces: ['/proc/self/ns/net'],
        messages: [
          'add veth eth0',
          'set link lo',
          'add address 10.9.0.2/24 link 16',
          'add address fd00::2/64 link 16',
          'add route to default via 10.9.0.1 link 16',
          'add route to default via fd00::1 link 16',
        ],
      },
      {
        namespace: '',
        namespaces: undefined,
        messages: ['set link va', 'set bridge port va', 'set link va', 'get link va'],
      },
    ],
  );
  const macvlan = planSubordinate(inside, {
    temporaryName: 'cm0',
    parent: 2,
    kind: { kind: 'macvlan', mode: 'bridge' },
  });
  assert.deepEqual(
    macvlan[0].messages.map(({ what }) => what),
    ['add macvlan', 'move link'],
  );
});
