// The two demonstrations of networks on real software, in an image made from Debian's packages:
// nginx behind a published port, asked from everywhere; a web counter in Python and its redis,
// which find each other by name.
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';
import { archiveOf, PACKAGES } from '../fixture/debian.ts';
import { EngineHost, HOST, NEIGHBOUR } from '../root/engine-host.ts';

const READY_MS_MAX = 15_000;
const POLL_MS = 20;
const GET = `import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1], timeout=3).read().decode())`;
const IMAGE = 'demo';

const skip = cannotRun() || (lacks('mmdebstrap') ? 'needs mmdebstrap' : false);
let directory = '';
let archive = '';
let daemon: Daemon;
let link: EngineHost;
/** Why there is no image here, though the programs are there: no mirror, as a rule. */
let noImage: string | undefined;

const NGINX = `user www-data; daemon off; worker_processes 1; error_log stderr;
events {}
http { access_log off; server {
  listen 80;
  location / { root /usr/share/nginx/html; }
  location /who { return 200 "$hostname sees $remote_addr\\n"; }
} }`;

const COUNTER = `import socket

def hits():
    with socket.create_connection(("redis", 6379), timeout=5) as redis:
        redis.sendall(b"INCR hits\\r\\n")
        return redis.recv(64)[1:].split(b"\\r\\n")[0]

with socket.create_server(("", 80)) as server:
    while True:
        client, _ = server.accept()
        with client:
            client.recv(4096)
            body = b"seen %s times\\n" % hits()
            client.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
`;

const COMPOSE = `version: "2.4"
services:
  redis:
    image: ${IMAGE}
    command: [redis-server, --save, "", --protected-mode, "no"]
    working_dir: /data
    networks: {back: {aliases: [store]}}
  page:
    image: ${IMAGE}
    command: [python3, /counter.py]
    volumes: ["./counter.py:/counter.py:ro"]
    ports: ["8001:80"]
    depends_on: [redis]
    init: true
    networks: [front, back]
networks:
  front: {}
  back: {internal: true}
`;

function lacks(program: string): boolean {
  return spawnSync(program, ['--version']).status !== 0;
}

before(async () => {
  if (skip !== false) return;
  try {
    archive = await archiveOf(PACKAGES);
  } catch (error) {
    noImage = `mmdebstrap could not make an image: ${String(error).trim().replaceAll('\n', '; ')}`;
    return;
  }
  directory = await mkdtemp(join(tmpdir(), 'coracle-demo-'));
  await writeFile(join(directory, 'nginx.conf'), NGINX);
  await writeFile(join(directory, 'counter.py'), COUNTER);
  await writeFile(join(directory, 'docker-compose.yml'), COMPOSE);
  daemon = await startDaemon();
  link = new EngineHost(daemon.engine);
  await daemon.ok('import', archive, IMAGE);
});

after(async () => {
  if (daemon === undefined) return;
  try {
    await link?.[Symbol.asyncDispose]();
    await daemon[Symbol.asyncDispose]();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

function demo(name: string, body: (t: TestContext) => Promise<void>): void {
  test(name, { skip }, async (t) => (noImage === undefined ? await body(t) : t.skip(noImage)));
}

const fromHost = (): readonly string[] => ['nsenter', `--net=${daemon.engine.namespace}`];
const fromNeighbour = (): readonly string[] => ['nsenter', `--net=${link.neighbourNamespace}`];

/** What a GET answers; the program that asks runs elsewhere than we. */
async function get(from: readonly string[], url: string): Promise<string> {
  const [program = '', ...argv] = [...from, 'python3', '-c', GET, url];
  return (await promisify(execFile)(program, argv)).stdout.trimEnd();
}

/** The first answer of a server that was started just now, in the container `name`. */
async function firstAnswer(name: string, url: string): Promise<string> {
  const deadline = performance.now() + READY_MS_MAX;
  for (;;) {
    try {
      return await get(fromHost(), url);
    } catch (error) {
      const { stdout, stderr } = await daemon.docker('logs', name);
      const text = `${name} does not answer: ${stdout}${stderr}`;
      if (performance.now() > deadline) throw new Error(text, { cause: error });
      await sleep(POLL_MS);
    }
  }
}

const inContainer = (network: string, url: string): Promise<string> =>
  daemon.ok('run', '--rm', '--network', network, 'busybox', 'wget', '-q', '-O', '-', url);

const addressOf = (name: string): Promise<string> =>
  daemon.ok('inspect', '-f', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}', name);

demo('nginx behind -p 8080:80 answers the host, its neighbour and siblings', async () => {
  const conf = `${directory}/nginx.conf:/etc/nginx/nginx.conf:ro`;
  await daemon.ok(
    ...['run', '-d', '--name', 'web', '--hostname', 'web', '-p', '8080:80', '-v', conf],
    ...[IMAGE, 'nginx'],
  );
  const page = await firstAnswer('web', 'http://127.0.0.1:8080/');
  assert.match(page, /Welcome to nginx!/);
  assert.match(await get(fromHost(), 'http://localhost:8080/'), /Welcome to nginx!/);
  assert.match(await get(fromHost(), `http://${HOST.ip}:8080/`), /Welcome to nginx!/);
  // The client's own address arrives, not that of a proxy.
  assert.equal(
    await get(fromNeighbour(), `http://${HOST.ip}:8080/who`),
    `web sees ${NEIGHBOUR.ip}`,
  );
  const web = await addressOf('web');
  assert.match(await inContainer('bridge', `http://${web}/`), /Welcome to nginx!/);
  assert.match(await inContainer('bridge', `http://${HOST.ip}:8080/`), /Welcome to nginx!/);
  assert.match(await inContainer('container:web', `http://${HOST.ip}:8080/who`), /^web sees /);
  assert.equal(await daemon.ok('port', 'web', '80'), '0.0.0.0:8080');
  await daemon.ok('rm', '-f', 'web');
  await assert.rejects(get(fromNeighbour(), `http://${HOST.ip}:8080/`));
});

demo('a web counter finds its redis by name on a network of their own', async () => {
  await daemon.ok('network', 'create', 'backend');
  await daemon.ok(
    ...['run', '-d', '--name', 'redis', '--network', 'backend', '-w', '/data', IMAGE],
    ...['redis-server', '--save', '', '--protected-mode', 'no'],
  );
  await daemon.ok(
    ...['run', '-d', '--name', 'page', '--network', 'backend', '-p', '8000:80'],
    ...['-v', `${directory}/counter.py:/counter.py:ro`, IMAGE, 'python3', '/counter.py'],
  );
  const first = await firstAnswer('page', 'http://127.0.0.1:8000/');
  const count = Number(/^seen (\d+) times$/.exec(first)?.[1]);
  assert.ok(count > 0, first);
  assert.equal(await get(fromNeighbour(), `http://${HOST.ip}:8000/`), `seen ${count + 1} times`);
  assert.equal(await inContainer('backend', 'http://page/'), `seen ${count + 2} times`);
  assert.equal(await inContainer('bridge', `http://${HOST.ip}:8000/`), `seen ${count + 3} times`);
  // Under a new name, which is the only thing that the counter knows of its redis.
  await daemon.ok('rename', 'redis', 'store');
  await assert.rejects(get(fromHost(), 'http://127.0.0.1:8000/'));
  await daemon.ok('rename', 'store', 'redis');
  await daemon.ok('restart', '-t', '2', 'page');
  const again = await firstAnswer('page', 'http://127.0.0.1:8000/');
  assert.match(again, /^seen \d+ times$/);
  await daemon.ok('rm', '-f', 'page', 'redis');
  await daemon.ok('network', 'rm', 'backend');
});

const compose = async (...argv: readonly string[]): Promise<string> => {
  const file = ['--file', join(directory, 'docker-compose.yml'), '--project-name', 'demo'];
  const { code, stdout, stderr } = await daemon.run(['docker-compose', ...file, ...argv], {
    // It reads what images had until then, also with a dockerd.
    env: { COMPOSE_API_VERSION: '1.44' },
  });
  assert.equal(code, 0, `docker-compose ${argv.join(' ')}: ${stderr}`);
  return stdout;
};

demo('docker-compose brings the counter up on two networks, and takes it down', async (t) => {
  if (lacks('docker-compose')) return t.skip('needs docker-compose');
  await compose('up', '-d');
  const first = await firstAnswer('demo_page_1', 'http://127.0.0.1:8001/');
  assert.match(first, /^seen \d+ times$/);
  assert.match(await inContainer('demo_front', 'http://page/'), /^seen \d+ times$/);
  // Nothing leads out of the network that the file calls internal.
  const ping = ['busybox', 'ping', '-c1', '-W1', HOST.ip];
  const { code } = await daemon.docker('run', '--rm', '--network', 'demo_back', ...ping);
  assert.equal(code, 1);
  assert.match(await compose('ps'), /demo_page_1 .* Up .*8001->80\/tcp/);
  await compose('up', '-d', '--force-recreate', 'page');
  assert.match(await firstAnswer('demo_page_1', 'http://127.0.0.1:8001/'), /^seen \d+ times$/);
  await compose('down');
  assert.equal(await daemon.ok('ps', '-aq'), '');
  assert.equal(await daemon.ok('network', 'ls', '-q', '--filter', 'name=demo_'), '');
});
