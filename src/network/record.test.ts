import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NetworkRecord, Sandbox } from './engine.ts';
import { decodeNetwork, decodeSandbox, encodeNetwork, encodeSandbox } from './record.ts';

const ID = '0123456789abcdef'.repeat(4);
const NETWORK: NetworkRecord = {
  version: 1,
  id: ID,
  name: 'net',
  createdAt: 1_700_000_000_123_456_789n,
  driver: 'bridge',
  ipv4: true,
  ipv6: false,
  internal: false,
  attachable: true,
  options: { 'com.docker.network.driver.mtu': '1400' },
  labels: { a: 'b' },
  ipam: {
    driver: 'default',
    options: {},
    subnets: [
      { subnet: '10.0.0.0/24', gateway: '10.0.0.1', auxAddresses: {}, userConfigured: true },
    ],
  },
};
const SANDBOX: Sandbox = {
  version: 1,
  containerId: ID,
  containerName: 'c',
  hostname: 'h',
  path: '/run/coracle/net/0',
  endpoints: [],
  ports: [],
  waiting: [],
  links: { to: [], exposed: ['80/tcp'] },
  rate: undefined,
  dns: { servers: undefined, search: undefined, options: undefined },
  resolvConf: '',
};

test('a network is read as it was written', () => {
  assert.deepEqual(decodeNetwork(encodeNetwork(NETWORK), ID), NETWORK);
});

test('a record that cannot be read says what is wrong with it', () => {
  const network = (change: object) =>
    decodeNetwork(JSON.stringify({ ...NETWORK, createdAt: '1', ...change }), ID);
  assert.equal(network({}).name, 'net');
  const bad: readonly (readonly [object, RegExp])[] = [
    [{ version: 9 }, /version 9/],
    [{ id: 'f'.repeat(64) }, /not that of its file/],
    [{ name: '' }, /no name/],
    [{ driver: 'weave' }, /driver weave/],
    [{ ipam: {} }, /ipam\.subnets is no list/],
    [{ createdAt: 5 }, /createdAt/],
  ];
  for (const [change, message] of bad) {
    assert.throws(() => network(change), { code: 'corrupt', message });
  }
  assert.throws(() => decodeNetwork('{', ID), { code: 'corrupt', message: 'it is not JSON' });
});

test('a sandbox names the namespace beside it, and only names that an interface can have', () => {
  const read = (change: object) =>
    decodeSandbox(encodeSandbox({ ...SANDBOX, ...change }), SANDBOX.path);
  assert.equal(read({}).containerId, ID);
  assert.throws(() => read({ path: '/etc/passwd' }), { code: 'corrupt' });
  assert.throws(() => read({ containerId: '../x' }), { code: 'corrupt' });
  const endpoint = { id: ID, networkId: ID, interface: '../x', wish: {}, dnsNames: [] };
  assert.throws(() => read({ endpoints: [endpoint] }), { code: 'invalid_argument' });
});
