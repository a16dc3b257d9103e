// Networks by the unmodified docker CLI and by dockerode: what a person types, what compose and
// testcontainers ask for, and the words in which mistakes are told.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import type { ContainerInspect } from '#wire/container.ts';
import type { NetworkInspect } from '#wire/network.ts';
import { startEngine } from '../../tools/private-engine.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';

const skip = cannotRun();
let daemon: Daemon;

before(async () => {
  if (skip === false) daemon = await startDaemon();
});
after(async () => {
  if (skip === false) await daemon[Symbol.asyncDispose]();
});

const sleeper = ['busybox', 'sleep', '1000'] as const;

async function inspect(name: string): Promise<ContainerInspect> {
  const { json } = await daemon.api('GET', `/containers/${name}/json`);
  return json as ContainerInspect;
}

async function network(name: string): Promise<NetworkInspect> {
  return (await daemon.api('GET', `/networks/${name}`)).json as NetworkInspect;
}

/** A program on the host of the daemon, which is a network namespace. */
function onHost(...argv: readonly string[]): string {
  return execFileSync('nsenter', [`--net=${daemon.engine.namespace}`, ...argv], {
    encoding: 'utf8',
    timeout: 10_000,
  });
}

/** The kernel takes the links of a namespace away a moment after it (network_namespaces(7)). */
async function endsWithout(link: RegExp): Promise<void> {
  const end = performance.now() + 5_000;
  for (;;) {
    const links = onHost('ip', '-o', 'link');
    if (!link.test(links)) return;
    assert.ok(performance.now() < end, links);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function addressesOf(text: string): readonly string[] {
  return [...text.matchAll(/inet ([\d.]+)/g)].map(([, address = '']) => address);
}

test('a container is on the default bridge, and what it has is given back', { skip }, async () => {
  await daemon.ok('run', '-d', '--name', 'plain', ...sleeper);
  const { NetworkSettings: shown, HostConfig: host } = await inspect('plain');
  assert.equal(host.NetworkMode, 'bridge');
  assert.equal(shown.Gateway, '172.17.0.1');
  assert.match(shown.IPAddress, /^172\.17\.0\.\d+$/);
  assert.deepEqual(Object.keys(shown.Networks), ['bridge']);
  const inside = await daemon.ok('exec', 'plain', 'sh', '-c', 'ip addr; ip route; cat /etc/hosts');
  assert.deepEqual(addressesOf(inside), ['127.0.0.1', shown.IPAddress]);
  assert.match(inside, /default via 172\.17\.0\.1 dev eth0/);
  assert.ok(inside.includes(`${shown.IPAddress}\t${shown.SandboxKey.slice(-32).slice(0, 12)}`));
  await daemon.ok('exec', 'plain', 'ping', '-c1', '-W2', '172.17.0.1');
  const { Containers, Name } = await network('bridge');
  assert.equal(Name, 'bridge');
  assert.equal(Object.values(Containers)[0]?.IPv4Address, `${shown.IPAddress}/16`);
  await daemon.ok('rm', '-f', 'plain');
  assert.deepEqual((await network('bridge')).Containers, {});
  await endsWithout(/: cv/);
});

test('containers of a network of a user find each other by every name', { skip }, async () => {
  await daemon.ok('network', 'create', '--label', 'tier=front', 'names');
  await daemon.ok(
    ...['run', '-d', '--name', 'named', '-h', 'box', '--network', 'names'],
    ...['--network-alias', 'www', ...sleeper],
  );
  const { Id, NetworkSettings } = await inspect('named');
  const { IPAddress, DNSNames, Aliases } = NetworkSettings.Networks['names'] ?? {};
  assert.deepEqual(DNSNames, ['named', 'www', Id.slice(0, 12), 'box']);
  assert.deepEqual(Aliases, ['www']);
  const ask = `for n in named www box ${Id.slice(0, 12)} named.names; do nslookup $n; done`;
  const answers = await daemon.ok('run', '--rm', '--network', 'names', 'busybox', 'sh', '-c', ask);
  assert.equal(answers.split(`Address: ${IPAddress}`).length - 1, 5, answers);
  await daemon.ok('rename', 'named', 'other');
  const look = ['run', '--rm', '--network', 'names', 'busybox', 'nslookup'];
  assert.ok((await daemon.ok(...look, 'other')).includes(`Address: ${IPAddress}`));
  assert.notEqual((await daemon.docker(...look, 'named')).code, 0);
  await daemon.ok('rm', '-f', 'other');
  assert.equal(await daemon.ok('network', 'rm', 'names'), 'names');
});

test('a network has the subnet, and a container the addresses, that were asked for', {
  skip,
}, async () => {
  await daemon.ok(
    ...['network', 'create', '--subnet', '10.71.0.0/16', '--ip-range', '10.71.5.0/24'],
    ...['--gateway', '10.71.0.9', '--aux-address', 'printer=10.71.5.1', 'fixed'],
  );
  assert.deepEqual((await network('fixed')).IPAM.Config, [
    {
      Subnet: '10.71.0.0/16',
      IPRange: '10.71.5.0/24',
      Gateway: '10.71.0.9',
      AuxiliaryAddresses: { printer: '10.71.5.1' },
    },
  ]);
  await daemon.ok(
    ...['run', '-d', '--name', 'wished', '--network', 'fixed', '--ip', '10.71.7.7'],
    ...['--mac-address', '02:42:aa:bb:cc:dd', ...sleeper],
  );
  const { NetworkSettings, Config } = await inspect('wished');
  const { IPAMConfig, IPAddress, MacAddress, Gateway } = NetworkSettings.Networks['fixed'] ?? {};
  assert.deepEqual(IPAMConfig, { IPv4Address: '10.71.7.7' });
  assert.deepEqual([IPAddress, Gateway], ['10.71.7.7', '10.71.0.9']);
  assert.deepEqual([MacAddress, Config.MacAddress], ['02:42:aa:bb:cc:dd', '02:42:aa:bb:cc:dd']);
  assert.match(
    await daemon.ok('exec', 'wished', 'ip', 'addr'),
    /02:42:aa:bb:cc:dd[\s\S]*10\.71\.7\.7/,
  );
  const twice = await daemon.docker(
    ...['run', '--rm', '--network', 'fixed', '--ip', '10.71.7.7', 'busybox', 'true'],
  );
  assert.equal(twice.code, 125);
  assert.match(twice.stderr, /failed to set up container networking: Address already in use/);
  await daemon.ok('restart', '-t', '0', 'wished');
  const again = await inspect('wished');
  assert.equal(again.NetworkSettings.Networks['fixed']?.IPAddress, '10.71.7.7');
  await daemon.ok('rm', '-f', 'wished');
  await daemon.ok('network', 'rm', 'fixed');
});

test('networks come and go while a container runs, and stay for its next start', {
  skip,
}, async () => {
  await daemon.ok('network', 'create', 'second');
  await daemon.ok('run', '-d', '--name', 'mover', ...sleeper);
  await daemon.ok('network', 'connect', '--alias', 'two', 'second', 'mover');
  const both = await daemon.ok(
    'exec',
    'mover',
    'sh',
    '-c',
    'ip addr; cat /etc/hosts; nslookup two',
  );
  const { Networks } = (await inspect('mover')).NetworkSettings;
  const { IPAddress = '' } = Networks['second'] ?? {};
  assert.deepEqual(Object.keys(Networks), ['bridge', 'second']);
  assert.equal(addressesOf(both).length, 3);
  assert.ok(both.includes(`${IPAddress}\t`), both);
  assert.ok(both.includes(`Address: ${IPAddress}`), both);
  await daemon.ok('network', 'disconnect', 'bridge', 'mover');
  const one = await daemon.ok('exec', 'mover', 'sh', '-c', 'ip addr; ip route; cat /etc/hosts');
  assert.deepEqual(addressesOf(one).slice(1), [IPAddress]);
  assert.match(one, /default via/);
  assert.doesNotMatch(one, /172\.17\.0/);
  assert.match((await daemon.docker('network', 'rm', 'second')).stderr, /has active endpoints/);
  await daemon.ok('stop', '-t', '0', 'mover');
  await daemon.ok('network', 'connect', 'bridge', 'mover');
  await daemon.ok('start', 'mover');
  const started = (await inspect('mover')).NetworkSettings.Networks;
  assert.deepEqual(Object.keys(started), ['second', 'bridge']);
  assert.ok(Object.values(started).every((each) => each.IPAddress !== ''));
  await daemon.ok('rm', '-f', 'mover');
  await daemon.ok('network', 'rm', 'second');
});

test('none, host and another container are networks, too', { skip }, async () => {
  assert.deepEqual(
    addressesOf(await daemon.ok('run', '--rm', '--network', 'none', 'busybox', 'ip', 'addr')),
    ['127.0.0.1'],
  );
  const host = await daemon.ok('run', '--rm', '--network', 'host', 'busybox', 'ip', 'link');
  const bridge = (await network('bridge')).Options['com.docker.network.bridge.name'] ?? '';
  assert.ok(bridge !== '' && host.includes(`: ${bridge}: <`), host);
  await daemon.ok('run', '-d', '--name', 'donor', ...sleeper);
  const { NetworkSettings, Config } = await inspect('donor');
  const joined = await daemon.ok(
    ...['run', '--rm', '--network', 'container:donor', 'busybox'],
    ...['sh', '-c', 'hostname; ip addr; cat /etc/hosts'],
  );
  assert.ok(joined.startsWith(`${Config.Hostname}\n`));
  assert.ok(addressesOf(joined).includes(NetworkSettings.IPAddress));
  assert.ok(joined.includes(`${NetworkSettings.IPAddress}\t${Config.Hostname}`));
  await daemon.ok('rm', '-f', 'donor');
  await daemon.ok('run', '-d', '--name', 'alone', '--network', 'none', ...sleeper);
  assert.equal(Object.values((await network('none')).Containers)[0]?.Name, 'alone');
  await daemon.ok('network', 'disconnect', 'none', 'alone');
  await daemon.ok('network', 'connect', 'bridge', 'alone');
  assert.equal(addressesOf(await daemon.ok('exec', 'alone', 'ip', 'addr')).length, 2);
  await daemon.ok('rm', '-f', 'alone');
});

test('links of the default bridge are names and variables, and follow a restart', {
  skip,
}, async () => {
  await daemon.ok('run', '-d', '--name', 'db', '--expose', '6379', '-e', 'KEY=1', ...sleeper);
  await daemon.ok('run', '-d', '--name', 'web', '--link', 'db:data', ...sleeper);
  const { HostConfig } = await inspect('web');
  assert.deepEqual(HostConfig.Links, ['/db:/web/data']);
  const addressOf = async () => (await inspect('db')).NetworkSettings.IPAddress;
  const shown = await daemon.ok('exec', 'web', 'sh', '-c', 'env; cat /etc/hosts');
  const ip = await addressOf();
  const { Hostname } = (await inspect('db')).Config;
  for (const line of [
    `DATA_PORT=tcp://${ip}:6379`,
    `DATA_PORT_6379_TCP_ADDR=${ip}`,
    'DATA_NAME=/web/data',
    'DATA_ENV_KEY=1',
    `${ip}\tdata ${Hostname} db`,
  ]) {
    assert.ok(shown.includes(line), line);
  }
  assert.match(await daemon.ok('ps', '--no-trunc', '--format', '{{.Names}}'), /^db,web\/data$/m);
  await daemon.ok('stop', '-t', '0', 'db');
  await daemon.ok('run', '-d', '--name', 'taker', ...sleeper);
  await daemon.ok('start', 'db');
  const hosts = await daemon.ok('exec', 'web', 'cat', '/etc/hosts');
  assert.ok(hosts.includes(`${await addressOf()}\tdata ${Hostname} db`), hosts);
  await daemon.ok('rm', '--link', 'web/data');
  assert.equal((await inspect('web')).HostConfig.Links, null);
  await daemon.ok('stop', '-t', '0', 'db');
  const dead = await daemon.docker('run', '--rm', '--name', 'late', '--link', 'db', 'busybox');
  assert.match(dead.stderr, /Cannot link to a non running container: \/db AS \/late\/db/);
  await daemon.ok('rm', '-f', 'db', 'web', 'taker');
});

test('events tell of a network in the order that compose waits for', { skip }, async () => {
  const since = String(Date.now() / 1000);
  await daemon.ok('network', 'create', 'told');
  await daemon.ok('run', '--rm', '--name', 'teller', '--network', 'told', 'busybox', 'true');
  await daemon.ok('network', 'rm', 'told');
  await daemon.ok('run', '--rm', '--name', 'teller2', '--network', 'none', 'busybox', 'true');
  const until = String(Date.now() / 1000);
  const format = '{{.Type}} {{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.type}}';
  const all = await daemon.ok('events', '--since', since, '--until', until, '--format', format);
  const told = all.split('\n').filter((line) => /told|teller|none null/.test(line));
  assert.deepEqual(told, [
    'network create told bridge',
    'container create teller <no value>',
    'container attach teller <no value>',
    'network connect told bridge',
    'container start teller <no value>',
    'container die teller <no value>',
    'network disconnect told bridge',
    'container destroy teller <no value>',
    'network destroy told bridge',
    'container create teller2 <no value>',
    'container attach teller2 <no value>',
    'network connect none null',
    'container start teller2 <no value>',
    'container die teller2 <no value>',
    'network disconnect none null',
    'container destroy teller2 <no value>',
  ]);
});

test('mistakes are told in dockerd’s words', { skip }, async () => {
  await daemon.ok('network', 'create', '--subnet', '10.72.0.0/16', 'known');
  await daemon.ok('run', '-d', '--name', 'user', '--network', 'known', ...sleeper);
  await daemon.ok('run', '-d', '--name', 'lonely', '--network', 'none', ...sleeper);
  await daemon.ok('create', '--name', 'idle', ...sleeper);
  const refusals = [
    [['network', 'create', 'known'], /network with name known already exists/],
    [['network', 'create', '--subnet', '10.72.3.0/24', 'x'], /Pool overlaps with other one/],
    [['network', 'create', '-d', 'nosuch', 'x'], /plugin .*nosuch/],
    [['network', 'create', '-d', 'overlay', 'x'], /This node is not a swarm manager/],
    [['network', 'create', 'host'], /operation is not permitted on predefined host network/],
    [['network', 'rm', 'bridge'], /bridge is a pre-defined network and cannot be removed/],
    [['network', 'rm', 'known'], /network known has active endpoints \(name:"user" id:"/],
    [['network', 'rm', 'x'], /network x not found/],
    [['network', 'inspect', 'x'], /network x not found/],
    [['network', 'connect', 'x', 'user'], /network x not found/],
    [['network', 'connect', 'known', 'nosuch'], /No such container: nosuch/],
    [
      ['network', 'connect', 'known', 'user'],
      /endpoint with name user already exists in network known/,
    ],
    [['network', 'connect', 'bridge', 'lonely'], /one of the networks in private \(none\) mode/],
    [['network', 'connect', 'host', 'user'], /container must be created in host network mode/],
    [['network', 'connect', '--ip', '10.9.0.1', 'known', 'lonely'], /no configured subnet/],
    [['network', 'disconnect', 'bridge', 'user'], /is not connected to network bridge/],
    [['run', '--rm', '--network', 'x', 'busybox'], /networking: network x not found/],
    [['run', '--rm', '--ip', '172.17.0.9', 'busybox'], /supported on user defined networks only/],
    [
      ['run', '--rm', '--network', 'container:user', '-p', '80', 'busybox'],
      /port publishing and the container type network mode/,
    ],
    [
      ['run', '--rm', '--network', 'container:idle', 'busybox'],
      /cannot join network namespace of a non running container: container idle is created/,
    ],
    [['run', '--rm', '--link', 'nosuch', 'busybox'], /could not get container for nosuch/],
    [
      ['run', '--rm', '--network', 'host', '--link', 'user', 'busybox'],
      /host type networking can't/,
    ],
  ] as const;
  for (const [argv, message] of refusals) {
    const { code, stderr } = await daemon.docker(...argv);
    assert.notEqual(code, 0, argv.join(' '));
    assert.match(stderr, message, argv.join(' '));
  }
  await daemon.ok('rm', '-f', 'user', 'lonely', 'idle');
  assert.equal(await daemon.ok('network', 'prune', '-f'), 'Deleted Networks:\nknown\n');
});

test('a container with user ids of its own has a network that it owns', { skip }, async () => {
  const script = 'ip addr; ping -c1 -W2 172.17.0.1 && ip link set eth0 mtu 1400 && ip link';
  const { json } = await daemon.api('POST', '/containers/create?name=mapped', {
    Image: 'busybox',
    Cmd: ['sh', '-c', script],
    HostConfig: { UsernsMode: 'auto', CapAdd: ['NET_ADMIN'] },
  });
  assert.ok((json as { Id: string }).Id);
  const said = await daemon.ok('start', '-a', 'mapped');
  assert.equal(addressesOf(said).length, 2, said);
  assert.match(said, /mtu 1400/);
  await daemon.ok('rm', 'mapped');
});

test('networks and what is connected outlive the daemon, and what ended without it is gone', {
  skip,
}, async () => {
  await using engine = await startEngine();
  const run = (...argv: readonly string[]): string =>
    execFileSync('docker', argv, { env: engine.env, encoding: 'utf8', timeout: 30_000 }).trim();
  run('network', 'create', 'kept');
  run('run', '-d', '--name', 'stays', '--network', 'kept', ...sleeper);
  run('run', '-d', '--name', 'ends', '--network', 'kept', ...sleeper);
  const ipOf = (name: string) =>
    run('inspect', '-f', '{{.NetworkSettings.Networks.kept.IPAddress}}', name);
  const before = ipOf('stays');
  const pid = Number(run('inspect', '-f', '{{.State.Pid}}', 'ends'));
  assert.ok(pid > 1);
  await engine.kill('SIGKILL');
  process.kill(pid, 'SIGKILL');
  await using next = await startEngine({ directory: engine.directory });
  assert.equal(ipOf('stays'), before);
  const look = ['run', '--rm', '--network', 'kept', 'busybox', 'nslookup', 'stays'];
  assert.ok(run(...look).includes(`Address: ${before}`));
  run('exec', 'stays', 'ping', '-c1', '-W2', '127.0.0.11');
  const { Containers } = JSON.parse(
    run('network', 'inspect', 'kept', '-f', '{{json .}}'),
  ) as NetworkInspect;
  assert.deepEqual(
    Object.values(Containers).map(({ Name }) => Name),
    ['stays'],
  );
  run('rm', '-f', 'stays', 'ends');
  run('network', 'rm', 'kept');
  const links = execFileSync('nsenter', [`--net=${next.namespace}`, 'ip', '-o', 'link'], {
    encoding: 'utf8',
  });
  assert.doesNotMatch(links, /: co-[0-9a-f]{12}:/);
});

// What the tests use of a package without types.
interface DockerodeNetwork {
  readonly id: string;
  inspect(): Promise<NetworkInspect>;
  connect(options: object): Promise<void>;
  disconnect(options: object): Promise<void>;
  remove(): Promise<void>;
}
interface DockerodeContainer {
  readonly id: string;
  start(): Promise<void>;
  inspect(): Promise<ContainerInspect>;
  remove(options: object): Promise<void>;
}
interface Dockerode {
  createNetwork(options: object): Promise<DockerodeNetwork>;
  getNetwork(name: string): DockerodeNetwork;
  listNetworks(options?: object): Promise<readonly NetworkInspect[]>;
  pruneNetworks(options?: object): Promise<{ readonly NetworksDeleted: readonly string[] | null }>;
  createContainer(options: object): Promise<DockerodeContainer>;
}

test('dockerode makes a network, connects by id and reads the addresses', { skip }, async () => {
  const Docker = createRequire(import.meta.url)('dockerode') as new (options: object) => Dockerode;
  const docker = new Docker({ socketPath: daemon.engine.socket });
  const made = await docker.createNetwork({ Name: 'rode', Labels: { by: 'dockerode' } });
  const [listed] = await docker.listNetworks({ filters: { label: ['by=dockerode'] } });
  assert.equal(listed?.Id, made.id);
  const container = await docker.createContainer({
    Image: 'busybox',
    Cmd: ['sleep', '1000'],
    HostConfig: { NetworkMode: made.id },
    NetworkingConfig: { EndpointsConfig: { [made.id]: { Aliases: ['rider'] } } },
  });
  await container.start();
  const { Networks } = (await container.inspect()).NetworkSettings;
  assert.deepEqual(Object.keys(Networks), ['rode']);
  assert.deepEqual(Networks['rode']?.Aliases, ['rider']);
  await docker.getNetwork('bridge').connect({ Container: container.id });
  const { Containers } = await docker.getNetwork('bridge').inspect();
  assert.ok(container.id in Containers);
  await docker.getNetwork('bridge').disconnect({ Container: container.id, Force: true });
  await container.remove({ force: true });
  const pruned = await docker.pruneNetworks({ filters: { label: ['by=dockerode'] } });
  assert.deepEqual(pruned.NetworksDeleted, ['rode']);
});
