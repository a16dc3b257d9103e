// Log drivers through the docker CLI: what they keep, and what they send to whom.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';

const skip = cannotRun();
const WAIT_MS_MAX = 10_000;
const POLL_MS = 20;
const IMAGE = ['--network', 'none', 'busybox', 'sh', '-c'];
let daemon: Daemon;

before(async () => {
  if (skip === false) daemon = await startDaemon();
});
after(() => daemon?.[Symbol.asyncDispose]());

async function until<T>(look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + WAIT_MS_MAX; Date.now() < end; await sleep(POLL_MS)) {
    const found = await look();
    if (found !== undefined) return found;
  }
  return assert.fail('it has not come');
}

/** A listener in the network namespace that is the engine's host; prints what it receives. */
function listen(kind: 'udp' | 'tcp', port: number) {
  const script =
    kind === 'udp'
      ? `const s=require('dgram').createSocket('udp4');s.on('message',m=>process.stdout.write(m));s.bind(${port},'127.0.0.1',()=>process.stderr.write('up'))`
      : `require('net').createServer(s=>s.pipe(process.stdout,{end:false})).listen(${port},'127.0.0.1',()=>process.stderr.write('up'))`;
  const argv = [`--net=${daemon.engine.namespace}`, process.execPath, '-e', script];
  const child = spawn('nsenter', argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  return {
    ready: once(child.stderr, 'data'),
    text: () => text,
    [Symbol.dispose]: () => void child.kill(),
  };
}

for (const kind of ['udp', 'tcp'] as const) {
  test(`lines go to a syslog by ${kind}, and can be read here too`, { skip }, async () => {
    const port = kind === 'udp' ? 1514 : 1515;
    using syslog = listen(kind, port);
    await syslog.ready;
    const options = ['--log-opt', `syslog-address=${kind}://127.0.0.1:${port}`];
    await daemon.ok(
      ...['run', '--name', kind, '--log-driver', 'syslog', ...options, '--log-opt', 'tag=boat'],
      ...[...IMAGE, 'echo out; echo err >&2; printf end'],
    );
    const lines = await until(() => {
      const found = syslog
        .text()
        .split('\n')
        .filter((line) => line !== '');
      return found.length === 3 ? found.sort() : undefined;
    });
    const stamp = String.raw`[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d boat\[\d+\]: `;
    assert.match(lines[0] ?? '', new RegExp(`^<27>${stamp}err$`));
    assert.match(lines[1] ?? '', new RegExp(`^<30>${stamp}end$`));
    assert.match(lines[2] ?? '', new RegExp(`^<30>${stamp}out$`));
    const { stdout, stderr } = await daemon.docker('logs', kind);
    assert.deepEqual([stdout, stderr], ['out\nend', 'err\n']);
    await daemon.ok('rm', kind);
  });
}

test('a unix syslog gets RFC 5424, comes later than the container, and goes', {
  skip,
}, async () => {
  const path = join(daemon.engine.directory, 'syslog.sock');
  const options = ['--log-opt', `syslog-address=unix://${path}`];
  const how = ['--name', 'local', '--log-driver', 'syslog', ...options];
  const run = ['run', '-d', ...how, '--log-opt', 'syslog-format=rfc5424micro', ...IMAGE];
  const { code, stderr } = await daemon.docker(...run, 'true');
  assert.equal(code, 125);
  assert.match(stderr, /failed to initialize logging driver: Unix syslog delivery error/);
  await daemon.ok('rm', 'local');

  const received: string[] = [];
  // Streams: dgram of Node has no unix sockets. syslog(3) falls back to them just so.
  const server = createServer((socket) => socket.on('data', (data) => received.push(String(data))));
  server.listen(path);
  await once(server, 'listening');
  try {
    await daemon.ok(...run, 'n=0; while sleep .05; do n=$((n+1)); echo line $n; done');
    const first = await until(() => received[0]);
    assert.match(
      first,
      /^<30>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \S+ [0-9a-f]{12} \d+ [0-9a-f]{12} - line \d+\n/,
    );
    await daemon.ok('rm', '-f', 'local');
  } finally {
    server.close();
  }
});

test('what a slow syslog had no room for reaches it as soon as it reads, without another line', {
  skip,
}, async () => {
  const path = join(daemon.engine.directory, 'slow.sock');
  const options = ['--log-opt', `syslog-address=unix://${path}`];
  let received = '';
  const server = createServer({ pauseOnConnect: true }).listen(path);
  await once(server, 'listening');
  const connected = once(server, 'connection') as Promise<[Socket]>;
  try {
    const run = ['run', '-d', '--name', 'slow', '--log-driver', 'syslog', ...options, ...IMAGE];
    await daemon.ok(...run, 'seq 1 9000; sleep 1000');
    const isLast = /\b9000\n$/;
    await until(async () => isLast.test((await daemon.docker('logs', 'slow')).stdout) || undefined);
    const [socket] = await connected;
    socket.on('data', (data) => {
      received += String(data);
    });
    socket.resume();
    await until(() => isLast.test(received) || undefined);
    assert.equal(received.trimEnd().split('\n').length, 9000);
  } finally {
    await daemon.ok('rm', '-f', 'slow');
    server.close();
  }
});

test('without a cache there is nothing to read', { skip }, async () => {
  const options = [
    '--log-opt',
    'syslog-address=udp://127.0.0.1:1516',
    '--log-opt',
    'cache-disabled=true',
  ];
  await daemon.ok(
    'run',
    '--name',
    'gone',
    '--log-driver',
    'syslog',
    ...options,
    ...IMAGE,
    'echo x',
  );
  const { code, stderr } = await daemon.docker('logs', 'gone');
  assert.equal(code, 1);
  assert.match(stderr, /configured logging driver does not support reading/);
  await daemon.ok('rm', 'gone');
});

test('the local driver reads, rotates and is named in inspect', { skip }, async () => {
  const options = ['--log-opt', 'max-size=10k', '--log-opt', 'max-file=2'];
  await daemon.ok(
    ...['run', '--name', 'small', '--log-driver', 'local', ...options],
    ...[...IMAGE, 'for i in $(seq 2000); do echo number $i; done'],
  );
  const lines = (await daemon.ok('logs', 'small')).split('\n');
  assert.equal(lines.at(-1), 'number 2000');
  assert.equal(lines.length < 2000, true);
  assert.equal(
    await daemon.ok('inspect', '-f', '{{.HostConfig.LogConfig.Type}}', 'small'),
    'local',
  );
  await daemon.ok('rm', 'small');
});

test('--details shows the labels and variables that the options name', { skip }, async () => {
  const options = ['--log-opt', 'labels=team', '--log-opt', 'env=PLACE', '--label', 'team=a b'];
  await daemon.ok('run', '--name', 'told', ...options, '-e', 'PLACE=harbour', ...IMAGE, 'echo hi');
  assert.equal(await daemon.ok('logs', '--details', 'told'), 'PLACE=harbour,team=a%20b hi');
  await daemon.ok('rm', 'told');
});

test('ours: logs --clear empties a log that is written and followed', { skip }, async () => {
  const script = 'n=0; while sleep .02; do n=$((n+1)); echo line $n; done';
  await daemon.ok('run', '-d', '--name', 'talk', '--log-opt', 'max-size=100k', ...IMAGE, script);
  await until(async () =>
    (await daemon.ok('logs', 'talk')).includes('line 5') ? true : undefined,
  );
  const follower = spawn('docker', ['logs', '-f', 'talk'], { env: daemon.engine.env });
  let followed = '';
  follower.stdout.on('data', (chunk: Buffer) => {
    followed += chunk.toString();
  });
  await until(() => (followed.includes('line 5') ? true : undefined));
  const { code, stdout } = await daemon.run([
    ...[join(import.meta.dirname, '../../bin/coracle'), 'logs', '--clear', 'talk'],
  ]);
  assert.deepEqual([code, stdout], [0, '']);
  const left = await until(async () => (await daemon.ok('logs', 'talk')) || undefined);
  assert.doesNotMatch(left, /line [1-5]$/m);
  const seen = followed.length;
  await until(() => (followed.length > seen + 50 ? true : undefined));
  const numbers = [...followed.matchAll(/^line (\d+)$/gm)].map((match) => Number(match[1]));
  assert.deepEqual(
    numbers.toSorted((a, b) => a - b),
    numbers,
    'nothing is told twice',
  );
  await daemon.ok('rm', '-f', 'talk');
  if (follower.exitCode === null) await once(follower, 'exit');
});

test('journald is refused where there is none', {
  skip: skip || existsSync('/run/systemd/journal'),
}, async () => {
  const { code, stderr } = await daemon.docker(
    'run',
    '--rm',
    '--log-driver',
    'journald',
    ...IMAGE,
    'true',
  );
  assert.equal(code, 125);
  assert.match(stderr, /journald is not enabled on this host/);
});
