// What starts again, when nobody asks: restart policies over daemons that are killed, hosts that
// are restarted, and daemons that end in peace; and what belongs to such ends.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  makeEngineDirectory,
  type PrivateEngine,
  removeEngineDirectory,
  startEngine,
} from '../../tools/private-engine.ts';
import { ROOT } from '../../tools/source.ts';
import { cannotRun } from '../daemon.ts';

const skip = cannotRun();
const WAIT_MS_MAX = 20_000;
const POLL_MS = 40;
let directory: string;
let engine: PrivateEngine;

before(async () => {
  if (skip !== false) return;
  directory = makeEngineDirectory();
  engine = await startEngine({ directory });
});
after(async () => {
  if (skip !== false) return;
  const ids = docker('ps', '-aq').split('\n').filter(Boolean);
  if (ids.length > 0) docker('rm', '-fv', ...ids);
  await engine[Symbol.asyncDispose]();
  removeEngineDirectory(directory);
});

function docker(...argv: readonly string[]): string {
  const options = { env: engine.env, encoding: 'utf8', timeout: WAIT_MS_MAX } as const;
  return execFileSync('docker', argv, { ...options, stdio: 'pipe' }).trimEnd();
}

const run = (name: string, ...argv: readonly string[]): string =>
  docker('run', '-d', '--name', name, '--network', 'none', '--stop-timeout', '0', ...argv);

const ask = (name: string, field: string): string => docker('inspect', '-f', `{{${field}}}`, name);

async function until(question: () => string, wanted: string): Promise<void> {
  for (const end = Date.now() + WAIT_MS_MAX; ; await sleep(POLL_MS)) {
    const answer = question();
    if (answer === wanted) return;
    assert.ok(Date.now() < end, `still ${answer}, wanted ${wanted}\n${engine.log()}`);
  }
}

async function restart(): Promise<void> {
  engine = await startEngine({ directory });
}

test('a daemon that is killed while a container waits goes on counting', { skip }, async () => {
  run('loop', '--restart', 'on-failure:5', 'busybox', 'sh', '-c', 'echo ran; exit 3');
  await until(() => String(Number(ask('loop', '.RestartCount')) >= 2), 'true');
  await until(() => ask('loop', '.State.Status'), 'restarting');
  await engine.kill('SIGKILL');
  await restart();
  await until(() => `${ask('loop', '.State.Status')} ${ask('loop', '.RestartCount')}`, 'exited 5');
  // The first one, five of the policy, and perhaps the one of the daemon's start.
  const runs = docker('logs', 'loop').split('\n').length;
  assert.ok(runs === 6 || runs === 7, `${runs} runs`);
  assert.equal(ask('loop', '.State.ExitCode'), '3');
  docker('rm', 'loop');
});

test('what is stopped while it waits is stopped, without an end of its own', { skip }, async () => {
  const since = String(Date.now() / 1000);
  run('late', '--restart', 'always', 'busybox', 'false');
  await until(() => String(Number(ask('late', '.RestartCount')) >= 3), 'true');
  await until(() => ask('late', '.State.Status'), 'restarting');
  docker('stop', 'late');
  assert.equal(ask('late', '.State.Status'), 'exited');
  const flags = ['--since', since, '--until', String(Date.now() / 1000), '-f', 'type=container'];
  const told = docker('events', ...flags, '--format', '{{.Action}}').split('\n');
  assert.equal(told.at(-2), 'die');
  assert.equal(told.at(-1), 'stop');
  await engine.kill('SIGKILL');
  await restart();
  // Docker's "always" means also that.
  await until(() => String(Number(ask('late', '.RestartCount')) > 0), 'true');
  docker('rm', '-f', 'late');
});

test('after a host was restarted, what its policy wants runs again', { skip }, async () => {
  const forever = ['busybox', 'sleep', '1000'];
  for (const policy of ['always', 'unless-stopped', 'on-failure', 'no']) {
    run(policy, '--restart', policy, ...forever);
    run(`${policy}-by-hand`, '--restart', policy, ...forever);
    docker('stop', `${policy}-by-hand`);
  }
  const pids = ['always', 'unless-stopped', 'on-failure', 'no'].map((name) =>
    Number(ask(name, '.State.Pid')),
  );
  await engine.kill('SIGKILL');
  for (const pid of pids) {
    const monitor = Number(
      /^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1],
    );
    process.kill(monitor, 'SIGKILL');
    spawnSync('kill', ['-KILL', String(pid)]); // it may have ended with its monitor
  }
  await restart();
  const status = (name: string) => () => ask(name, '.State.Status');
  for (const name of ['always', 'always-by-hand', 'unless-stopped', 'on-failure']) {
    await until(status(name), 'running');
  }
  for (const name of ['unless-stopped-by-hand', 'on-failure-by-hand', 'no', 'no-by-hand']) {
    assert.equal(status(name)(), 'exited', name);
  }
  for (const name of docker('ps', '-a', '--format', '{{.Names}}').split('\n')) {
    docker('rm', '-f', name);
  }
});

test('SIGTERM ends the daemon in peace: clients are let go, containers go on', {
  skip,
}, async () => {
  run('stays', 'busybox', 'sh', '-c', 'while :; do echo tick; sleep 0.1; done');
  const follower = spawn('docker', ['logs', '-f', 'stays'], { env: engine.env, stdio: 'pipe' });
  const seen = text(follower.stdout);
  await once(follower.stdout, 'data');
  const ended = once(follower, 'exit');
  const begun = Date.now();
  await engine.kill('SIGTERM');
  assert.ok(Date.now() - begun < 15_000, 'it has ended by itself'); // killed after 20 s
  await ended;
  assert.match(await seen, /tick/);
  assert.equal(existsSync(engine.socket), false);
  await restart();
  assert.equal(ask('stays', '.State.Status'), 'running');
  docker('rm', '-f', 'stays');
});

test('a data root has one daemon', { skip }, () => {
  const elsewhere = ['-H', `unix://${join(directory, 'other.sock')}`];
  const places = [
    '--exec-root',
    join(directory, 'other'),
    '--pidfile',
    join(directory, 'other.pid'),
  ];
  const { status, stderr } = spawnSync(
    join(ROOT, 'bin/coracle'),
    ['daemon', ...elsewhere, ...places, '--data-root', join(directory, 'data')],
    { encoding: 'utf8', timeout: WAIT_MS_MAX },
  );
  assert.equal(status, 1);
  assert.match(stderr, /data root .* is (used|in use|held) by/);
  assert.match(docker('version', '-f', '{{.Server.Os}}'), /linux/);
});

test('a configuration file with everything is taken whole', { skip }, async () => {
  const config = {
    debug: false,
    'log-level': 'warn',
    labels: ['a=b'],
    'log-driver': 'local',
    'log-opts': { 'max-size': '1m' },
    'default-ulimits': { nofile: { Name: 'nofile', Soft: 100, Hard: 200 } },
    'no-new-privileges': true,
    'registry-mirrors': ['https://mirror.example/'],
    'insecure-registries': ['10.0.0.0/8'],
    'max-concurrent-downloads': 2,
    'max-concurrent-uploads': 2,
    'max-download-attempts': 2,
    'default-address-pools': [{ base: '10.99.0.0/16', size: 24 }],
    bip: '10.98.0.1/24',
    mtu: 1400,
    dns: ['10.9.9.9'],
    'dns-search': ['x.example'],
    'dns-opts': ['ndots:3'],
    'live-restore': true,
    // Of dockerd, with nothing to set.
    'shutdown-timeout': 5,
    'userland-proxy': false,
    iptables: true,
    features: { buildkit: true },
  };
  const file = join(directory, 'daemon.json');
  writeFileSync(file, JSON.stringify(config));
  await engine.kill('SIGTERM');
  engine = await startEngine({ directory, flags: ['--config-file', file] });
  assert.equal(
    docker('info', '-f', '{{.Labels}} {{.LoggingDriver}} {{.RegistryConfig.Mirrors}}'),
    '[a=b] local [https://mirror.example/]',
  );
  const script =
    'ulimit -n; ulimit -Hn; cat /sys/class/net/eth0/mtu; grep -c 10.9.9.9 /etc/resolv.conf; ' +
    'grep NoNewPrivs /proc/self/status;' +
    'ip -4 addr show eth0 | grep -o "inet 10.98.0"';
  assert.deepEqual(docker('run', '--rm', 'busybox', 'sh', '-c', script).split('\n'), [
    ...['100', '200', '1400', '1', 'NoNewPrivs:\t1', 'inet 10.98.0'],
  ]);
  docker('network', 'create', 'pool');
  assert.match(
    docker('network', 'inspect', '-f', '{{json .IPAM.Config}}', 'pool'),
    /"10\.99\.0\.0\/24"/,
  );
  docker('network', 'rm', 'pool');
});
