// Published ports by the unmodified docker CLI: what run -p asks for, what ps, port and inspect
// show, and our own change of them while the container runs.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import type { ContainerInspect } from '#wire/container.ts';
import type { PortTraffic } from '#wire/network.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';

const skip = cannotRun();
let daemon: Daemon;

before(async () => {
  if (skip === false) daemon = await startDaemon();
});
after(async () => {
  if (skip === false) await daemon[Symbol.asyncDispose]();
});

/** Answers "here" on port 80. */
const server = [
  'busybox',
  'sh',
  '-c',
  'echo here > /index.html; exec httpd -f -p 80 -h /',
] as const;

async function inspect(name: string): Promise<ContainerInspect> {
  const { json } = await daemon.api('GET', `/containers/${name}/json`);
  return json as ContainerInspect;
}

async function ports(name: string): Promise<ContainerInspect['NetworkSettings']['Ports']> {
  return (await inspect(name)).NetworkSettings.Ports;
}

async function hostPort(name: string, key: string): Promise<string> {
  return (await ports(name))[key]?.[0]?.HostPort ?? '';
}

/** GET / by a process on the daemon's host; "" when nobody answers. */
function ask(port: string, address = '127.0.0.1'): string {
  const script = `exec 3<>/dev/tcp/${address}/${port}; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3`;
  const argv = [`--net=${daemon.engine.namespace}`, 'timeout', '5', 'bash', '-c', script];
  try {
    return execFileSync('nsenter', argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return '';
  }
}

/** Until the server inside listens. */
async function answers(port: string): Promise<boolean> {
  const end = performance.now() + 5_000;
  while (performance.now() < end) {
    if (ask(port).includes('here')) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}

async function change(name: string, body: object) {
  return daemon.api('POST', `/coracle/containers/${name}/ports`, body);
}

test('run -p publishes what ps, port and inspect show, and gives it back', { skip }, async () => {
  await daemon.ok(
    ...['run', '-d', '--name', 'site', '-p', '8080:80', '-p', '127.0.0.1:5353:53/udp'],
    ...['--expose', '443', ...server],
  );
  assert.ok(await answers('8080'));
  assert.deepEqual(await ports('site'), {
    '443/tcp': null,
    '53/udp': [{ HostIp: '127.0.0.1', HostPort: '5353' }],
    '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '8080' }],
  });
  assert.equal(
    await daemon.ok('ps', '--format', '{{.Ports}}'),
    '443/tcp, 127.0.0.1:5353->53/udp, 0.0.0.0:8080->80/tcp',
  );
  assert.equal(await daemon.ok('port', 'site'), '53/udp -> 127.0.0.1:5353\n80/tcp -> 0.0.0.0:8080');
  assert.equal(await daemon.ok('port', 'site', '80'), '0.0.0.0:8080');
  const none = await daemon.docker('port', 'site', '443');
  assert.equal(none.code, 1);
  assert.match(none.stderr, /No public port '443' published for site/);
  assert.equal(
    await daemon.ok('ps', '-q', '--filter', 'publish=8080'),
    (await inspect('site')).Id.slice(0, 12),
  );
  await daemon.ok('restart', '-t', '0', 'site');
  assert.ok(await answers('8080'));
  await daemon.ok('stop', '-t', '0', 'site');
  assert.equal(ask('8080'), '');
  assert.deepEqual(await ports('site'), {});
  await daemon.ok('rm', 'site');
});

test('any port, one of a range, and all that is exposed', { skip }, async () => {
  await daemon.ok('run', '-d', '--name', 'any', '-p', '80', '-p', '9100-9101:81', ...server);
  await daemon.ok('run', '-d', '--name', 'next', '-p', '9100-9101:80', ...server);
  const [any, first, next] = [
    await hostPort('any', '80/tcp'),
    await hostPort('any', '81/tcp'),
    await hostPort('next', '80/tcp'),
  ];
  assert.ok(Number(any) >= 32_768, any);
  assert.deepEqual([first, next], ['9100', '9101']);
  const full = await daemon.docker('run', '-d', '--name', 'full', '-p', '9100-9101:80', ...server);
  assert.equal(full.code, 125);
  assert.match(full.stderr, /failed to set up container networking: .*(allocated|available)/);
  await daemon.ok('run', '-d', '--name', 'all', '-P', '--expose', '80-81', ...server);
  assert.deepEqual(Object.keys(await ports('all')), ['80/tcp', '81/tcp']);
  assert.ok(await answers(await hostPort('all', '80/tcp')));
  await daemon.ok('run', '-d', '--name', 'more', '-p', '9110-9112:90-92', ...server);
  assert.equal(await hostPort('more', '91/tcp'), '9111');
  await daemon.ok('rm', '-f', 'any', 'next', 'full', 'all', 'more');
});

test('a port in use is told with its owner, and a start that fails keeps none', {
  skip,
}, async () => {
  await daemon.ok('run', '-d', '--name', 'owner', '-p', '8081:80', ...server);
  const taken = await daemon.docker('run', '--name', 'second', '-p', '8081:80', ...server);
  assert.equal(taken.code, 125);
  assert.match(taken.stderr, /Bind for 0\.0\.0\.0:8081 failed: port is already allocated .*owner/);
  assert.equal((await inspect('second')).State.Status, 'created');
  await daemon.ok('rm', '-f', 'owner');
  await daemon.ok('start', 'second');
  assert.ok(await answers('8081'));
  const missing = await daemon.docker('run', '--name', 'bad', '-p', '8082:80', 'busybox', 'nosuch');
  assert.equal(missing.code, 127);
  await daemon.ok('run', '-d', '--name', 'good', '-p', '8082:80', ...server);
  await daemon.ok('rm', '-f', 'second', 'bad', 'good');
});

test('host and none publish nothing, and the first says so', { skip }, async () => {
  const host = await daemon.docker('create', '--network', 'host', '-p', '80:80', ...server);
  assert.match(host.stderr, /Published ports are discarded when using host network mode/);
  await daemon.ok('run', '-d', '--name', 'closed', '--network', 'none', '-p', '8083:80', ...server);
  assert.deepEqual(await ports('closed'), {});
  const { status, json } = await change('closed', { Add: { '80/tcp': [{ HostPort: '8083' }] } });
  assert.equal(status, 400);
  assert.match(JSON.stringify(json), /cannot publish ports of a container with network mode none/);
  await daemon.ok('rm', '-f', host.stdout.trim(), 'closed');
});

test('ports are added, moved and withdrawn while it runs, and kept for its next start', {
  skip,
}, async () => {
  const since = String(Date.now() / 1000);
  await daemon.ok('run', '-d', '--name', 'live', '-p', '8084:80', ...server);
  const { Pid } = (await inspect('live')).State;
  const at = (HostPort: string, HostIp = '') => ({ '80/tcp': [{ HostIp, HostPort }] });
  const added = await change('live', { Add: at('8085') });
  assert.equal(added.status, 200);
  assert.ok((await answers('8084')) && (await answers('8085')));
  const moved = await change('live', { Add: at('8086', '127.0.0.1'), Remove: at('8084') });
  assert.deepEqual(moved.json, {
    Ports: {
      '80/tcp': [
        { HostIp: '0.0.0.0', HostPort: '8085' },
        { HostIp: '127.0.0.1', HostPort: '8086' },
      ],
    },
  });
  assert.equal(ask('8084'), '');
  assert.ok(await answers('8086'));
  const traffic = (await daemon.api('GET', '/coracle/containers/live/ports')).json as PortTraffic[];
  assert.deepEqual(
    traffic.map(({ PublicPort }) => PublicPort),
    [8085, 8086],
  );
  assert.ok(traffic.every(({ Connections }) => Connections > 0));
  const wrong = await change('live', { Remove: at('9999') });
  assert.equal(wrong.status, 404);
  assert.deepEqual(wrong.json, { message: 'port 80/tcp is not published at 0.0.0.0:9999' });
  const taken = await change('live', { Add: at('8085') });
  assert.equal(taken.status, 409);
  assert.equal((await inspect('live')).State.Pid, Pid);
  await daemon.ok('restart', '-t', '0', 'live');
  assert.ok((await answers('8085')) && (await answers('8086')));
  assert.equal(ask('8084'), '');
  await daemon.ok('stop', '-t', '0', 'live');
  assert.equal((await change('live', { Remove: { '80/tcp': [] } })).status, 200);
  await daemon.ok('start', 'live');
  assert.deepEqual(await ports('live'), { '80/tcp': null });
  const format = '{{.Action}} {{.Actor.Attributes.published}} {{.Actor.Attributes.withdrawn}}';
  const until = String(Date.now() / 1000);
  const events = await daemon.ok(
    ...['events', '--since', since, '--until', until],
    ...['--filter', 'event=update', '--format', format],
  );
  assert.match(events, /^update 80\/tcp :8085 <no value>$/m);
  assert.match(events, /^update 80\/tcp 127\.0\.0\.1:8086 80\/tcp :8084$/m);
  await daemon.ok('rm', '-f', 'live');
});
