// Names, options and addresses that are made to become something else: a second line of a file, an
// option of a program, a rule, a path. Each is refused as the client's fault, and nothing is left.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { field } from '../../tools/api.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';
import { HOST, EngineHost } from './engine-host.ts';

const skip = cannotRun();
const GONE_MS_MAX = 10_000;
const POLL_MS = 20;
let daemon: Daemon;
let host: EngineHost;
let web = '';
/** Of the default network: no other may have it. */
let bridge = '';

before(async () => {
  if (skip !== false) return;
  daemon = await startDaemon();
  host = new EngineHost(daemon.engine);
  await daemon.ok('network', 'create', '--subnet', '10.77.0.0/24', 'net');
  web = await daemon.ok('run', '-d', '--name', 'web', '-p', '8080:80', 'busybox', 'sleep', '600');
  const { json } = await daemon.api('GET', '/networks/bridge');
  const options = field(json, 'Options') as Record<string, string>;
  bridge = options['com.docker.network.bridge.name'] ?? '';
});

after(async () => {
  if (skip !== false) return;
  await host[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
});

type Body = Readonly<Record<string, unknown>>;

async function state(): Promise<unknown> {
  const networks = (await daemon.api('GET', '/networks')).json as { Name: string }[];
  const containers = (await daemon.api('GET', '/containers/json?all=1')).json as unknown[];
  const names = networks.map(({ Name }) => Name).toSorted();
  return {
    networks: names,
    containers: containers.length,
    links: host.links(),
    rules: host.rules(),
  };
}

/** All of them are refused with 4xx and a text, and the engine is as it was. */
async function refuse(
  faults: readonly (readonly [
    what: string,
    ask: () => Promise<{ status: number; json: unknown }>,
  ])[],
): Promise<void> {
  const earlier = await state();
  const wrong: string[] = [];
  for (const [what, ask] of faults) {
    const { status, json } = await ask();
    const message = field(json, 'message');
    if (status < 400 || status >= 500 || typeof message !== 'string' || message === '') {
      wrong.push(`${what}: ${status} ${JSON.stringify(json)}`);
    }
  }
  assert.deepEqual(wrong, []);
  await settle(earlier);
}

/** The kernel takes the links of a namespace that is gone away when it finds the time. */
async function settle(earlier: unknown): Promise<void> {
  const deadline = performance.now() + GONE_MS_MAX;
  while (!isDeepStrictEqual(await state(), earlier) && performance.now() < deadline) {
    await sleep(POLL_MS);
  }
  assert.deepEqual(await state(), earlier);
}

const network = (body: Body) =>
  [JSON.stringify(body), () => daemon.api('POST', '/networks/create', body)] as const;

test('forged names of networks, drivers and bridges are refused', { skip }, () =>
  refuse([
    ...['', 'a\nb', '-x', ' a', '../etc', 'a/b', 'x'.repeat(300), 'container:x'].map((Name) =>
      network({ Name }),
    ),
    ...['bridge\n', '../bridge', 'constructor', '-'].map((Driver) =>
      network({ Name: 'n', Driver }),
    ),
    ...['a b', 'x\ny', 'x'.repeat(16), '../x', 'br+', '%d', 'lo', 'eth0', bridge].map((name) =>
      network({ Name: 'n', Options: { 'com.docker.network.bridge.name': name } }),
    ),
  ]),
);

test('forged options and subnets of networks are refused', { skip }, () =>
  refuse([
    ...[
      ['com.docker.network.driver.mtu', '-1'],
      ['com.docker.network.driver.mtu', '1e9'],
      ['com.docker.network.bridge.enable_icc', 'true\n'],
      ['com.docker.network.bridge.host_binding_ipv4', '1.2.3.4; drop'],
      ['com.docker.network.host_ipv4', '1.1.1.1 -j ACCEPT'],
      ['com.docker.network.bridge.gateway_mode_ipv4', 'nat\n'],
      ['com.docker.network.container_iface_prefix', '../a'],
      ['com.docker.network.container_iface_prefix', 'x'.repeat(20)],
    ].map(([key = '', value]) => network({ Name: 'n', Options: { [key]: value } })),
    ...[
      { parent: 'eth0\n-x' },
      { parent: 'lo' },
      { parent: 'nothing0' },
      { parent: 'eth0', macvlan_mode: 'bridge ' },
    ].map((Options) => network({ Name: 'n', Driver: 'macvlan', Options })),
    ...[
      { Subnet: '10.0.0.0/8\n' },
      { Subnet: '10.0.0.0/33' },
      { Subnet: '127.0.0.0/8' },
      { Subnet: '224.0.0.0/4' },
      { Subnet: '10.9.0.0/24', Gateway: '10.8.0.1' },
      { Subnet: '10.9.0.0/24', IPRange: '10.9.0.0/24 -j' },
      { Subnet: '10.9.0.0/24', AuxiliaryAddresses: { a: '10.9.0.7;' } },
    ].map((one) => network({ Name: 'n', IPAM: { Config: [one] } })),
  ]),
);

test('a subnet of another network, or a part of it, is refused', { skip }, () =>
  refuse(
    ['10.77.0.0/24', '10.77.0.128/25', '10.0.0.0/8', '172.17.0.0/16'].map((Subnet) =>
      network({ Name: 'n', IPAM: { Config: [{ Subnet }] } }),
    ),
  ),
);

/** Creates, and where that is taken starts and removes: one of the two must refuse. */
const container = (body: Body) =>
  [
    JSON.stringify(body),
    async () => {
      const made = await daemon.api('POST', '/containers/create', { Image: 'busybox', ...body });
      if (made.status !== 201) return made;
      const path = `/containers/${String(field(made.json, 'Id'))}`;
      const started = await daemon.api('POST', `${path}/start`);
      await daemon.api('DELETE', `${path}?force=1`);
      return started;
    },
  ] as const;

const onNet = (settings: Body) =>
  container({
    HostConfig: { NetworkMode: 'net' },
    NetworkingConfig: { EndpointsConfig: { net: settings } },
  });

test('forged addresses, aliases and options of an endpoint are refused', { skip }, () =>
  refuse([
    ...['10.77.0.999', '10.77.0.9\n', '10.78.0.9', '10.77.0.0', '10.77.0.1', '127.0.0.1'].map(
      (ip) => onNet({ IPAMConfig: { IPv4Address: ip } }),
    ),
    ...['zz', '01:00:5e:00:00:01', '02:42:ac:11:00:02\n', '00:00:00:00:00:00'].map((mac) =>
      onNet({ MacAddress: mac }),
    ),
    ...['a\n1.2.3.4 evil', 'a b', '-x', '', 'x'.repeat(300)].map((alias) =>
      onNet({ Aliases: [alias] }),
    ),
    ...['web', 'web:a\nb', 'nobody:x', ':'].map((link) => onNet({ Links: [link, 'web\n:x'] })),
    ...[
      { 'com.docker.network.endpoint.ifname': '../x' },
      { 'com.docker.network.endpoint.ifname': 'lo' },
      { 'com.docker.network.endpoint.ifname': 'a b' },
      { 'com.docker.network.endpoint.sysctls': 'kernel.core_pattern=|x' },
      { 'com.docker.network.endpoint.sysctls': 'net.ipv4.../.IFNAME.x=1' },
    ].map((DriverOpts) => onNet({ DriverOpts })),
  ]),
);

test('forged ports, names and servers of a container are refused', { skip }, () =>
  refuse([
    ...[
      { '80/tcp': [{ HostIp: '1.2.3.4\n', HostPort: '1' }] },
      { '80/tcp': [{ HostIp: 'eth0', HostPort: '1' }] },
      { '80/tcp': [{ HostIp: '', HostPort: '80; drop' }] },
      { '80/tcp': [{ HostIp: '', HostPort: '9000-8000' }] },
      { '80/tcp': [{ HostIp: '', HostPort: '-1' }] },
      { '80/tcp': [{ HostIp: '', HostPort: '65536' }] },
      { '80/icmp': [{ HostIp: '', HostPort: '1' }] },
      { '99999/tcp': [{ HostIp: '', HostPort: '1' }] },
      { '80/tcp\n': [{ HostIp: '', HostPort: '1' }] },
    ].map((PortBindings) => container({ HostConfig: { PortBindings } })),
    ...['x:1.2.3.4\n5.6.7.8 evil', 'a b:1.2.3.4', 'a:', ':1.2.3.4', 'a:host'].map((line) =>
      container({ HostConfig: { ExtraHosts: [line] } }),
    ),
    container({ HostConfig: { Dns: ['8.8.8.8\nsearch evil'] } }),
    container({ HostConfig: { DnsSearch: ['a\nnameserver 1.2.3.4'] } }),
    container({ HostConfig: { DnsOptions: ['ndots:1\nnameserver 1.2.3.4'] } }),
    container({ HostConfig: { NetworkMode: 'none\n' } }),
    container({ HostConfig: { NetworkMode: 'container:../web' } }),
    container({ Hostname: 'a\n1.2.3.4 evil' }),
    container({ Domainname: 'a\n1.2.3.4 evil' }),
    container({ HostConfig: { NetRate: { In: { BitsPerSecond: -1 }, Out: null } } }),
    container({
      HostConfig: { NetRate: { In: { BitsPerSecond: 1e6, BurstBytes: 1 }, Out: null } },
    }),
  ]),
);

test('a port in use is refused with who has it: a container or a program of the host', {
  skip,
}, async () => {
  await host.probe('squatter', daemon.engine.namespace, [7000]);
  const bind = (HostPort: string, HostIp = '') =>
    container({ HostConfig: { PortBindings: { '80/tcp': [{ HostIp, HostPort }] } } })[1]();
  const text = async (HostPort: string, HostIp?: string): Promise<string> => {
    const { status, json } = await bind(HostPort, HostIp);
    assert.ok(status >= 400);
    return String(field(json, 'message'));
  };
  const earlier = await state();
  assert.match(
    await text('8080'),
    /Bind for 0\.0\.0\.0:8080 failed: port is already allocated \(by container web\)/,
  );
  assert.match(await text('8080', HOST.ip), /port is already allocated \(by container web\)/);
  assert.match(await text('7000'), /:7000.*address already in use \(by python3, pid \d+\)/);
  assert.match(await text('1', '203.0.113.9'), /no interface of the host has it/);
  await settle(earlier);
  const { json } = await daemon.api('GET', `/containers/${web}/json`);
  assert.equal(field(json, 'State.Running'), true);
});
