import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointWish, NetworkRecord } from './engine.ts';
import { plainWish } from './testing-network.ts';
import { checkWish, parseEndpointSysctls, parseInterfaceName } from './wish.ts';

const record = (userConfigured: boolean, options: NetworkRecord['options'] = {}) =>
  ({
    driver: 'bridge',
    options,
    ipam: { subnets: [{ subnet: '10.0.0.0/24', auxAddresses: {}, userConfigured }] },
  }) as unknown as NetworkRecord;

const fault = (network: NetworkRecord, wish: Partial<EndpointWish>): string => {
  try {
    checkWish(network, plainWish('net', wish));
    return '';
  } catch (error) {
    return error instanceof Error ? error.message.replace('invalid endpoint settings:\n', '') : '';
  }
};

test('an address of its own needs a user-defined network with a subnet that a user named', () => {
  const rule = 'user specified IP address is supported';
  assert.equal(fault(record(true), { ip: '10.0.0.9' }), '');
  assert.equal(
    fault(record(false), { ip: '10.0.0.9' }),
    `${rule} only when connecting to networks with user configured subnets`,
  );
  assert.equal(
    fault(record(true), { ip6: 'fd00::9' }),
    `${rule} only when connecting to networks with user configured subnets`,
  );
  const isDefault = { 'com.docker.network.bridge.default_bridge': 'true' };
  assert.equal(
    fault(record(true, isDefault), { ip: '10.0.0.9' }),
    `${rule} on user defined networks only`,
  );
});

test('all faults of an endpoint are told at once', () => {
  assert.equal(
    fault(record(true), { ip: 'fd00::1', ip6: '10.0.0.1', linkLocalIps: ['10.0.0.2', 'x'] }),
    [
      'invalid IPv4 address: fd00::1',
      'invalid IPv6 address: 10.0.0.1',
      'invalid link-local IP address: 10.0.0.2',
      'invalid link-local IP address: x',
    ].join('\n'),
  );
  assert.equal(fault(record(true), { linkLocalIps: ['169.254.1.1', 'fe80::5'] }), '');
});

test('sysctls of an endpoint are of its own interface only', () => {
  const options = (text: string) => ({ 'com.docker.network.endpoint.sysctls': text });
  assert.deepEqual(
    parseEndpointSysctls(
      options('net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.IFNAME.accept_ra=2'),
      'eth0',
    ),
    [
      { key: 'net/ipv4/conf/eth0/log_martians', value: '1' },
      { key: 'net/ipv6/conf/eth0/accept_ra', value: '2' },
    ],
  );
  const refused = [
    'net.ipv4.ip_forward=1',
    'net.ipv4.conf.all.forwarding=1',
    'kernel.x.y.IFNAME.z=1',
    'net.ipv4.conf.IFNAME.../../x=1',
    'net.ipv4.conf.IFNAME.forwarding',
    'net.ipv4.conf/../x.IFNAME.forwarding=1',
  ];
  for (const text of refused) {
    assert.throws(() => parseEndpointSysctls(options(text), 'eth0'), {
      code: 'invalid_argument',
      message: /^expected sysctl/,
    });
  }
});

test('the name of an interface is one that the kernel takes, and not lo', () => {
  const name = (text: string) => parseInterfaceName({ 'com.docker.network.endpoint.ifname': text });
  assert.equal(name('data0'), 'data0');
  assert.equal(name(''), undefined);
  for (const text of ['lo', 'a b', 'a/b', '..', 'a'.repeat(16), 'x\ny']) {
    assert.throws(() => name(text), { code: 'invalid_argument' }, text);
  }
});
