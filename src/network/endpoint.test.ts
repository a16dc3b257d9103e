import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NetworkDriver } from './driver/driver.ts';
import { compareRanks, makeEndpoint, planEndpoints, type Rank } from './endpoint.ts';
import type { Endpoint, EndpointWish, NetworkRecord } from './engine.ts';

const driver = {
  leadsOut: ({ internal }: NetworkRecord) => !internal,
  hostInterface: (id: string) => `cv${id.slice(0, 12)}`,
  mac: () => '02:42:0a:00:00:02',
} as unknown as NetworkDriver;

const record = (change: Partial<NetworkRecord> = {}) =>
  ({
    id: 'n',
    name: 'net',
    driver: 'bridge',
    options: {},
    internal: false,
    ...change,
  }) as NetworkRecord;

const wish = (change: Partial<EndpointWish> = {}) =>
  ({ aliases: ['web', 'c'], driverOpts: {}, mac: undefined, ...change }) as EndpointWish;

const endpoint = (
  change: { record?: NetworkRecord; wish?: EndpointWish } = {},
  others: readonly Pick<Endpoint, 'interface' | 'index'>[] = [],
) =>
  makeEndpoint(
    {
      id: 'e'.repeat(64),
      record: change.record ?? record(),
      driver,
      wish: change.wish ?? wish(),
      container: { containerId: 'ab'.repeat(32), containerName: 'c', hostname: 'h' },
      lease: {
        ip: '10.0.0.2',
        prefixLength: 24,
        gateway: '10.0.0.1',
        ip6: undefined,
        prefixLength6: 0,
        gateway6: '',
      },
    },
    others,
  );

test('an endpoint has a name in DNS for its name, aliases, short id and host name, each once', () => {
  assert.deepEqual(endpoint().dnsNames, ['c', 'web', 'abababababab', 'h']);
  const options = { 'com.docker.network.bridge.default_bridge': 'true' };
  assert.deepEqual(endpoint({ record: record({ options }) }).dnsNames, []);
});

test('interfaces take the lowest free number, also beside names that users gave', () => {
  const others = [
    { interface: 'eth0', index: 16 },
    { interface: 'eth2', index: 18 },
  ];
  const next = endpoint({}, others);
  assert.deepEqual([next.interface, next.index], ['eth1', 17]);
  const named = wish({ driverOpts: { 'com.docker.network.endpoint.ifname': 'eth2' } });
  assert.equal(endpoint({ wish: named }).interface, 'eth2');
  assert.equal(endpoint({ wish: named }, others).interface, 'eth1');
});

test('an internal network gives no gateway', () => {
  assert.equal(endpoint().gateway, '10.0.0.1');
  assert.equal(endpoint({ record: record({ internal: true }) }).gateway, '');
});

test('endpoints stand by way out, priority, name; the first of a family has its route', () => {
  const rank = (name: string, priority = 0, leadsOut = true): Rank => ({
    name,
    priority,
    leadsOut,
  });
  const ranks = [rank('a', 9, false), rank('z', 1), rank('b'), rank('a')];
  assert.deepEqual(
    ranks.toSorted(compareRanks).map(({ name, leadsOut }) => `${name} ${leadsOut}`),
    ['z true', 'a true', 'b true', 'a false'],
  );
  const of = (ip: string | undefined, ip6: string | undefined, leadsOut = true) => ({
    endpoint: { ip, ip6 } as Endpoint,
    leadsOut,
  });
  const plans = planEndpoints('/n', [
    of(undefined, undefined),
    of('10.0.0.2', undefined),
    of('10.0.1.2', 'fd00::2'),
    of('10.0.2.2', 'fd01::2', false),
  ]);
  assert.deepEqual(
    plans.map(({ isGateway4, isGateway6 }) => `${isGateway4} ${isGateway6}`),
    ['false false', 'true false', 'false true', 'false false'],
  );
});
