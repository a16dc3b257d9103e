import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NetworkInspect } from '#wire/network.ts';
import { networkRecord } from './networks.ts';
import { startServer } from './server.ts';
import { CONTAINER_ID, viewOf } from './view.ts';

const filter = (filters: object): string =>
  `filters=${encodeURIComponent(JSON.stringify(filters))}`;

const SUBNET = {
  subnet: '172.20.0.0/16',
  ipRange: '172.20.5.0/24',
  gateway: '172.20.0.1',
  auxAddresses: { router: '172.20.0.9' },
  userConfigured: true,
};
const WEB = {
  record: networkRecord('web', {
    labels: { tier: 'front' },
    ipam: { driver: 'default', options: {}, subnets: [SUBNET] },
  }),
  predefined: false,
  endpoints: [],
};
const ENDPOINT = {
  id: 'e'.repeat(64),
  networkId: WEB.record.id,
  networkName: 'web',
  driver: 'bridge',
  interface: 'eth0',
  index: 16,
  hostInterface: 'cve',
  mac: '02:42:ac:14:00:02',
  ip: '172.20.0.2',
  prefixLength: 16,
  gateway: '172.20.0.1',
  ip6: undefined,
  prefixLength6: 0,
  gateway6: '',
  wish: {
    network: 'web',
    aliases: ['www'],
    links: [],
    ip: '172.20.0.2',
    ip6: undefined,
    linkLocalIps: [],
    mac: undefined,
    driverOpts: {},
    gwPriority: 0,
  },
  dnsNames: ['site', 'www', CONTAINER_ID.slice(0, 12)],
} as const;

test('a list is selected by name, id, driver, type, label and use', async () => {
  await using server = await startServer();
  server.networks.views = [...server.networks.views, WEB];
  const names = async (filters: object): Promise<string[]> => {
    const list = (await server.json('GET', `/networks?${filter(filters)}`)) as NetworkInspect[];
    return list.map(({ Name }) => Name);
  };
  assert.deepEqual(await names({}), ['bridge', 'host', 'none', 'web']);
  assert.deepEqual(await names({ type: ['custom'] }), ['web']);
  assert.deepEqual(await names({ type: ['builtin'] }), ['bridge', 'host', 'none']);
  assert.deepEqual(await names({ driver: ['host', 'null'] }), ['host', 'none']);
  assert.deepEqual(await names({ name: ['^w.b$'] }), ['web']);
  assert.deepEqual(await names({ id: { [WEB.record.id.slice(0, 5)]: true } }), ['web']);
  assert.deepEqual(await names({ label: ['tier=front'] }), ['web']);
  assert.deepEqual(await names({ dangling: ['true'] }), ['web']);
  assert.deepEqual(await names({ dangling: ['0'] }), ['bridge', 'host', 'none']);
  assert.deepEqual(await names({ scope: ['swarm'] }), []);
  const refused = await server.ask('GET', `/networks?${filter({ colour: ['red'] })}`);
  assert.equal(refused.status, 400);
});

test('inspect has the addresses, the options and the containers of a network', async () => {
  await using server = await startServer();
  const member = { ...ENDPOINT, containerId: CONTAINER_ID, containerName: 'site' };
  server.networks.views = [...server.networks.views, { ...WEB, endpoints: [member] }];
  const one = (await server.json('GET', '/networks/web')) as NetworkInspect;
  assert.deepEqual(one.IPAM, {
    Driver: 'default',
    Options: {},
    Config: [
      {
        Subnet: '172.20.0.0/16',
        IPRange: '172.20.5.0/24',
        Gateway: '172.20.0.1',
        AuxiliaryAddresses: { router: '172.20.0.9' },
      },
    ],
  });
  assert.deepEqual(one.Containers, {
    [CONTAINER_ID]: {
      Name: 'site',
      EndpointID: ENDPOINT.id,
      MacAddress: '02:42:ac:14:00:02',
      IPv4Address: '172.20.0.2/16',
      IPv6Address: '',
    },
  });
  const list = (await server.json('GET', '/networks')) as NetworkInspect[];
  assert.deepEqual(list.at(-1)?.Containers, {});
  const old = (await server.json('GET', '/v1.27/networks')) as NetworkInspect[];
  assert.deepEqual(Object.keys(old.at(-1)?.Containers ?? {}), [CONTAINER_ID]);
  const missing = await server.ask('GET', '/networks/x');
  assert.deepEqual([missing.status, missing.text], [404, '{"message":"network x not found"}\n']);
});

test('create, connect and disconnect ask for what the body says', async () => {
  await using server = await startServer();
  const made = await server.json('POST', '/networks/create', {
    Name: 'web',
    Driver: 'bridge',
    EnableIPv6: true,
    IPAM: { Config: [{ Subnet: '172.20.0.0/16', IPRange: '172.20.5.0/24' }] },
    Options: { 'com.docker.network.bridge.name': 'br0' },
    Labels: { a: 'b' },
  });
  assert.deepEqual(made, { Id: 'd'.repeat(64), Warning: '' });
  const [, request] = server.networks.calls[0] as [string, Record<string, unknown>];
  assert.equal(request['ipv4'], undefined);
  assert.equal(request['ipv6'], true);
  assert.deepEqual(
    { ...(request['options'] as object) },
    { 'com.docker.network.bridge.name': 'br0' },
  );
  const body = {
    Container: 'site',
    EndpointConfig: { Aliases: ['www'], IPAMConfig: { IPv4Address: '172.20.0.2' }, GwPriority: 3 },
  };
  const json = { 'Content-Type': 'application/json' };
  const post = async (path: string, sent: object) =>
    (await server.ask('POST', path, JSON.stringify(sent), json)).status;
  assert.equal(await post('/networks/web/connect', body), 200);
  assert.equal(await post('/networks/web/disconnect', { Container: 'site', Force: true }), 200);
  const [connect, disconnect] = server.engine.calls;
  const wish = connect?.[2] as Record<string, unknown>;
  assert.deepEqual(
    [connect?.[0], connect?.[1], wish['network'], wish['aliases'], wish['ip'], wish['gwPriority']],
    ['connect', 'site', 'web', ['www'], '172.20.0.2', 3],
  );
  assert.deepEqual(disconnect, ['disconnect', 'site', 'web', { force: true }]);
});

test('prune takes networks of users by label and age', async () => {
  await using server = await startServer();
  server.networks.views = [WEB];
  const prune = (filters: object) => server.json('POST', `/networks/prune?${filter(filters)}`);
  assert.deepEqual(await prune({}), { NetworksDeleted: ['web'] });
  assert.deepEqual(await prune({ 'label!': ['tier'] }), { NetworksDeleted: null });
  assert.deepEqual(await prune({ until: ['2020-01-01T00:00:00Z'] }), { NetworksDeleted: null });
  assert.deepEqual(await prune({ until: ['1h30m'] }), { NetworksDeleted: ['web'] });
});

test('a running container shows its addresses, its names and its ports', async () => {
  await using server = await startServer();
  const view = viewOf(
    {
      HostConfig: { NetworkMode: 'web' },
      NetworkingConfig: { EndpointsConfig: { web: { Aliases: ['www'] } } },
      ExposedPorts: { '80/tcp': {}, '53/udp': {} },
    },
    { state: { status: 'running', pid: 7 as never, startedAt: 1n } },
  );
  const sandbox = {
    version: 1,
    containerId: CONTAINER_ID,
    containerName: 'web',
    hostname: 'h',
    path: '/run/net/x',
    endpoints: [ENDPOINT],
    ports: [
      { port: 80, protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 8080 },
      { port: 80, protocol: 'tcp', hostIp: '::', hostPort: 8080 },
    ],
    waiting: [],
    links: { to: [], exposed: [] },
    rate: undefined,
    dns: { servers: undefined, search: undefined, options: undefined },
    resolvConf: '',
  } as const;
  server.engine.views = [{ ...view, sandbox }];
  const { NetworkSettings: shown } = (await server.json('GET', '/containers/web/json')) as {
    NetworkSettings: Record<string, Record<string, Record<string, unknown>>>;
  };
  assert.deepEqual(shown['Ports'], {
    '80/tcp': [
      { HostIp: '0.0.0.0', HostPort: '8080' },
      { HostIp: '::', HostPort: '8080' },
    ],
    '53/udp': null,
  });
  assert.equal(shown['SandboxKey'], '/run/net/x');
  assert.equal(shown['IPAddress'], '');
  const { IPAddress, Gateway, DNSNames, Aliases } = shown['Networks']?.['web'] ?? {};
  assert.deepEqual([IPAddress, Gateway, Aliases], ['172.20.0.2', '172.20.0.1', ['www']]);
  assert.deepEqual(DNSNames, ENDPOINT.dnsNames);
  const summary = (await server.json('GET', '/containers/json')) as { Ports: unknown }[];
  assert.deepEqual(summary[0]?.Ports, [
    { PrivatePort: 53, Type: 'udp' },
    { IP: '0.0.0.0', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
    { IP: '::', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
  ]);
  for (const [filters, found] of [
    [{ publish: ['8080'] }, 1],
    [{ publish: ['80'] }, 0],
    [{ expose: ['53/udp'] }, 1],
    [{ network: ['web'] }, 1],
    [{ network: [ENDPOINT.networkId.slice(0, 9)] }, 1],
    [{ network: ['bridge'] }, 0],
  ] as const) {
    const list = (await server.json('GET', `/containers/json?${filter(filters)}`)) as unknown[];
    assert.equal(list.length, found, JSON.stringify(filters));
  }
});

test('a container that does not run is found by the name and the id of its network', async () => {
  await using server = await startServer();
  server.networks.views = [...server.networks.views, WEB];
  const state = {
    status: 'exited',
    exit: { exitCode: 0, oomKilled: false, error: '', finishedAt: 2n },
    startedAt: 1n,
  } as const;
  server.engine.views = [viewOf({ HostConfig: { NetworkMode: 'web' } }, { state })];
  for (const [value, found] of [
    ['web', 1],
    [WEB.record.id, 1],
    [WEB.record.id.slice(0, 9), 1],
    ['bridge', 0],
    ['', 0],
  ] as const) {
    const path = `/containers/json?all=1&${filter({ network: [value] })}`;
    assert.equal(((await server.json('GET', path)) as unknown[]).length, found, value);
  }
});

test('what an older client says of MAC addresses and networks means what it meant then', async () => {
  await using server = await startServer();
  const create = async (version: string, body: object) => {
    const answer = await server.ask(
      'POST',
      `/v${version}/containers/create`,
      JSON.stringify({ Image: 'busybox', ...body }),
      { 'Content-Type': 'application/json' },
    );
    const spec = server.engine.calls.at(-1)?.[1] as { networking: object } | undefined;
    return { answer, networking: JSON.parse(JSON.stringify(spec?.networking ?? {})) };
  };
  const two = { NetworkingConfig: { EndpointsConfig: { a: {}, b: {} } } };
  const { answer } = await create('1.43', two);
  assert.equal(answer.status, 400);
  assert.match(answer.text, /Container cannot be created with multiple network endpoints: a, b/);
  assert.equal((await create('1.44', two)).answer.status, 201);
  const mac = '02:42:ac:11:00:09';
  const old = await create('1.43', { MacAddress: mac });
  assert.equal(old.networking['bridge'].mac, mac);
  assert.deepEqual(JSON.parse(old.answer.text)['Warnings'], []);
  const recent = await create('1.44', { MacAddress: mac });
  assert.equal(recent.networking['bridge'].mac, mac);
  assert.match(recent.answer.text, /MacAddress field is now deprecated/);
  const named = { NetworkingConfig: { EndpointsConfig: { default: { MacAddress: mac } } } };
  assert.equal((await create('1.43', named)).networking['bridge'].mac, undefined);
  assert.equal((await create('1.51', named)).networking['bridge'].mac, mac);
});

test('ports of a running container are changed by one request of ours', async () => {
  await using server = await startServer();
  server.engine.views = [viewOf()];
  const Add = { '80/tcp': [{ HostIp: '', HostPort: '8080' }] };
  const reply = await server.json('POST', '/coracle/containers/web/ports', { Add });
  assert.deepEqual(reply, { Ports: {} });
  const [verb, ref, change] = server.engine.calls[0] ?? [];
  assert.deepEqual([verb, ref], ['changePorts', 'web']);
  assert.deepEqual(JSON.parse(JSON.stringify(change)), {
    add: { '80/tcp': [{ hostIp: '', hostPort: '8080' }] },
    remove: {},
  });
  const nothing = await server.ask('POST', '/coracle/containers/web/ports', '{}', {
    'Content-Type': 'application/json',
  });
  assert.equal(nothing.status, 400);
});

test('what only a swarm has is refused in dockerd’s words', async () => {
  await using server = await startServer();
  const manager =
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect ' +
    'this node to swarm and try again.';
  const refused: readonly (readonly [object, string])[] = [
    [{ Driver: 'overlay' }, manager],
    [{ Driver: 'overlay', Ingress: true }, manager],
    [{ Scope: 'global' }, manager],
    [{ Scope: 'swarm' }, 'cannot create a swarm scoped network when swarm is not active'],
    [{ Ingress: true }, 'Ingress network can only be global scope network'],
  ];
  for (const [fields, message] of refused) {
    const body = JSON.stringify({ Name: 'n', ...fields });
    const headers = { 'Content-Type': 'application/json' };
    const { status, text } = await server.ask('POST', '/networks/create', body, headers);
    assert.deepEqual([status, JSON.parse(text)], [403, { message }]);
  }
  await server.json('POST', '/networks/create', { Name: 'n', Scope: 'local' });
  assert.equal(server.networks.calls.length, 1);
});
