// What others break is put right, and what comes to an end leaves nothing: bridges that vanish,
// rules that are flushed, veth pairs that are deleted, and many containers with ports.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Api, field } from '../../tools/api.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';
import { EngineHost, HOST, NEIGHBOUR } from './engine-host.ts';

const skip = cannotRun();
const ROUNDS = Number(process.env.CORACLE_NETWORK_ROUNDS ?? '200');
const PARALLEL = 4;
const REPAIR_MS_MAX = 15_000;
const GONE_MS_MAX = 10_000;
const POLL_MS = 50;
let daemon: Daemon;
let host: EngineHost;

before(async () => {
  if (skip !== false) return;
  daemon = await startDaemon();
  host = new EngineHost(daemon.engine);
  await host.probe('out', host.neighbourNamespace);
});

after(async () => {
  if (skip !== false) return;
  await host[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
});

async function start(name: string, network: string, ...options: readonly string[]) {
  const argv = ['--name', name, '--network', network, ...options, 'busybox', 'sleep', '600'];
  await daemon.ok('run', '-d', ...argv);
  const { json } = await daemon.api('GET', `/containers/${name}/json`);
  await host.probe(name, `/proc/${String(field(json, 'State.Pid'))}/ns/net`, [80]);
  return { ip: String(field(json, `NetworkSettings.Networks.${network}.IPAddress`)) };
}

async function until(what: string, msMax: number, check: () => Promise<boolean> | boolean) {
  const deadline = performance.now() + msMax;
  while (!(await check())) {
    assert.ok(performance.now() < deadline, `${what} did not come within ${msMax} ms`);
    await sleep(POLL_MS);
  }
}

const asked = (from: string, ip: string, port: number, wanted?: string) =>
  host.ask(from, { protocol: 'tcp', ip, port }, wanted);

/** What of a network is on the host: links of ours, pinned namespaces, records, rules. */
function remains(): unknown {
  const { directory } = daemon.engine;
  return {
    links: host.links(),
    rules: host.rules(),
    addresses: host.host('ip', '-o', 'addr').replaceAll(' tentative', ''),
    // A bridge whose last port has gone is "linkdown", in its own time.
    routes: `${host.host('ip', 'route')}${host.host('ip', '-6', 'route')}`.replaceAll(
      ' linkdown',
      '',
    ),
    mounts: readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(`${directory}/`)),
    sandboxes: readdirSync(join(directory, 'run/net')),
  };
}

test(`${ROUNDS} containers with ports leave the rules, links and namespaces as they were`, {
  skip,
}, async () => {
  // The first makes the bridge and its rules, which stay for the next.
  await daemon.ok('run', '--rm', '-p', '8080:80', 'busybox', 'true');
  const isQuiet = () => host.links().every((name) => !name.startsWith('cv'));
  await until('the end of the first', GONE_MS_MAX, isQuiet);
  const earlier = remains();
  using api = new Api(daemon.engine.socket, PARALLEL);
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < ROUNDS) {
      const port = 20_000 + next;
      next += 1;
      const bindings = (at: number) => [{ HostIp: '', HostPort: String(at) }];
      const PortBindings = {
        '80/tcp': bindings(port),
        '53/udp': [...bindings(port), { HostIp: '127.0.0.1', HostPort: String(port + 10_000) }],
      };
      const body = { Image: 'busybox', Cmd: ['true'], HostConfig: { PortBindings } };
      const id = await api.create(body);
      await api.must('POST', `/containers/${id}/start`);
      await api.must('POST', `/containers/${id}/wait`);
      await api.must('DELETE', `/containers/${id}`);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  await until('the end of the last', GONE_MS_MAX, isQuiet);
  assert.deepEqual(remains(), earlier);
});

test('addresses of a small network are given again and again', { skip }, async () => {
  await daemon.ok('network', 'create', '--subnet', '10.78.0.0/29', 'small');
  using api = new Api(daemon.engine.socket, 1);
  const body = { Image: 'busybox', Cmd: ['true'], HostConfig: { NetworkMode: 'small' } };
  for (let i = 0; i < 12; i += 1) {
    const id = await api.create(body);
    await api.must('POST', `/containers/${id}/start`);
    await api.must('POST', `/containers/${id}/wait`);
    await api.must('DELETE', `/containers/${id}`);
  }
  const five = Array.from({ length: 5 }, () =>
    daemon.docker('run', '-d', '--network', 'small', 'busybox', 'sleep', '600'),
  );
  const ids = (await Promise.all(five)).map(({ code, stdout }) => {
    assert.equal(code, 0);
    return stdout.trim();
  });
  const sixth = await daemon.docker('run', '--rm', '--network', 'small', 'busybox', 'true');
  assert.equal(sixth.code, 125);
  assert.match(sixth.stderr, /no available IPv4 addresses on this network's address pools: small/);
  await daemon.ok('rm', '-f', ...ids);
  await daemon.ok('network', 'rm', 'small');
});

test('a bridge that somebody removed comes back with the next container, for the others too', {
  skip,
}, async () => {
  const name = 'com.docker.network.bridge.name=lost0';
  await daemon.ok('network', 'create', '-o', name, 'lost');
  const one = await start('lost1', 'lost', '-p', '8081:80');
  host.host('ip', 'link', 'del', 'lost0');
  const two = await start('lost2', 'lost');
  assert.equal(await asked('lost2', one.ip, 80), `lost1 ${two.ip}`);
  assert.equal(await asked('lost1', two.ip, 80), `lost2 ${one.ip}`);
  assert.equal(await asked('out', HOST.ip, 8081), `lost1 ${NEIGHBOUR.ip}`);
});

test('rules that somebody flushed are back within seconds, and what others made stays', {
  skip,
}, async () => {
  const { ip } = await start('flushed', 'bridge', '-p', '8082:80');
  const theirs = 'add table ip theirs; add chain ip theirs c; add rule ip theirs c counter';
  host.host('nft', 'flush', 'ruleset');
  host.host('nft', theirs);
  const reached = async () =>
    (await asked('out', HOST.ip, 8082, 'none')) === `flushed ${NEIGHBOUR.ip}`;
  await until('the published port', REPAIR_MS_MAX, reached);
  assert.equal(await asked('out', ip, 81, 'none'), 'none');
  assert.match(host.host('nft', 'list', 'table', 'ip', 'theirs'), /counter/);
});

test('a veth pair that somebody deleted is back after a new connect; the end leaves nothing', {
  skip,
}, async () => {
  await daemon.ok('network', 'create', 'pair');
  const earlier = host.links();
  const one = await start('pair1', 'pair');
  const before = host.links();
  const two = await start('pair2', 'pair');
  const [pair = ''] = host.links().filter((link) => !before.includes(link));
  host.host('ip', 'link', 'del', pair);
  assert.match(await asked('pair1', two.ip, 80, 'none'), /^none$|^refused 113$/);
  await daemon.ok('network', 'disconnect', 'pair', 'pair2');
  await daemon.ok('network', 'connect', 'pair', 'pair2');
  const { json } = await daemon.api('GET', '/containers/pair2/json');
  const ip = String(field(json, 'NetworkSettings.Networks.pair.IPAddress'));
  assert.equal(await asked('pair1', ip, 80), `pair2 ${one.ip}`);
  const [again = ''] = host.links().filter((link) => !before.includes(link));
  host.host('ip', 'link', 'del', again);
  const started = host.links().filter((link) => !earlier.includes(link));
  await Promise.all([host.silence('pair1'), host.silence('pair2')]);
  await daemon.ok('rm', '-f', 'pair2', 'pair1');
  await daemon.ok('network', 'rm', 'pair');
  const isGone = () => host.links().every((link) => !started.includes(link));
  await until('the end of the links', GONE_MS_MAX, isGone);
});
