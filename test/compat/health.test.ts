// Health checks as the docker CLI asks for them and shows them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEngine } from '../../tools/private-engine.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';

const skip = cannotRun();
const WAIT_MS_MAX = 15_000;
const POLL_MS = 50;
let daemon: Daemon;

before(async () => {
  if (skip === false) daemon = await startDaemon();
});
after(() => daemon?.[Symbol.asyncDispose]());

type HealthJson = {
  readonly Status: string;
  readonly FailingStreak: number;
  readonly Log: readonly { readonly ExitCode: number; readonly Output: string }[];
};

async function health(name: string): Promise<HealthJson | null> {
  return JSON.parse(await daemon.ok('inspect', '-f', '{{json .State.Health}}', name));
}

async function until(name: string, status: string): Promise<HealthJson> {
  for (const end = Date.now() + WAIT_MS_MAX; Date.now() < end; await sleep(POLL_MS)) {
    const now = await health(name);
    if (now?.Status === status) return now;
  }
  return assert.fail(`${name} has not become ${status}: ${JSON.stringify(await health(name))}`);
}

async function run(name: string, flags: readonly string[], command = 'sleep 1000') {
  const how = ['run', '-d', '--name', name, '--network', 'none', '--stop-timeout', '0'];
  await daemon.ok(...how, ...flags, 'busybox', 'sh', '-c', command);
}
const FAST = ['--health-interval', '200ms', '--health-retries', '2'];

test('a container is starting, then healthy, then unhealthy, and clients see each', {
  skip,
}, async () => {
  const since = String(Date.now() / 1000);
  // Until it has been healthy once, failures do not count: however slow this machine is.
  const patient = ['--health-start-period', '60s', '--health-start-interval', '200ms'];
  await run('web', [
    ...FAST,
    ...patient,
    '--health-cmd',
    'echo checked; test -e /tmp/up',
    '--label',
    'a=b',
  ]);
  assert.match(await daemon.ok('ps', '--format', '{{.Status}}'), /^Up .* \(health: starting\)$/);
  assert.equal((await health('web'))?.Status, 'starting');
  await daemon.ok('exec', 'web', 'touch', '/tmp/up');
  const healthy = await until('web', 'healthy');
  assert.equal(healthy.FailingStreak, 0);
  assert.deepEqual(
    { ExitCode: healthy.Log.at(-1)?.ExitCode, Output: healthy.Log.at(-1)?.Output },
    { ExitCode: 0, Output: 'checked\n' },
  );
  assert.match(await daemon.ok('ps', '--format', '{{.Status}}'), /^Up .* \(healthy\)$/);
  assert.equal(await daemon.ok('ps', '-q', '--filter', 'health=unhealthy'), '');
  await daemon.ok('exec', 'web', 'rm', '/tmp/up');
  const bad = await until('web', 'unhealthy');
  assert.equal(bad.FailingStreak >= 2, true);
  assert.equal(bad.Log.length <= 5, true);
  assert.equal((await daemon.ok('ps', '-q', '--filter', 'health=unhealthy')).length, 12);
  const told = await daemon.ok(
    ...[
      'events',
      '--since',
      since,
      '--until',
      String(Date.now() / 1000),
      '--filter',
      'event=health_status',
    ],
    ...['--format', '{{.Action}} {{index .Actor.Attributes "a"}}'],
  );
  assert.deepEqual(told.split('\n'), ['health_status: healthy b', 'health_status: unhealthy b']);
  await daemon.ok('rm', '-f', 'web');
});

test('a probe that takes too long is killed and has failed', { skip }, async () => {
  await run('slow', [
    ...['--health-interval', '100ms', '--health-retries', '1', '--health-timeout', '200ms'],
    ...['--health-cmd', 'echo begun; sleep 77'],
  ]);
  await until('slow', 'unhealthy');
  // On a busy machine not each of them has come to say something.
  const late = 'Health check exceeded timeout (200ms)';
  const outputs = new Set<string>();
  for (const end = Date.now() + WAIT_MS_MAX; Date.now() < end; await sleep(POLL_MS)) {
    for (const { ExitCode, Output } of (await health('slow'))?.Log ?? []) {
      assert.equal(ExitCode, -1);
      outputs.add(Output);
    }
    if (outputs.has(`${late}: begun\n`)) break;
  }
  assert.ok(outputs.delete(`${late}: begun\n`));
  assert.deepEqual(
    [...outputs].filter((output) => output !== late),
    [],
  );
  await daemon.ok('pause', 'slow');
  const processes = await daemon.ok('top', 'slow', '-o', 'pid,args');
  assert.equal(processes.split('\n').filter((line) => line.endsWith('sleep 77')).length <= 1, true);
  await daemon.ok('rm', '-f', 'slow');
});

test('what cannot be executed fails with the reason', { skip }, async () => {
  const body = {
    Image: 'busybox',
    Cmd: ['sleep', '1000'],
    Healthcheck: { Test: ['CMD', '/no/such'], Interval: 1e8, Retries: 1 },
    HostConfig: { NetworkMode: 'none' },
  };
  await daemon.api('POST', '/containers/create?name=none', body);
  assert.equal(await health('none'), null, 'before its first start');
  await daemon.ok('start', 'none');
  const { Log } = await until('none', 'unhealthy');
  assert.equal(Log[0]?.ExitCode, -1);
  assert.match(
    Log[0]?.Output ?? '',
    /exec: "\/no\/such": stat \/no\/such: no such file or directory/,
  );
  await daemon.ok('rm', '-f', 'none');
});

test('the check of a paused container waits, and a stopped one is unhealthy', {
  skip,
}, async () => {
  await run('rest', [...FAST, '--health-cmd', 'true']);
  await until('rest', 'healthy');
  await daemon.ok('pause', 'rest');
  assert.equal((await health('rest'))?.Status, 'unhealthy');
  await daemon.ok('unpause', 'rest');
  await until('rest', 'healthy');
  await daemon.ok('stop', 'rest');
  assert.equal((await health('rest'))?.Status, 'unhealthy');
  await daemon.ok('start', 'rest');
  await until('rest', 'healthy');
  await daemon.ok('rm', '-f', 'rest');
});

test('--no-healthcheck runs none', { skip }, async () => {
  await run('plain', ['--no-healthcheck']);
  assert.equal(await health('plain'), null);
  const shown = ['ps', '--filter', 'name=plain', '--format', '{{.Status}}'];
  assert.doesNotMatch(await daemon.ok(...shown), /health/);
  await daemon.ok('rm', '-f', 'plain');
});

test('ours: with a label, what has become unhealthy is restarted', { skip }, async () => {
  await run('again', [
    ...FAST,
    ...['--health-cmd', 'test ! -e /tmp/ill', '--label', 'coracle.restart-on-unhealthy=true'],
  ]);
  await until('again', 'healthy');
  const before = await daemon.ok('inspect', '-f', '{{.State.StartedAt}}', 'again');
  await daemon.ok('exec', 'again', 'touch', '/tmp/ill');
  for (const end = Date.now() + WAIT_MS_MAX; Date.now() < end; await sleep(POLL_MS)) {
    if ((await daemon.ok('inspect', '-f', '{{.State.StartedAt}}', 'again')) !== before) break;
  }
  assert.notEqual(await daemon.ok('inspect', '-f', '{{.State.StartedAt}}', 'again'), before);
  await daemon.ok('rm', '-f', 'again');
});

test('a killed daemon probes on when it is back', { skip }, async () => {
  await using engine = await startEngine();
  const docker = (...argv: readonly string[]): string =>
    execFileSync('docker', argv, { env: engine.env, encoding: 'utf8', timeout: WAIT_MS_MAX });
  const image = ['--network', 'none', 'busybox', 'sleep', '1000'];
  docker('run', '-d', '--name', 'kept', ...FAST, '--health-cmd', 'true', ...image);
  await engine.kill('SIGKILL');
  await using _next = await startEngine({ directory: engine.directory });
  const status = () => docker('inspect', '-f', '{{.State.Health.Status}}', 'kept').trim();
  for (const end = Date.now() + WAIT_MS_MAX; Date.now() < end; await sleep(POLL_MS)) {
    if (status() === 'healthy') break;
  }
  assert.equal(status(), 'healthy');
  docker('rm', '-f', 'kept');
});
