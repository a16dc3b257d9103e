// The service of networks over a real agent, in a network namespace of the test's own: bridges,
// endpoints, addresses, routes, and that nothing is left. Containers are namespaces without a
// process here; ports and names are recorded only.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Sandbox } from '#network/engine.ts';
import type { NetworkService } from '#network/service.ts';
import {
  DEFAULT_BRIDGE,
  idOf,
  ServiceHost,
  networkRequest,
  sandboxRequest,
  wish,
} from './service-host.ts';

const GONE_MS_MAX = 5_000;
const POLL_MS = 10;

let host: ServiceHost;

before(async () => {
  host = await ServiceHost.open();
});

after(async () => {
  await host[Symbol.asyncDispose]();
});

/** veth pairs of a deleted namespace go a moment later (cleanup_net() of the kernel). */
async function noEndpointLinks(): Promise<readonly string[]> {
  const deadline = Date.now() + GONE_MS_MAX;
  for (;;) {
    const left = (await host.links()).filter((name) => /^c[vi][0-9a-f]{12}$/.test(name));
    if (left.length === 0 || Date.now() > deadline) return left;
    await sleep(POLL_MS);
  }
}

const filesOf = (name: string): readonly string[] =>
  readdirSync(join(host.directory, name, 'exec/net'));

async function closeAll(service: NetworkService, ...names: readonly string[]): Promise<void> {
  for (const name of names) await service.close(idOf(name));
}

const first = (sandbox: Sandbox) => {
  const [endpoint] = sandbox.endpoints;
  assert.ok(endpoint !== undefined);
  return endpoint;
};

test('a daemon whose networks nobody uses touches neither links nor routes', async () => {
  const service = await host.service('idle');
  await service.create(networkRequest('unused'));
  await service.recover(new Set());
  assert.deepEqual(await host.links(), ['lo']);
  assert.deepEqual(
    service.list().map(({ record, predefined }) => `${record.name} ${record.driver} ${predefined}`),
    ['none null true', 'host host true', 'bridge bridge true', 'unused bridge false'],
  );
  await service.remove('unused');
});

test('containers on the default bridge reach each other and the host, and leave nothing', async () => {
  const service = await host.service('plain');
  host.events.length = 0;
  const a = await service.open(sandboxRequest('a', [wish('bridge')]));
  const b = await service.open(sandboxRequest('b', [wish('default')]));
  const [ea, eb] = [first(a), first(b)];
  assert.deepEqual(
    [ea.interface, ea.ip, ea.prefixLength, ea.gateway, ea.mac],
    ['eth0', '172.17.0.2', 16, '172.17.0.1', '02:42:ac:11:00:02'],
  );
  assert.equal(eb.ip, '172.17.0.3');
  assert.ok(host.ping(a.path, '172.17.0.3'));
  assert.ok(host.ping(b.path, '172.17.0.1'));
  assert.ok(host.ping(a.path, '127.0.0.1'));
  assert.match(
    host.ip('addr show dev eth0', a.path),
    /inet 172\.17\.0\.2\/16 brd 172\.17\.255\.255 /,
  );
  assert.match(host.ip('addr show dev lo', a.path), /inet6 ::1/);
  assert.doesNotMatch(host.ip('addr show dev eth0', a.path), /inet6/);
  assert.equal(
    host.run(['cat', '/proc/sys/net/ipv4/ip_unprivileged_port_start'], a.path).output,
    '0\n',
  );
  assert.equal(host.run(['cat', '/proc/sys/net/ipv4/ip_forward']).output, '1\n');
  assert.deepEqual(
    service.inspect('bridge').endpoints.map(({ containerName, ip }) => `${containerName} ${ip}`),
    ['a 172.17.0.2', 'b 172.17.0.3'],
  );
  await closeAll(service, 'a', 'b', 'never-was');
  assert.deepEqual(filesOf('plain'), []);
  assert.deepEqual(await noEndpointLinks(), []);
  assert.deepEqual(host.events, [
    'connect bridge a',
    'connect bridge b',
    'disconnect bridge a',
    'disconnect bridge b',
  ]);
  host.ip('link delete coracle0');
});

test('dual stack, IPv6 alone and internal networks have the routes that they should', async () => {
  const service = await host.service('families');
  await service.create(networkRequest('dual', { ipv6: true }));
  await service.create(
    networkRequest('six', { ipv4: false, ipv6: true, subnets: [{ subnet: 'fd77:1::/64' }] }),
  );
  await service.create(networkRequest('inner', { internal: true }));
  const dual = await service.open(sandboxRequest('d', [wish('dual')]));
  const peer = await service.open(sandboxRequest('e', [wish('dual')]));
  const six = await service.open(sandboxRequest('s', [wish('six')]));
  const inner = await service.open(sandboxRequest('i', [wish('inner')]));
  assert.match(first(dual).ip6 ?? '', /^fd[0-9a-f]{2}:/); // RFC 4193, from the data root's own pool
  assert.ok(host.ping(dual.path, first(peer).ip6 ?? ''));
  assert.ok(host.ping(dual.path, first(dual).gateway6));
  assert.match(host.ip('-6 route', dual.path), /default via fd/);
  assert.deepEqual([first(six).ip, first(six).ip6], [undefined, 'fd77:1::2']);
  assert.ok(host.ping(six.path, 'fd77:1::1'));
  assert.equal(host.ip('route', six.path).trim(), '');
  assert.equal(first(inner).gateway, '');
  assert.doesNotMatch(host.ip('route', inner.path), /default/);
  assert.ok(host.ping(inner.path, '172.19.0.1'));
  assert.equal(host.run(['cat', '/proc/sys/net/ipv6/conf/all/forwarding']).output, '1\n');
  await closeAll(service, 'd', 'e', 's', 'i');
  for (const name of ['dual', 'six', 'inner']) await service.remove(name);
  assert.deepEqual(await host.links(), ['lo']);
});

test('the first network by priority and name has eth0 and the default route', async () => {
  const service = await host.service('order');
  for (const name of ['zulu', 'alpha', 'mike']) await service.create(networkRequest(name));
  await service.create(networkRequest('aaa-internal', { internal: true }));
  const plain = await service.open(
    sandboxRequest('p', [wish('zulu'), wish('aaa-internal'), wish('alpha')]),
  );
  assert.deepEqual(
    plain.endpoints.map((endpoint) => `${endpoint.interface} ${endpoint.networkName}`),
    ['eth0 alpha', 'eth1 zulu', 'eth2 aaa-internal'],
  );
  assert.match(host.ip('route', plain.path), /default via \S+ dev eth0/);
  const chosen = await service.open(
    sandboxRequest('q', [wish('alpha'), wish('zulu', { gwPriority: 7 })]),
  );
  assert.equal(first(chosen).networkName, 'zulu');
  assert.match(host.ip('route', chosen.path), new RegExp(`default via ${first(chosen).gateway} `));
  await closeAll(service, 'p', 'q');
  for (const name of ['zulu', 'alpha', 'mike', 'aaa-internal']) await service.remove(name);
});

test('connect and disconnect of a running container move the default route', async () => {
  const service = await host.service('live');
  await service.create(networkRequest('beta', { ipv6: true }));
  await service.create(networkRequest('alpha'));
  const before = await service.open(sandboxRequest('l', [wish('beta', { aliases: ['web'] })]));
  assert.deepEqual(first(before).dnsNames, ['l', 'web', idOf('l').slice(0, 12)]);
  const joined = await service.connect(idOf('l'), wish('alpha'));
  assert.deepEqual(
    joined.endpoints.map(({ networkName, interface: name }) => `${name} ${networkName}`),
    ['eth1 alpha', 'eth0 beta'],
  );
  assert.match(host.ip('route', joined.path), /default via \S+ dev eth1/);
  assert.match(host.ip('-6 route', joined.path), /default via \S+ dev eth0/);
  assert.equal(joined.resolvConf, '# alpha,beta\n');
  await assert.rejects(service.connect(idOf('l'), wish('alpha')), {
    code: 'forbidden',
    message: 'endpoint with name l already exists in network alpha',
  });
  const left = await service.disconnect(idOf('l'), 'alpha');
  assert.deepEqual(
    left.endpoints.map(({ networkName }) => networkName),
    ['beta'],
  );
  assert.match(host.ip('route', left.path), /default via \S+ dev eth0/);
  assert.ok(host.ping(left.path, first(left).gateway));
  await assert.rejects(service.disconnect(idOf('l'), 'alpha'), {
    message: `container ${idOf('l')} is not connected to network alpha`,
  });
  assert.deepEqual((await service.disconnect(idOf('l'), 'beta')).endpoints, []);
  assert.equal(host.ip('route', left.path).trim(), '');
  await service.rename(idOf('l'), 'new-name');
  assert.deepEqual(first(await service.connect(idOf('l'), wish('beta'))).dnsNames, [
    'new-name',
    idOf('l').slice(0, 12),
    'l',
  ]);
  await service.close(idOf('l'));
  for (const name of ['alpha', 'beta']) await service.remove(name);
  assert.deepEqual(await noEndpointLinks(), []);
});

test('both default routes go to a network of higher priority, and come back', async () => {
  const service = await host.service('priority');
  for (const name of ['low', 'high']) await service.create(networkRequest(name, { ipv6: true }));
  const before = await service.open(sandboxRequest('r', [wish('low')]));
  const defaults = () =>
    ['-4', '-6'].map((family) =>
      host.ip(`${family} route show default`, before.path).match(/dev \S+/g),
    );
  assert.deepEqual(defaults(), [['dev eth0'], ['dev eth0']]);
  await service.connect(idOf('r'), wish('high', { gwPriority: 1 }));
  assert.deepEqual(defaults(), [['dev eth1'], ['dev eth1']]);
  await service.disconnect(idOf('r'), 'high');
  assert.deepEqual(defaults(), [['dev eth0'], ['dev eth0']]);
  await service.connect(idOf('r'), wish('high', { gwPriority: -1 }));
  assert.deepEqual(defaults(), [['dev eth0'], ['dev eth0']]);
  await service.disconnect(idOf('r'), 'low');
  assert.deepEqual(defaults(), [['dev eth1'], ['dev eth1']]);
  await service.close(idOf('r'));
  for (const name of ['low', 'high']) await service.remove(name);
});

test('addresses, MAC, interface name, MTU and sysctls are what the user asked for', async () => {
  const service = await host.service('wishes');
  await service.create(
    networkRequest('net', {
      options: {
        'com.docker.network.driver.mtu': '1400',
        'com.docker.network.container_iface_prefix': 'wan',
      },
      subnets: [
        {
          subnet: '10.80.0.0/24',
          ipRange: '10.80.0.128/25',
          gateway: '10.80.0.254',
          auxAddresses: { router: '10.80.0.128' },
        },
      ],
    }),
  );
  const endpoint = wish('net', {
    ip: '10.80.0.9',
    mac: '92-D0-C6-0A-29-33',
    linkLocalIps: ['169.254.8.8'],
    driverOpts: { 'com.docker.network.endpoint.sysctls': 'net.ipv4.conf.IFNAME.log_martians=1' },
  });
  const asked = await service.open(sandboxRequest('w', [endpoint]));
  const link = host.ip('addr show dev wan0', asked.path);
  assert.match(link, /mtu 1400/);
  assert.match(link, /ether 92:d0:c6:0a:29:33/);
  assert.match(link, /inet 10\.80\.0\.9\/24/);
  assert.match(link, /inet 169\.254\.8\.8\/16/);
  assert.match(host.ip('route', asked.path), /default via 10\.80\.0\.254/);
  assert.equal(
    host.run(['cat', '/proc/sys/net/ipv4/conf/wan0/log_martians'], asked.path).output,
    '1\n',
  );
  const named = await service.open(
    sandboxRequest('x', [
      wish('net', { driverOpts: { 'com.docker.network.endpoint.ifname': 'data' } }),
    ]),
  );
  assert.deepEqual([first(named).interface, first(named).ip], ['data', '10.80.0.129']);
  await assert.rejects(service.open(sandboxRequest('y', [wish('net', { ip: '10.80.0.9' })])), {
    code: 'forbidden',
    message: 'Address already in use',
  });
  await assert.rejects(service.open(sandboxRequest('y', [wish('net', { ip: '10.81.0.9' })])), {
    message: 'invalid endpoint settings:\nno configured subnet contains IP address 10.81.0.9',
  });
  await assert.rejects(
    service.open(sandboxRequest('y', [wish('bridge', { ip: '172.17.0.9', aliases: ['z'] })])),
    {
      code: 'invalid_argument',
      message:
        'invalid endpoint settings:\n' +
        'user specified IP address is supported on user defined networks only\n' +
        'network-scoped alias is supported only for containers in user defined networks',
    },
  );
  const sysctls = { 'com.docker.network.endpoint.sysctls': 'net.ipv4.conf.IFNAME.nothing=1' };
  await assert.rejects(service.open(sandboxRequest('y', [wish('net', { driverOpts: sysctls })])), {
    code: 'invalid_argument',
    message: 'cannot set sysctl net/ipv4/conf/wan0/nothing to "1" in the container: ENOENT',
  });
  assert.equal(service.sandbox(idOf('y')), undefined);
  await closeAll(service, 'w', 'x');
  await service.remove('net');
});

test('networks are found by id, prefix and name, and refused as Docker refuses them', async () => {
  const service = await host.service('names');
  const { id } = await service.create(networkRequest('one', { labels: { a: 'b' } }));
  assert.equal(service.inspect(id.slice(0, 9)).record.name, 'one');
  assert.equal(service.inspect('one').record.labels['a'], 'b');
  const refusals = [
    [networkRequest('one'), 'conflict', 'network with name one already exists'],
    [networkRequest('host'), 'forbidden', 'operation is not permitted on predefined host network'],
    [networkRequest('a\nb'), 'invalid_argument', /^invalid network name "a\\nb"/],
    [networkRequest('x'.repeat(256)), 'invalid_argument', /^invalid network name/],
    [networkRequest('-rm'), 'invalid_argument', /^invalid network name "-rm"/],
    [
      networkRequest('n', { driver: 'weave' }),
      'not_found',
      'could not find plugin weave in v1 plugin registry: plugin not found',
    ],
    [
      networkRequest('n', { driver: 'host' }),
      'forbidden',
      'only one instance of "host" network is allowed',
    ],
    [networkRequest('n', { ipv4: false }), 'invalid_argument', 'IPv4 or IPv6 must be enabled'],
    [
      networkRequest('n', {
        subnets: [{ subnet: service.inspect('one').record.ipam.subnets[0]?.subnet ?? '' }],
      }),
      'forbidden',
      'invalid pool request: Pool overlaps with other one on this address space',
    ],
    [
      networkRequest('n', { options: { 'com.docker.network.bridge.name': 'a b;' } }),
      'invalid_argument',
      /name of an interface/,
    ],
    [
      networkRequest('n', { options: { 'com.docker.network.bridge.name': 'coracle0' } }),
      'forbidden',
      /networks have same bridge name$/,
    ],
    [
      networkRequest('n', { options: { 'com.docker.network.bridge.name': 'lo' } }),
      'conflict',
      /is no bridge/,
    ],
    [
      networkRequest('n', { options: { 'com.docker.network.driver.mtu': '12' } }),
      'invalid_argument',
      /^failed to parse com\.docker\.network\.driver\.mtu value: "12"/,
    ],
  ] as const;
  for (const [request, code, message] of refusals) {
    await assert.rejects(service.create(request), { code, message }, request.name);
  }
  await assert.rejects(service.remove('bridge'), {
    code: 'forbidden',
    message: 'bridge is a pre-defined network and cannot be removed',
  });
  const sandbox = await service.open(sandboxRequest('c', [wish('one')]));
  await assert.rejects(service.remove('one'), {
    code: 'forbidden',
    message:
      'error while removing network: network one has active endpoints ' +
      `(name:"c" id:"${first(sandbox).id.slice(0, 12)}")`,
  });
  assert.deepEqual(await service.prune(() => true), []);
  await service.close(idOf('c'));
  assert.deepEqual(await service.prune(() => true), ['one']);
  assert.throws(() => service.inspect('one'), {
    code: 'not_found',
    message: 'network one not found',
  });
  assert.ok(!(await host.links()).some((name) => name.startsWith('co-')));
});

test('a start that fails half way gives everything back', async () => {
  const service = await host.service('undo');
  await service.create(networkRequest('net', { subnets: [{ subnet: '10.82.0.0/29' }] }));
  const ports = [
    { port: 80, protocol: 'tcp', hostIp: '', hostPort: { first: 80, last: 80 } },
  ] as const;
  host.ports.refuse = new Error('port is already allocated');
  await assert.rejects(service.open(sandboxRequest('u', [wish('net')], { ports })), {
    message: 'port is already allocated',
  });
  assert.deepEqual(filesOf('undo'), []);
  assert.deepEqual(host.ports.holders, []);
  assert.deepEqual(await noEndpointLinks(), []);
  const names = ['1', '2', '3', '4', '5'];
  for (const name of names) await service.open(sandboxRequest(name, [wish('net')]));
  await assert.rejects(service.open(sandboxRequest('full', [wish('net')])), {
    code: 'unavailable',
    message: /no available IPv4 addresses on this network's address pools: net/,
  });
  await closeAll(service, ...names);
  await service.open(sandboxRequest('after', [wish('net')], { ports }));
  assert.deepEqual(host.ports.holders, [idOf('after')]);
  await closeAll(service, 'after');
  assert.deepEqual(host.ports.holders, []);
  await service.remove('net');
});

test('a bridge that somebody removed is made again, and the containers on it are plugged in', async () => {
  const service = await host.service('removed');
  await service.create(networkRequest('net'));
  const a = await service.open(sandboxRequest('a', [wish('net')]));
  const bridge = (await host.links()).find((name) => name.startsWith('co-')) ?? '';
  host.ip(`link delete ${bridge}`);
  assert.ok(!host.pingOnce(a.path, first(a).gateway));
  host.ports.log.length = 0;
  const others = await Promise.all(
    ['b', 'c', 'd'].map((name) => service.open(sandboxRequest(name, [wish('net')]))),
  );
  for (const { path } of others) assert.ok(host.ping(path, first(a).ip ?? ''));
  assert.deepEqual(host.ports.log, ['up net']);
  await closeAll(service, 'a', 'b', 'c', 'd');
  await service.remove('net');
});

test('a daemon that was killed finds its sandboxes, mends them and takes the others down', async () => {
  const dead = await host.service('killed');
  await dead.create(networkRequest('net', { ipv6: true }));
  const keep = await dead.open(sandboxRequest('keep', [wish('net'), wish('bridge')]));
  const whole = await dead.open(sandboxRequest('whole', [wish('net')]));
  const gone = await dead.open(sandboxRequest('gone', [wish('net')]));
  host.ip(`link delete ${first(keep).hostInterface ?? ''}`);
  const net = (await host.links()).find((name) => name.startsWith('co-')) ?? '';
  host.ip(`link delete ${net}`);
  const orphan = join(host.directory, 'killed/exec/net', 'f'.repeat(32));
  writeFileSync(orphan, '');
  writeFileSync(join(host.directory, 'killed/exec/net', `${'e'.repeat(32)}.json`), '{');

  const service = await host.service('killed');
  assert.equal(service.problems.length, 1);
  assert.deepEqual(service.sandbox(idOf('keep')), JSON.parse(JSON.stringify(keep)));
  await service.recover(new Set([idOf('keep'), idOf('whole')]));
  assert.deepEqual(host.reports, []);
  assert.ok(host.ping(keep.path, first(whole).ip ?? ''));
  assert.ok(host.ping(whole.path, keep.endpoints[1]?.ip6 ?? 'none'));
  assert.match(host.ip('route', keep.path), /default via 172\.17\.0\.1 dev eth0/);
  assert.equal(service.sandbox(idOf('gone')), undefined);
  assert.ok(!filesOf('killed').some((name) => name.startsWith('f') || name.startsWith('e')));
  // Their addresses are still theirs, and that of the one that is gone is free.
  const next = await service.open(sandboxRequest('next', [wish('net')]));
  const taken = [keep, whole].flatMap(({ endpoints }) => endpoints.map(({ ip }) => ip));
  assert.ok(!taken.includes(first(next).ip));
  assert.deepEqual(
    service
      .inspect('net')
      .endpoints.map(({ containerName }) => containerName)
      .toSorted(),
    ['keep', 'next', 'whole'],
  );
  assert.notEqual(gone.path, next.path);
  await closeAll(service, 'keep', 'whole', 'next');
  await service.remove('net');
  assert.deepEqual(await noEndpointLinks(), []);
  assert.deepEqual(filesOf('killed'), []);
  host.ip('link delete coracle0');
});

test('the namespace of a process is pinned and given back with its endpoints', async () => {
  const service = await host.service('adopted');
  const child = spawn('unshare', ['--user', '--map-root-user', '--net', 'sleep', '60'], {
    stdio: 'ignore',
  });
  try {
    const adopt = `/proc/${child.pid}/ns/net`;
    const comm = () => readFileSync(`/proc/${child.pid}/comm`, 'utf8');
    while (comm() !== 'sleep\n') await sleep(POLL_MS); // it is in its namespaces by then
    const sandbox = await service.open(sandboxRequest('m', [wish('bridge')], { adopt }));
    assert.ok(host.ping(sandbox.path, '172.17.0.1'));
    await service.close(idOf('m'));
    assert.deepEqual(filesOf('adopted'), []);
  } finally {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }
  assert.deepEqual(await noEndpointLinks(), []);
  host.ip('link delete coracle0');
});

test('two daemons on one host choose different subnets, also when the first never used its own', async () => {
  const [one, two] = [
    await host.service('first'),
    await host.service('second', {
      defaultBridge: { ...DEFAULT_BRIDGE, bridge: 'coracle1' },
    }),
  ];
  const a = await one.open(sandboxRequest('a', [wish('bridge')]));
  const b = await two.open(sandboxRequest('b', [wish('bridge')]));
  assert.deepEqual([first(a).ip, first(b).ip], ['172.17.0.2', '172.18.0.2']);
  await one.close(idOf('a'));
  await two.close(idOf('b'));
  for (const name of ['coracle0', 'coracle1']) host.ip(`link delete ${name}`);
});

test('a bridge of another network is not taken, unless nobody is in it', async () => {
  const [one, two] = [await host.service('left'), await host.service('right')];
  await one.open(sandboxRequest('a', [wish('bridge')]));
  await assert.rejects(two.open(sandboxRequest('b', [wish('bridge')])), {
    code: 'conflict',
    message: /^interface coracle0 of the host is the bridge of another network/,
  });
  await one.close(idOf('a'));
  const b = await two.open(sandboxRequest('b', [wish('bridge')]));
  assert.ok(host.ping(b.path, first(b).gateway));
  await two.close(idOf('b'));
  host.ip('link delete coracle0');
});

test('the default bridge follows the flags, and an existing bridge keeps its address', async () => {
  const asked = {
    ...DEFAULT_BRIDGE,
    bip: '10.83.0.1/24',
    fixedCidr: '10.83.0.128/25',
    gateway: '10.83.0.7',
  };
  const before = await host.service('flags');
  assert.deepEqual(before.hostGateways(), ['172.17.0.1']);
  const { id } = before.inspect('bridge').record;
  const service = await host.service('flags', { defaultBridge: asked });
  assert.equal(service.inspect('bridge').record.id, id);
  assert.deepEqual(service.hostGateways(), ['10.83.0.1']);
  const sandbox = await service.open(sandboxRequest('f', [wish('bridge')]));
  assert.deepEqual([first(sandbox).ip, first(sandbox).gateway], ['10.83.0.128', '10.83.0.7']);
  const stuck = await host.service('flags');
  assert.match(stuck.problems.join(), /keeps its old settings/);
  await service.close(idOf('f'));
  host.ip('link delete coracle0');

  host.ip('link add br-own type bridge');
  host.ip('addr add 10.84.0.1/24 dev br-own');
  const own = await host.service('own', { defaultBridge: { ...DEFAULT_BRIDGE, bridge: 'br-own' } });
  const member = await own.open(sandboxRequest('g', [wish('bridge')]));
  assert.equal(first(member).ip, '10.84.0.2');
  assert.ok(host.ping(member.path, '10.84.0.1'));
  await own.close(idOf('g'));
  const none = await host.service('own', { defaultBridge: { ...DEFAULT_BRIDGE, bridge: 'none' } });
  assert.deepEqual(
    none
      .list()
      .map(({ record }) => record.name)
      .toSorted(),
    ['host', 'none'],
  );
  assert.ok((await host.links()).includes('br-own'));
  host.ip('link delete br-own');
});

test('starts and ends of many containers at once give each its own address, and leave none', async () => {
  const service = await host.service('many');
  await service.create(networkRequest('net', { subnets: [{ subnet: '10.85.0.0/25' }] }));
  const names = Array.from({ length: 60 }, (_, index) => `n${index}`);
  for (let round = 0; round < 3; round += 1) {
    const sandboxes = await Promise.all(
      names.map((name) => service.open(sandboxRequest(name, [wish('net')]))),
    );
    assert.equal(new Set(sandboxes.map((sandbox) => first(sandbox).ip)).size, names.length);
    await Promise.all(names.map((name) => service.close(idOf(name))));
  }
  assert.deepEqual(filesOf('many'), []);
  await service.remove('net');
  assert.deepEqual(await noEndpointLinks(), []);
});
