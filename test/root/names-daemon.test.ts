// Names as containers see them, over a whole engine: what the resolver inside finds, over changes
// and over the death of the daemon.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  makeEngineDirectory,
  type PrivateEngine,
  removeEngineDirectory,
  startEngine,
} from '../../tools/private-engine.ts';
import { call } from './engine-call.ts';
import { lacksResolver, Resolver } from './resolver.ts';

const WATCH_SECONDS = 3;
/** Beyond the time without a daemon: recovery, and one more question. */
const SILENCE_MS_MAX = 1_500;
/** UNUSED_MS of native/relay.c, and what a busy machine takes. */
const RELAY_END_MS_MAX = 20_000;

const skip = lacksResolver();
let directory = '';
let engine: PrivateEngine;
const resolvers: Resolver[] = [];

type Inspected = {
  readonly State: { readonly Pid: number };
  readonly ResolvConfPath: string;
  readonly NetworkSettings: {
    readonly Networks: Readonly<Record<string, { readonly IPAddress: string }>>;
  };
};

async function post(path: string, body?: object): Promise<void> {
  const { status, body: text } = await call(engine.socket, 'POST', path, body);
  assert.ok(status < 300, `${path}: ${status} ${text}`);
}

async function run(name: string, network: string, more: object = {}): Promise<void> {
  await post(`/containers/create?name=${name}`, {
    Image: 'busybox',
    Cmd: ['sleep', '600'],
    StopSignal: 'SIGKILL',
    HostConfig: { NetworkMode: network },
    NetworkingConfig: { EndpointsConfig: { [network]: more } },
  });
  await post(`/containers/${name}/start`);
}

async function inspect(name: string): Promise<Inspected> {
  const { body } = await call(engine.socket, 'GET', `/containers/${name}/json`);
  return JSON.parse(body) as Inspected;
}

const addressOn = async (name: string, network: string): Promise<string> =>
  (await inspect(name)).NetworkSettings.Networks[network]?.IPAddress ?? '';

async function resolverOf(name: string): Promise<Resolver> {
  const { State, ResolvConfPath } = await inspect(name);
  const resolver = new Resolver(`/proc/${State.Pid}/ns/net`, ResolvConfPath);
  resolvers.push(resolver);
  return resolver;
}

before(async () => {
  if (skip) return;
  directory = makeEngineDirectory();
  engine = await startEngine({ directory });
  await post('/networks/create', { Name: 'front' });
  await post('/networks/create', { Name: 'back', Internal: true });
  await run('db', 'front', { Aliases: ['store'] });
  await run('web', 'front', { Links: ['db:database'] });
});

after(async () => {
  if (skip) return;
  for (const resolver of resolvers) await resolver.close();
  for (const name of ['db', 'web', 'late']) {
    await call(engine.socket, 'DELETE', `/containers/${name}?force=1`);
  }
  await engine.kill('SIGTERM');
  removeEngineDirectory(directory);
});

test('names, aliases, links and addresses lead to each other', { skip }, async () => {
  const web = await resolverOf('web');
  const db = await addressOn('db', 'front');
  for (const name of ['db', 'DB', 'store', 'database', 'db.front']) {
    assert.deepEqual(await web.ask(`host ${name}`), [db], name);
  }
  assert.deepEqual(await web.ask(`addr ${db}`), ['db.front']);
});

test('a live connect, a rename and a disconnect are followed at once', { skip }, async () => {
  const web = await resolverOf('web');
  await run('late', 'bridge');
  assert.match(String(await web.ask('host late')), /^error/);
  await post('/networks/front/connect', { Container: 'late' });
  const late = await addressOn('late', 'front');
  assert.deepEqual(await web.ask('host late'), [late]);
  const inside = await resolverOf('late');
  assert.deepEqual(await inside.ask('host db'), [await addressOn('db', 'front')]);
  await post('/containers/db/rename?name=renamed');
  assert.deepEqual(await inside.ask('host renamed'), [await addressOn('renamed', 'front')]);
  assert.match(String(await inside.ask('host db')), /^error/);
  await post('/containers/renamed/rename?name=db');
  await post('/networks/front/disconnect', { Container: 'late' });
  assert.match(String(await web.ask('host late')), /^error/);
});

test('while the daemon is dead queries wait, and the next one answers', { skip }, async (t) => {
  const web = await resolverOf('web');
  const db = await addressOn('db', 'front');
  assert.deepEqual(await web.ask('host db'), [db]);
  const watching = web.ask(`every ${WATCH_SECONDS} db`);
  const killed = performance.now();
  await engine.kill('SIGKILL');
  engine = await startEngine({ directory });
  const dead = performance.now() - killed;
  const [gap, answers] = await watching;
  const silent = Number(gap) * 1000;
  t.diagnostic(`no answer for ${silent.toFixed(0)} ms; the daemon was away for ${dead.toFixed(0)}`);
  assert.ok(Number(answers) > 20, String(answers));
  assert.ok(silent < dead + SILENCE_MS_MAX, `${silent} ms`);
  assert.deepEqual(await web.ask('host store'), [db]);
});

/** The relay of this engine; none when it has ended. */
function relays(): readonly number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && commandOf(entry)[2] === `${directory}/run/dns.sock`)
    .map(Number);
}

function commandOf(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return []; // it has ended
  }
}

test('a relay ends with the last container of a daemon that is gone, and the next has one again', {
  skip,
}, async () => {
  for (const resolver of resolvers.splice(0)) await resolver.close(); // they are inside, too
  const pids = [];
  for (const name of ['db', 'web', 'late']) pids.push((await inspect(name)).State.Pid);
  await engine.kill('SIGTERM');
  assert.equal(relays().length, 1, 'containers are running');
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  for (const end = performance.now() + RELAY_END_MS_MAX; relays().length > 0; await sleep(20)) {
    assert.ok(performance.now() < end, 'the relay is still there');
  }
  engine = await startEngine({ directory });
  for (const name of ['db', 'web']) await post(`/containers/${name}/start`);
  const web = await resolverOf('web');
  assert.deepEqual(await web.ask('host store'), [await addressOn('db', 'front')]);
});
