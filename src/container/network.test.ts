import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NetworkRecord } from '#network/engine.ts';
import { parseNetworkMode } from '#network/mode.ts';
import { plainNetwork } from '#network/testing-network.ts';
import {
  checkEndpoint,
  checkNetworking,
  checkTogether,
  PLAIN_WISH,
  settleNetworking,
} from './endpoint.ts';
import { connections, sourceOf } from './network.ts';
import { changedBindings, matching, portWishes } from './publish.ts';
import { decodeRecord, encodeRecord } from './record.ts';
import { plainRecord, plainSpec } from './testing-record.ts';

const BRIDGED = { noBridge: false };
const wish = (network: string, more: object = {}) => ({ ...PLAIN_WISH, network, ...more });

const SUBNETS = [
  { subnet: '10.5.0.0/24', gateway: '10.5.0.1', auxAddresses: {}, userConfigured: true },
];
const NET = plainNetwork({
  name: 'net',
  ipam: { driver: 'default', options: {}, subnets: SUBNETS },
});
const find = (ref: string) => (ref === 'net' || ref === NET.id ? NET : undefined);

test('a container is on the network of its mode, or on those that it lists', () => {
  const of = (mode: string, networking: object = {}) =>
    Object.keys(
      settleNetworking(
        { ...plainSpec({ networkMode: mode }), networking: networking as never },
        find,
      ),
    );
  assert.deepEqual(of('bridge'), ['bridge']);
  assert.deepEqual(of('none'), ['none']);
  assert.deepEqual(of('container:x'), []);
  assert.deepEqual(of(NET.id), ['net']);
  assert.deepEqual(of('bridge', { [NET.id]: wish(NET.id) }), ['net']);
  assert.deepEqual(of('later', { later: wish('later') }), ['later']);
  assert.deepEqual(of('bridge', JSON.parse('{"__proto__":{"network":"__proto__"}}')), [
    '__proto__',
  ]);
  const twice = { net: wish('net'), [NET.id]: wish(NET.id) };
  assert.throws(() => of('net', twice), /network net is named twice/);
});

test('the network of the mode comes first, and none opens nothing', () => {
  const given = { a: wish('a'), net: wish('net'), none: wish('none') };
  const wanted = { ...plainSpec({ networkMode: NET.id.slice(0, 9) }), networking: given };
  const short = (ref: string) => (NET.id.startsWith(ref) || ref === 'net' ? NET : undefined);
  const networking = settleNetworking(wanted, short);
  const record = {
    ...plainRecord('a', { status: 'created' }),
    spec: { ...plainSpec(), networking },
  };
  assert.deepEqual(
    connections(record, BRIDGED).map(({ network }) => network),
    ['net', 'a'],
  );
  const none = plainRecord('a', { status: 'created' }, { networkMode: 'none' });
  assert.deepEqual(sourceOf(none, BRIDGED), { kind: 'own', request: undefined });
  const host = plainRecord('a', { status: 'created' }, { networkMode: 'host' });
  assert.deepEqual(sourceOf(host, BRIDGED), { kind: 'host' });
});

test('what only networks of users offer is refused elsewhere, with the texts of dockerd 28', () => {
  const bad = { bridge: wish('bridge', { ip: '10.0.0.2', aliases: ['a'] }) };
  assert.throws(() => checkNetworking(bad, find), {
    code: 'invalid_argument',
    message:
      'invalid config for network bridge: invalid endpoint settings:\n' +
      '* user specified IP address is supported on user defined networks only\n' +
      '* network-scoped alias is supported only for containers in user defined networks',
  });
  const message = (given: object, network: NetworkRecord = NET): string => {
    try {
      checkEndpoint(wish(network.name, given), network);
    } catch (error) {
      return String((error as Error).message).split('\n')[1] ?? '';
    }
    return '';
  };
  assert.equal(message({ ip: '10.5.0.9' }), '');
  assert.equal(
    message({ ip: '10.6.0.9' }),
    'no configured subnet or ip-range contain the IP address 10.6.0.9',
  );
  assert.match(
    message({ ip6: 'fd00::2' }),
    /only when connecting to networks with user configured/,
  );
  assert.equal(message({ ip: 'fd00::2' }), 'invalid IPv4 address: fd00::2');
  assert.equal(message({ linkLocalIps: ['x'] }), 'invalid link-local IP address: x');
  assert.equal(message({ mac: '02:42' }), 'invalid MAC address 02:42');
});

test('host, none and joined networks exclude others', () => {
  const together = (names: string[], mode: string) => () =>
    checkTogether(names, parseNetworkMode(mode));
  together(['a', 'b'], 'a')();
  assert.throws(together(['none', 'a'], 'none'), /one of the networks in private \(none\) mode/);
  assert.throws(together(['host', 'a'], 'host'), /sharing network namespace/);
  assert.throws(together(['host'], 'bridge'), /cannot connect container to host network/);
  assert.throws(together(['a'], 'container:x'), /sharing network namespace/);
});

test('ports are published one by one: ranges, any port, -P for what nobody named', () => {
  const host = {
    portBindings: {
      '80/tcp': [
        { hostIp: '127.0.0.1', hostPort: '8080-8090' },
        { hostIp: '', hostPort: '' },
      ],
    },
    publishAllPorts: true,
  };
  assert.deepEqual(portWishes(['80/tcp', '5000-5001/udp'], host), [
    { port: 80, protocol: 'tcp', hostIp: '127.0.0.1', hostPort: { first: 8080, last: 8090 } },
    { port: 80, protocol: 'tcp', hostIp: '', hostPort: undefined },
    { port: 5000, protocol: 'udp', hostIp: '', hostPort: undefined },
    { port: 5001, protocol: 'udp', hostIp: '', hostPort: undefined },
  ]);
  const bad =
    (port: string, hostPort = '', hostIp = '') =>
    () =>
      portWishes([], { portBindings: { [port]: [{ hostIp, hostPort }] }, publishAllPorts: false });
  assert.throws(bad('80/icmp'), { message: 'invalid port specification: "80/icmp"' });
  assert.throws(bad('80/tcp', '70000'), { message: 'invalid port specification: "70000"' });
  assert.throws(bad('80/tcp', '90-80'), { code: 'invalid_argument' });
  assert.throws(bad('80/tcp', '', '1.2.3'), { message: 'invalid IP address: 1.2.3' });
});

test('a withdrawal means each binding that it does not exclude', () => {
  const published = [
    { port: 80, protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 8080 },
    { port: 80, protocol: 'tcp', hostIp: '::', hostPort: 8080 },
    { port: 80, protocol: 'tcp', hostIp: '127.0.0.1', hostPort: 9090 },
  ] as const;
  const found = (hostIp: string, hostPort: string) =>
    matching(published, { '80/tcp': [{ hostIp, hostPort }] }).length;
  assert.equal(matching(published, { '80/tcp': [] }).length, 3);
  assert.deepEqual([found('', '8080'), found('127.0.0.1', ''), found('', '9090')], [2, 1, 1]);
  const message = 'port 81/tcp is not published';
  assert.throws(() => matching(published, { '81/tcp': [] }), { code: 'not_found', message });
  const before = {
    '80/tcp': [
      { hostIp: '', hostPort: '' },
      { hostIp: '127.0.0.1', hostPort: '9090' },
    ],
  };
  const added = { '53/udp': [{ hostIp: '', hostPort: '53' }] };
  assert.deepEqual(changedBindings(before, published.slice(0, 2), added), {
    '80/tcp': [{ hostIp: '127.0.0.1', hostPort: '9090' }],
    '53/udp': [{ hostIp: '', hostPort: '53' }],
  });
});

test('a withdrawal takes the wish that is meant, also of any port of a container that never ran', () => {
  const before = {
    '80/tcp': [
      { hostIp: '', hostPort: '' },
      { hostIp: '', hostPort: '8080' },
    ],
  };
  const without = (hostPort: number) =>
    changedBindings(before, [{ port: 80, protocol: 'tcp', hostIp: '0.0.0.0', hostPort }], {});
  assert.deepEqual(without(0), { '80/tcp': [{ hostIp: '', hostPort: '8080' }] });
  assert.deepEqual(without(8080), { '80/tcp': [{ hostIp: '', hostPort: '' }] });
  assert.deepEqual(without(49_153), { '80/tcp': [{ hostIp: '', hostPort: '8080' }] });
});

test('a record from before networks stays without one', () => {
  const record = plainRecord('a', { status: 'created' }, { networkMode: 'default' });
  const old = {
    ...JSON.parse(encodeRecord(record)),
    version: 1,
    spec: { ...record.spec, networking: { default: { IPAMConfig: null } } },
  };
  const read = decodeRecord(JSON.stringify(old), record.id);
  assert.equal(read.version, 2);
  assert.equal(read.spec.host.networkMode, 'none');
  assert.deepEqual(Object.keys(read.spec.networking), ['none']);
});
