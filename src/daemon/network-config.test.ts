import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeConfig, parseConfigFile } from './config.ts';
import { parseFlags } from './flags.ts';
import { makeNetworkConfig } from './network-config.ts';

const config = (...argv: readonly string[]) => makeConfig(parseFlags(argv), new Map()).network;

test('without flags the data root names the bridge, and there is NAT, and forwarding where it is needed', () => {
  const { defaultBridge, mayForward, firewallBackend, firewallTable, dns, pools } = config();
  assert.deepEqual(
    [defaultBridge.bridge, defaultBridge.icc, defaultBridge.masquerade, defaultBridge.ipv6],
    ['', true, true, false],
  );
  assert.deepEqual([mayForward, firewallBackend, firewallTable], [true, 'nftables', '']);
  assert.deepEqual(dns, { servers: undefined, search: undefined, options: undefined });
  assert.equal(pools[0]?.base, '172.17.0.0/16');
});

test('flags have the names that dockerd gives them', () => {
  const given = config(
    '--bridge=br9',
    '--bip=10.1.0.1/16',
    '--fixed-cidr=10.1.4.0/24',
    '--default-gateway=10.1.0.9',
    '--bip6=fd00::1/64',
    '--icc=false',
    '--ip-masq=false',
    '--ip-forward=false',
    '--ipv6',
    '--ip=127.0.0.1',
    '--mtu=1400',
    '--dns=1.1.1.1',
    '--dns=8.8.8.8',
    '--dns-search=example.com',
    '--dns-opt=ndots:2',
    '--default-address-pool=base=10.10.0.0/16,size=24',
    '--host-gateway-ip=10.1.0.3',
    '--firewall-backend=iptables',
    '--firewall-table=mine',
  );
  assert.deepEqual(given, {
    defaultBridge: {
      bridge: 'br9',
      bip: '10.1.0.1/16',
      bip6: 'fd00::1/64',
      fixedCidr: '10.1.4.0/24',
      fixedCidr6: '',
      gateway: '10.1.0.9',
      gateway6: '',
      icc: false,
      masquerade: false,
      ipv6: true,
      hostBinding: '127.0.0.1',
      mtu: 1400,
    },
    pools: [{ base: '10.10.0.0/16', size: 24 }],
    mayForward: false,
    firewallBackend: 'iptables',
    firewallTable: 'mine',
    dns: { servers: ['1.1.1.1', '8.8.8.8'], search: ['example.com'], options: ['ndots:2'] },
    hostGateways: ['10.1.0.3'],
    defaultOptions: {},
  });
});

test('daemon.json says the same', () => {
  const text = JSON.stringify({
    'default-address-pools': [{ base: '10.10.0.0/16', size: 24 }],
    mtu: 1300,
    icc: false,
    dns: ['1.1.1.1'],
  });
  const flags = parseFlags([]);
  const { pools, defaultBridge, dns } = makeConfig(flags, parseConfigFile(text, flags)).network;
  assert.deepEqual(pools, [{ base: '10.10.0.0/16', size: 24 }]);
  assert.deepEqual([defaultBridge.mtu, defaultBridge.icc], [1300, false]);
  assert.deepEqual(dns.servers, ['1.1.1.1']);
  assert.throws(() => parseConfigFile('{"mtu":"1500"}', flags), { code: 'invalid_argument' });
});

test('a flag that cannot be is refused at once', () => {
  const bad: readonly (readonly [string, unknown])[] = [
    ['bip', '10.0.0.1'],
    ['bip', 'fd00::1/64'],
    ['bip6', '10.0.0.1/8'],
    ['fixed-cidr', 'x'],
    ['default-gateway', '10.0.0.1'],
    ['ip', 'fd00::1'],
    ['bridge', 'a b'],
    ['mtu', 12],
    ['host-gateway-ip', 'x'],
    ['firewall-backend', 'pf'],
    ['firewall-table', 'a b'],
    ['default-address-pools', ['base=10.0.0.0/8']],
    ['default-address-pools', [{ base: '10.0.0.0/8', size: 4 }]],
  ];
  for (const [key, value] of bad) {
    const make = () => makeNetworkConfig(new Map([[key, value]]));
    assert.throws(make, { code: 'invalid_argument' }, `${key} ${String(value)}`);
  }
  assert.throws(() => config('--bridge=none', '--bip=10.0.0.1/8'), /exclude each other/);
});
