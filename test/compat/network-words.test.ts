// The network verbs, `port`, `update` and the prunes, word for word: the docker CLI and ours get
// the same command line and talk to the same recording server. What they send, what they print and
// how they end must be the same. No daemon, no root; ours is the built bundle.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT } from '../../tools/source.ts';

const directory = mkdtempSync(join(tmpdir(), 'coracle-network-words-'));
const OURS = join(ROOT, 'bin/coracle');
const missing = spawnSync('docker', ['--version']).error !== undefined;
const skip = missing ? 'no docker CLI on PATH to compare with' : false;

/** "~" stands for a blank inside a word. */
const LINES: readonly string[] = [
  'network create x',
  'network create --subnet 10.0.0.0/24 --gateway 10.0.0.1 --ip-range 10.0.0.128/25 x',
  'network create --subnet 10.0.0.0/24 --aux-address a=10.0.0.5 --aux-address b=10.0.0.6 x',
  'network create --subnet fd00::/64 --gateway fd00::1 --aux-address r=fd00::9 --ipv6 x',
  'network create -d macvlan -o parent=eth0 -o flag --label l=1 --label l2 --ipv4=false x',
  'network create --internal --attachable --ingress --scope swarm --config-only x',
  'network create --config-from z --ipam-driver null --ipam-opt o=p --driver= x',
  'network create --subnet foo x',
  'network create --subnet= x',
  'network create --gateway 10.0.0.1 x',
  'network create --subnet 10.0.0.0/8 --subnet 10.1.0.0/16 x',
  'network create --subnet foo --subnet bar x',
  'network create --subnet 10.0.0.0/24 --ip-range 10.1.0.0/24 x',
  'network create --subnet 10.0.0.0/24 --ip-range foo x',
  'network create --subnet 10.0.0.0/24 --gateway foo x',
  'network create --subnet 10.0.0.0/24 --gateway 10.0.0.1 --gateway 10.0.0.2 x',
  'network create --subnet 10.0.0.0/24 --aux-address foo x',
  'network create --subnet 10.0.0.0/24 --aux-address a=10.9.9.9 x',
  'network create --subnet 10.0.0.0/24,10.0.1.0/24 --gateway 10.0.0.1,10.0.0.2 x',
  'network create --subnet 10.0.0.0/24,fd00::/64 --ip-range 10.0.0.0/25,10.0.0.128/25 x',
  'network create',
  'network create --label = x',
  'network create --ipv4=x x',
  'network create --foo x',
  'network ls',
  'network list -q',
  'network ls --no-trunc',
  'network ls --format json',
  'network ls --format table~{{.Name}}\\t{{.IPv6}}\\t{{.CreatedAt}}\\t{{.Labels}}\\t{{.Label~"a"}}',
  'network ls --format {{.ID}}~{{.Internal}}~{{.IPv4}}~{{.Scope}}',
  'network ls --format raw',
  'network ls --format raw -q',
  'network ls -f driver=bridge -f name=x -f name=y',
  'network ls -f foo',
  'network ls --format {{.Name',
  'network ls x',
  'network inspect x y',
  'network inspect -f {{.Name}} -v x',
  'network inspect missing x',
  'network inspect missing',
  'network inspect',
  'network connect n c',
  'network connect --ip 1.2.3.4 --ip6 ::1 --alias a,b --alias c --link x:y n c',
  'network connect --link-local-ip 169.254.1.1 --driver-opt a=b --gw-priority -3 n c',
  'network connect --driver-opt a n c',
  'network connect --link a:b:c n c',
  'network connect --gw-priority x n c',
  'network connect n',
  'network connect missing c',
  'network disconnect n c',
  'network disconnect -f n c',
  'network rm x missing y',
  'network rm -f missing y',
  'network remove x',
  'network rm',
  'network prune',
  'network prune -f',
  'network prune -f --filter label=a --filter until=1h',
  'network foo',
  'port ports',
  'port ports 80',
  'port ports 80/udp',
  'port ports 81',
  'port ports foo',
  'port ports 99999',
  'port add',
  'port add 80',
  'container port ports 80/tcp',
  'inspect --type network x',
  'inspect --type network missing',
  'inspect missing',
  'update c',
  'update -m 64m c',
  'update --restart on-failure:3 --pids-limit 5 --cpus 1.5 -c 5 c d',
  'update --memory-swap -1 --memory-reservation 5m --blkio-weight 100 --cpuset-cpus 0 c',
  'update --cpu-period 1 --cpu-quota 2 --cpu-rt-period 3 --cpu-rt-runtime 4 --cpuset-mems 0 c',
  'update --kernel-memory 5m --pids-limit 0 c',
  'update -m 5m c missing d',
  'update --restart foo:bar c',
  'update --cpus x c',
  'update',
  'container prune',
];

const NETWORKS = [
  {
    Name: 'net10',
    Id: 'a'.repeat(64),
    Created: '2026-01-02T03:04:05.123456789Z',
    Scope: 'local',
    Driver: 'bridge',
    EnableIPv4: true,
    Internal: true,
    // One: docker 28.2 prints several in the order of a Go map, which is chance.
    Labels: { a: '1' },
  },
  {
    Name: 'net9',
    Id: 'b'.repeat(64),
    Created: '2026-01-02T03:04:05.1+01:00',
    Scope: 'local',
    Driver: 'macvlan',
  },
];
const PORTS = {
  '80/tcp': [
    { HostIp: '::', HostPort: '8080' },
    { HostIp: '0.0.0.0', HostPort: '8080' },
    { HostIp: '0.0.0.0', HostPort: '901' },
  ],
  '9/udp': [{ HostIp: '0.0.0.0', HostPort: '99' }],
  '80/udp': null,
};

/** What the server says to anybody: only the path decides. */
function answer(url: string): { readonly status: number; readonly json: unknown } {
  const path = url.replace(/^\/v[\d.]+/, '').replace(/\?.*/, '');
  if (path === '/_ping') return { status: 200, json: 'OK' };
  if (/\/(missing|add)\b/.test(path)) {
    const what = path.split('/').find((part) => part === 'missing' || part === 'add');
    return { status: 404, json: { message: `no ${what} here` } };
  }
  if (path === '/networks/create')
    return { status: 201, json: { Id: 'c'.repeat(64), Warning: '' } };
  if (path === '/networks/prune') return { status: 200, json: { NetworksDeleted: ['a', 'b'] } };
  if (path === '/networks') return { status: 200, json: NETWORKS };
  if (path.startsWith('/networks/')) return { status: 200, json: NETWORKS[0] };
  if (path.endsWith('/update')) return { status: 200, json: { Warnings: ['careful'] } };
  return { status: 200, json: { Id: 'x', NetworkSettings: { Ports: PORTS } } };
}

/** Go writes the keys of a map in order; ours are in the order of the flags. */
function ordered(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

type Outcome = {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly sent: readonly string[];
};

/** One server for each command line, so that lines can run side by side. */
class Recorder implements AsyncDisposable {
  readonly sent: string[] = [];
  readonly #server: Server;
  readonly socket: string;

  constructor(name: string) {
    this.socket = join(directory, name);
    this.#server = createServer((request, response) => {
      let body = '';
      request.on('data', (piece) => {
        body += String(piece);
      });
      request.on('end', () => {
        const { status, json } = answer(request.url ?? '');
        this.#note(request.method ?? '', request.url ?? '', body);
        response.writeHead(status, { 'Api-Version': '1.50', 'Content-Type': 'application/json' });
        response.end(JSON.stringify(json));
      });
    });
  }

  #note(method: string, target: string, body: string): void {
    const url = new URL(target, 'http://x');
    const path = url.pathname.replace(/^\/v[\d.]+/, '');
    // Objects that we do not have yet.
    if (/^\/(_ping|info|volumes|plugins)\b/.test(path)) return;
    const query = [...url.searchParams].map(
      ([key, value]) => `${key}=${value === '1' ? 'true' : value}`,
    );
    const json: unknown = body.trim() === '' ? undefined : JSON.parse(body, ordered);
    this.sent.push(`${method} ${path} ${query.join('&')} ${JSON.stringify(json) ?? ''}`.trim());
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(this.socket, resolve));
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

let count = 0;

async function outcome(program: string, line: string): Promise<Outcome> {
  count += 1;
  await using recorder = await new Recorder(`${count}.sock`).listen();
  const host = `unix://${recorder.socket}`;
  const env = { ...process.env, DOCKER_HOST: host, CORACLE_HOST: host };
  const words = line.split(' ').map((word) => word.replaceAll('~', ' '));
  const child = spawn(program, words, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (piece) => {
      texts[name] += String(piece);
    });
  }
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  const named = texts.stderr.replaceAll(/\bdocker\b/g, 'coracle');
  // Before it removes, docker looks whether it is swarm's own network; we have no swarm.
  const looks = (request: string): boolean =>
    /^network (rm|remove)/.test(line) && request.startsWith('GET');
  const sent = recorder.sent.filter((request) => !looks(request));
  return { code, stdout: texts.stdout, stderr: named, sent };
}

before(() => {
  if (skip === false) assert.equal(spawnSync(OURS, ['--version']).status, 0, 'run `make build`');
});
after(() => rmSync(directory, { recursive: true }));

for (const line of LINES) {
  test(`${line}: sent, printed and ended as docker does`, { skip }, async () => {
    const [theirs, ours] = await Promise.all([outcome('docker', line), outcome(OURS, line)]);
    assert.deepEqual(ours, theirs);
  });
}

test('the help of the network verbs is docker’s, but for a link to its site', { skip }, () => {
  const link = /^ +Refer to https:\/\/docs.docker.com.*\n +for more .*\n +templates\n/gm;
  const verbs = ['create', 'ls', 'inspect', 'connect', 'disconnect', 'rm', 'prune'];
  for (const path of verbs.map((verb) => ['network', verb, '--help'])) {
    const theirs = spawnSync('docker', path, { encoding: 'utf8' }).stdout.replaceAll(link, '');
    const ours = spawnSync(OURS, path, { encoding: 'utf8' }).stdout;
    assert.equal(ours, theirs.replaceAll('docker ', 'coracle '));
  }
});
