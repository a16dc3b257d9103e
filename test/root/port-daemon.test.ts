// Published ports over the death of the daemon, and the port on ::1 that the daemon itself serves.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  makeEngineDirectory,
  type PrivateEngine,
  removeEngineDirectory,
  startEngine,
} from '../../tools/private-engine.ts';
import { call } from './engine-call.ts';

const POLL_MS = 20;

const skip = process.getuid?.() === 0 ? false : 'needs root';
let directory = '';
let engine: PrivateEngine;

async function post(path: string, body?: object): Promise<void> {
  const { status, body: text } = await call(engine.socket, 'POST', path, body);
  assert.ok(status < 300, `${path}: ${status} ${text}`);
}

/** Runs a program on the engine's host. */
function onHost(argv: readonly string[]): string {
  const options = { encoding: 'utf8', timeout: 10_000 } as const;
  return execFileSync('nsenter', [`--net=${engine.namespace}`, ...argv], options);
}

/** `cat` behind a port answers with what it is sent. */
async function run(name: string, bindings: readonly object[]): Promise<void> {
  await post(`/containers/create?name=${name}`, {
    Image: 'busybox',
    Cmd: ['nc', '-ll', '-p', '80', '-e', 'cat'],
    StopSignal: 'SIGKILL',
    HostConfig: { PortBindings: { '80/tcp': bindings } },
  });
  await post(`/containers/${name}/start`);
}

/** A connection from the host, which sends one line at a time. */
function connect(host: string, port: number) {
  const child = spawn('nsenter', [
    `--net=${engine.namespace}`,
    'busybox',
    'nc',
    host,
    String(port),
  ]);
  child.stdin.on('error', () => undefined); // it ended, which its exit tells
  return {
    async echo(line: string): Promise<string> {
      child.stdin.write(line);
      const ended = once(child, 'exit').then(([code]) => [`ended ${code}`]);
      const [answer] = await Promise.race([once(child.stdout, 'data'), ended]);
      return String(answer);
    },
    end: () => child.kill('SIGKILL'),
  };
}

/** The listener inside may need a moment after the start. */
async function echo(host: string, port: number): Promise<string> {
  const deadline = Date.now() + 5_000;
  for (;;) {
    const connection = connect(host, port);
    const answer = await connection.echo('hello');
    connection.end();
    if (answer === 'hello' || Date.now() > deadline) return answer;
    await sleep(POLL_MS);
  }
}

before(async () => {
  if (skip) return;
  directory = makeEngineDirectory();
  engine = await startEngine({ directory });
  await run('web', [
    { HostIp: '0.0.0.0', HostPort: '8080' },
    { HostIp: '::1', HostPort: '8080' },
  ]);
});

after(async () => {
  if (skip) return;
  for (const name of ['web', 'site', 'late']) {
    await call(engine.socket, 'DELETE', `/containers/${name}?force=1`);
  }
  await engine.kill('SIGTERM');
  removeEngineDirectory(directory);
});

test('a port on ::1 leads to a container that has IPv4 only', { skip }, async () => {
  assert.equal(await echo('::1', 8080), 'hello');
  const { body } = await call(engine.socket, 'GET', '/coracle/containers/web/ports');
  assert.match(body, /::1/);
});

test('connections by the rules outlive the daemon, and the next one has the same ports', {
  skip,
}, async () => {
  assert.equal(await echo('127.0.0.1', 8080), 'hello');
  const kept = connect('127.0.0.1', 8080);
  assert.equal(await kept.echo('before'), 'before');
  const rules = () => onHost(['nft', 'list', 'map', 'inet', table(), 'any4']);
  const elements = (): string => rules().replace(/packets \d+ bytes \d+/g, '');
  const before = elements();
  await engine.kill('SIGKILL');
  assert.equal(await kept.echo('without'), 'without');
  engine = await startEngine({ directory });
  assert.equal(await kept.echo('after'), 'after');
  kept.end();
  assert.equal(elements(), before);
  assert.equal(await echo('::1', 8080), 'hello');
  await post('/containers/create?name=late', {
    Image: 'busybox',
    Cmd: ['true'],
    HostConfig: { PortBindings: { '80/tcp': [{ HostPort: '8080' }] } },
  });
  await post('/containers/web/rename?name=site');
  const late = await call(engine.socket, 'POST', '/containers/late/start');
  assert.match(
    late.body,
    /0\.0\.0\.0:8080 failed: port is already allocated \(by container site\)/,
  );
});

test('a container that is gone leaves no port', { skip }, async () => {
  await call(engine.socket, 'DELETE', '/containers/site?force=1');
  assert.doesNotMatch(onHost(['nft', 'list', 'ruleset']), /8080/);
  assert.doesNotMatch(onHost(['ss', '-Hltn']), /8080/);
});

/** Another data root has a table of its own. */
function table(): string {
  const text = onHost(['nft', 'list', 'tables', 'inet']);
  return /table inet (coracle_[0-9a-f]{6})/.exec(text)?.[1] ?? 'none';
}
