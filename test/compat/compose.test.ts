// docker-compose 1.29 with three services that need each other, twice, with a daemon that is killed
// in between: up, ps, logs, exec, run, scale, restart, stop and down.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  makeEngineDirectory,
  type PrivateEngine,
  removeEngineDirectory,
  startEngine,
} from '../../tools/private-engine.ts';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { cannotRun, runProgram } from '../daemon.ts';

// Format 2.x is the one whose depends_on waits for health.
const FILE = `
version: "2.4"
services:
  store:
    image: busybox
    command: sh -c "sleep 0.5; echo ready > /data/ready; echo store is up; exec sleep 1000"
    stop_grace_period: 0s
    volumes: ["data:/data"]
    networks: [back]
    healthcheck: { test: "test -e /data/ready", interval: 200ms, timeout: 5s, retries: 50 }
  page:
    image: busybox
    command: >-
      sh -c "test -e /data/ready && cp /data/ready /www/index.html && echo page is up &&
      exec httpd -f -h /www"
    stop_grace_period: 0s
    working_dir: /www
    environment: { WHO: page }
    labels: { tier: front }
    depends_on: { store: { condition: service_healthy } }
    volumes: ["data:/data:ro", "/www"]
    networks: { back: {}, front: { aliases: [www] } }
    ports: ["8090:80"]
    restart: always
  client:
    image: busybox
    command: sh -c "until wget -q -O - http://www/; do sleep 0.1; done; echo got it; exec sleep 1000"
    stop_grace_period: 0s
    depends_on: [page]
    networks: [front]
networks: { back: { internal: true }, front: {} }
volumes: { data: {} }
`;

let skip = cannotRun();
if (skip === false && spawnSync('docker-compose', ['version']).status !== 0) {
  skip = 'needs docker-compose';
}
const COMPOSE_MS_MAX = 60_000;
let project: string;
let directory: string;
let engine: PrivateEngine;

before(async () => {
  if (skip !== false) return;
  project = makeScratch('compose-');
  await mkdir(join(project, 'demo'));
  await writeFile(join(project, 'demo/docker-compose.yml'), FILE);
  directory = makeEngineDirectory();
  engine = await startEngine({ directory });
});
after(async () => {
  if (skip !== false) return;
  await run('docker', 'ps', '-aq').then((ids) =>
    ids === '' ? '' : run('docker', 'rm', '-fv', ...ids.split('\n')),
  );
  await engine[Symbol.asyncDispose]();
  removeEngineDirectory(directory);
  removeScratch(project);
});

async function run(...argv: readonly string[]): Promise<string> {
  const env = { ...engine.env, COMPOSE_API_VERSION: '1.44' };
  const { code, stdout, stderr } = await runProgram(argv, env, { timeoutMs: COMPOSE_MS_MAX });
  assert.equal(code, 0, `${argv.join(' ')}: ${stdout}${stderr}`);
  return stdout.trimEnd();
}

const compose = (...argv: readonly string[]): Promise<string> =>
  run('docker-compose', '-f', join(project, 'demo/docker-compose.yml'), '-p', 'demo', ...argv);

const names = (): Promise<string> =>
  run('docker', 'ps', '--format', '{{.Names}}', '--filter', 'status=running').then((text) =>
    text.split('\n').toSorted().join(' '),
  );

/** `compose logs -f` ends when a service does, so this asks again. */
async function logged(service: string, wanted: RegExp): Promise<string> {
  for (const end = Date.now() + COMPOSE_MS_MAX; ; ) {
    const text = await compose('logs', '--no-color', service);
    if (wanted.test(text)) return text;
    assert.ok(Date.now() < end, `${service} has not said ${wanted}: ${text}`);
  }
}

async function up(): Promise<void> {
  await compose('up', '-d');
  assert.equal(await names(), 'demo_client_1 demo_page_1 demo_store_1');
  const listed = await compose('ps');
  assert.match(listed, /demo_page_1 .* Up .*0\.0\.0\.0:8090->80\/tcp/);
  assert.match(listed, /demo_store_1 .* Up \(healthy\)/);
  assert.match(await logged('client', /got it/), /client_1 +\| ready\n/);
  assert.match(await compose('logs', '--no-color', 'page'), /page is up/);
}

async function use(): Promise<void> {
  assert.equal(await compose('exec', '-T', 'page', 'sh', '-c', 'echo $WHO; pwd'), 'page\n/www');
  const fetched = ['run', '--rm', '-T', '--no-deps', 'client', 'wget', '-q', '-O', '-'];
  assert.match(await compose(...fetched, 'http://page/'), /ready$/);
  assert.equal(await compose('port', 'page', '80'), '0.0.0.0:8090');
  await compose('up', '-d', '--no-recreate', '--scale', 'client=3');
  assert.equal(await names(), 'demo_client_1 demo_client_2 demo_client_3 demo_page_1 demo_store_1');
  await compose('up', '-d', '--no-recreate', '--scale', 'client=1');
  const before = await run('docker', 'inspect', '-f', '{{.State.StartedAt}}', 'demo_page_1');
  await compose('restart', 'page');
  assert.notEqual(
    await run('docker', 'inspect', '-f', '{{.State.StartedAt}}', 'demo_page_1'),
    before,
  );
}

test('three services come up in order, are used, outlive a killed daemon, and go', {
  skip,
}, async () => {
  await up();
  await use();
  await engine.kill('SIGKILL');
  engine = await startEngine({ directory });
  assert.equal(await names(), 'demo_client_1 demo_page_1 demo_store_1');
  // Nothing has changed, so nothing is made anew.
  const ids = await run('docker', 'ps', '-q', '--no-trunc');
  await compose('up', '-d');
  assert.equal(await run('docker', 'ps', '-q', '--no-trunc'), ids);
  assert.equal(await compose('exec', '-T', 'page', 'cat', 'index.html'), 'ready');
  await compose('stop');
  assert.equal(await names(), '');
  await compose('start');
  assert.equal(await names(), 'demo_client_1 demo_page_1 demo_store_1');
  await compose('down', '-v');
  assert.equal(await run('docker', 'ps', '-aq'), '');
  assert.equal(await run('docker', 'volume', 'ls', '-q'), '');
  assert.equal(await run('docker', 'network', 'ls', '-q', '--filter', 'name=demo_'), '');
});

test('a second life of the same project begins with nothing', { skip }, async () => {
  await up();
  await compose('kill', 'client');
  await compose('rm', '-f', 'client');
  assert.equal(await names(), 'demo_page_1 demo_store_1');
  await compose('down', '-v');
  assert.equal(await run('docker', 'volume', 'ls', '-q'), '');
});
