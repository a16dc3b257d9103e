import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NetworkRecord } from '../../engine.ts';
import { OPTION, parseBridge } from './options.ts';
import { addressesOf, planSettings } from './plan.ts';

const ID = '0123456789abcdef'.repeat(4);
const settings = (options: Readonly<Record<string, string>>) => parseBridge({ id: ID, options });

const record = (change: Partial<NetworkRecord> = {}) =>
  ({
    id: ID,
    name: 'net',
    ipv6: true,
    ipam: {
      subnets: [
        { subnet: '10.0.0.0/24', gateway: '10.0.0.1' },
        { subnet: 'fd00::/64', gateway: 'fd00::1' },
        { subnet: '10.9.0.0/24' },
      ],
    },
    ...change,
  }) as unknown as NetworkRecord;

test('options have defaults, and names of ours', () => {
  assert.deepEqual(settings({}), {
    bridge: 'co-0123456789ab',
    isDefault: false,
    icc: true,
    masquerade: true,
    hostBinding: '',
    inhibit4: false,
    gatewayMode4: 'nat',
    gatewayMode6: 'nat',
    trusted: [],
    host4: '',
    host6: '',
    mtu: undefined,
    interfacePrefix: 'eth',
  });
  assert.equal(settings({ [OPTION.icc]: 'F' }).icc, false);
  assert.deepEqual(settings({ [OPTION.trusted]: 'eth0:wg0' }).trusted, ['eth0', 'wg0']);
  assert.equal(settings({ 'com.example.unknown': 'x' }).icc, true);
});

test('an option that means nothing is refused with its name and value', () => {
  const bad = [
    [OPTION.icc, 'maybe'],
    [OPTION.mtu, '67'],
    [OPTION.mtu, '1e3'],
    [OPTION.hostBinding, 'fd00::1'],
    [OPTION.gatewayMode4, 'natty'],
    [OPTION.bridgeName, 'a"b'],
    [OPTION.bridgeName, 'x'.repeat(16)],
    [OPTION.bridgeName, '..'],
    [OPTION.trusted, 'eth0:"; flush ruleset'],
    [OPTION.interfacePrefix, 'lo'],
    [OPTION.interfacePrefix, '0eth'],
    [OPTION.host6, '10.0.0.1'],
  ] as const;
  for (const [option, value] of bad) {
    assert.throws(() => settings({ [option]: value }), { code: 'invalid_argument' }, value);
  }
});

test('the host has the gateways, but where the user says that it has none', () => {
  const of = (options: Readonly<Record<string, string>>) =>
    addressesOf(record(), settings(options));
  assert.deepEqual(of({}), ['10.0.0.1/24', 'fd00::1/64']);
  assert.deepEqual(of({ [OPTION.inhibit4]: 'true' }), ['fd00::1/64']);
  assert.deepEqual(of({ [OPTION.gatewayMode6]: 'isolated' }), ['10.0.0.1/24']);
});

test("addresses of somebody else's bridge stay, those of ours follow the record", () => {
  const what = (isOurs: boolean) =>
    planSettings(record(), settings({}), {
      index: 7,
      isOurs,
      present: ['10.0.0.1/24', '192.168.1.1/24'],
      hostHasIpv6: true,
    }).flatMap((step) => ('op' in step ? [] : step.messages.map((one) => one.what)));
  assert.deepEqual(what(false), ['add address fd00::1/64', 'set link']);
  assert.deepEqual(what(true), [
    'delete address 192.168.1.1/24',
    'add address fd00::1/64',
    'set link',
  ]);
});
