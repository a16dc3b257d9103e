import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NetworkRecord } from './engine.ts';
import { bridgeRequest, type DefaultBridge, keepChosen, subnetRequest } from './predefined.ts';

const WANTED: DefaultBridge = {
  bridge: 'coracle0',
  bip: '',
  bip6: '',
  fixedCidr: '',
  fixedCidr6: '',
  gateway: '',
  gateway6: '',
  icc: true,
  masquerade: true,
  ipv6: false,
  hostBinding: '',
  mtu: undefined,
};

test('flags of the default bridge become a subnet, a range, a gateway', () => {
  const none = { bip: '', fixed: '', gateway: '' };
  assert.equal(subnetRequest(4, none), undefined);
  assert.deepEqual(subnetRequest(4, { ...none, bip: '10.1.2.3/24' }), {
    subnet: '10.1.2.0/24',
    gateway: '10.1.2.3',
  });
  assert.deepEqual(subnetRequest(4, { ...none, fixed: '10.1.2.128/25' }), {
    subnet: '10.1.2.128/25',
  });
  assert.deepEqual(
    subnetRequest(6, { bip: 'fd00::1/64', fixed: 'fd00::100/120', gateway: 'fd00::2' }),
    {
      subnet: 'fd00::/64',
      gateway: 'fd00::1',
      ipRange: 'fd00::100/120',
      auxAddresses: { DefaultGatewayIPv6: 'fd00::2' },
    },
  );
  assert.throws(() => subnetRequest(4, { ...none, gateway: '10.0.0.1' }), {
    code: 'invalid_argument',
  });
});

test('a subnet that was chosen once stays when something else changes', () => {
  const record = (...subnets: readonly (readonly [string, boolean])[]) =>
    ({
      ipam: {
        subnets: subnets.map(([subnet, userConfigured]) => ({ subnet, userConfigured })),
      },
    }) as unknown as NetworkRecord;
  const kept = (stored: NetworkRecord, planned: NetworkRecord) =>
    keepChosen(stored, planned).ipam.subnets.map(({ subnet }) => subnet);
  const stored = record(['172.17.0.0/16', false]);
  const planned = record(['172.18.0.0/16', false], ['fd00::/64', false]);
  assert.deepEqual(kept(stored, planned), ['172.17.0.0/16', 'fd00::/64']);
  assert.deepEqual(kept(stored, record(['10.0.0.0/8', true])), ['10.0.0.0/8']);
  assert.deepEqual(kept(record(['10.0.0.0/8', true]), stored), ['172.17.0.0/16']);
});

test('the default bridge has the options that Docker shows', () => {
  assert.deepEqual(bridgeRequest(WANTED, '').options, {
    'com.docker.network.bridge.default_bridge': 'true',
    'com.docker.network.bridge.enable_icc': 'true',
    'com.docker.network.bridge.enable_ip_masquerade': 'true',
    'com.docker.network.bridge.host_binding_ipv4': '0.0.0.0',
    'com.docker.network.bridge.name': 'coracle0',
    'com.docker.network.driver.mtu': '1500',
  });
  assert.deepEqual(bridgeRequest(WANTED, '10.9.0.1/16').ipam.requests, [
    { subnet: '10.9.0.0/16', gateway: '10.9.0.1' },
  ]);
});
