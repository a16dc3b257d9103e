// The embedded DNS in real network namespaces: the C library's resolver asks 127.0.0.11, with the
// resolv.conf that a container gets; the daemon's side goes and comes back.
import assert from 'node:assert/strict';
import { execFile, spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import packet from 'dns-packet';
import { NativeAgent } from '#kernel/native/agent.ts';
import { setLink } from '#kernel/netlink/link.ts';
import { Netlink } from '#kernel/netlink/netlink.ts';
import { HostResolvConf } from '#network/names/host-file.ts';
import { NameService } from '#network/names/service.ts';
import { plugged, type TestEndpoint } from '#network/names/testing-plugged.ts';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { NATIVE } from './native-path.ts';
import { lacksResolver, NO_ANSWER, Resolver } from './resolver.ts';

const NXDOMAIN = 3;
const ROUNDS = 40;
const SERVER = join(import.meta.dirname, '../fixture/name-server.py');
/** An address of the loopback for our own "server of the host", apart from other test runs. */
const UPSTREAM = `127.53.${(process.pid >> 8) & 255}.${(process.pid & 127) + 1}`;

const skip = lacksResolver();

let base = '';
let agent: NativeAgent;
let names: NameService;
const reports: unknown[] = [];
const boxes = new Map<string, Box>();
const closers: (() => void)[] = [];

const relayPath = (): string => join(base, 'dns.sock');

function startNames(): NameService {
  return new NameService({
    relayPath: relayPath(),
    nativePath: NATIVE,
    defaults: {},
    report: (error) => reports.push(error),
    host: new HostResolvConf({ file: join(base, 'host.conf'), behindStub: join(base, 'none') }),
  });
}

/** A network namespace with a program inside that resolves names. */
class Box {
  readonly name: string;
  readonly path: string;
  readonly #resolver: Resolver;

  constructor(name: string) {
    this.name = name;
    this.path = join(base, name);
    writeFileSync(this.resolvConf, '');
    this.#resolver = new Resolver(this.path, this.resolvConf);
  }

  get resolvConf(): string {
    return `${this.path}.resolv.conf`;
  }

  /** Connects it like this: what the service of networks does at start and at each change. */
  async set(
    endpoints: readonly TestEndpoint[],
    dns: NonNullable<Parameters<typeof plugged>[2]>['dns'] = {},
    name = this.name,
  ): Promise<void> {
    const target = plugged(name, endpoints, { path: this.path, dns });
    const sandbox = { ...target.sandbox, containerId: this.name };
    writeFileSync(this.resolvConf, names.resolvConf({ ...target, sandbox }));
    await names.set({ ...target, sandbox });
  }

  ask(command: string): Promise<readonly (string | number)[]> {
    return this.#resolver.ask(command);
  }

  async close(): Promise<void> {
    await this.#resolver.close();
    await agent.perform([{ op: 'netns_delete', path: this.path }]);
  }
}

/** Answers A queries below .com with 192.0.2.<80 for UDP, 81 for TCP>; says what it was asked. */
async function startUpstream(asked: string[]): Promise<void> {
  const reply = (message: Buffer, ip: string): Buffer => {
    const { id, questions = [] } = packet.decode(message);
    const [question] = questions;
    asked.push(question?.name ?? '');
    const known = question?.name.endsWith('.com') === true;
    const answer = { type: 'A' as const, name: question?.name ?? '', ttl: 1, data: ip };
    const answers = known && question.type === 'A' ? [answer] : [];
    const flags = known ? 0 : NXDOMAIN;
    return Buffer.from(packet.encode({ type: 'response', id: id ?? 0, flags, questions, answers }));
  };
  const udp = createSocket('udp4');
  udp.on('message', (message, from) => {
    udp.send(reply(message, '192.0.2.80'), from.port, from.address);
  });
  udp.bind(53, UPSTREAM);
  const tcp = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      const bytes = reply(chunk.subarray(2), '192.0.2.81');
      socket.write(Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 255), bytes]));
    });
  }).listen(53, UPSTREAM);
  closers.push(
    () => udp.close(),
    () => tcp.close(),
  );
  await Promise.all([once(udp, 'listening'), once(tcp, 'listening')]);
}

const asked: string[] = [];

before(async () => {
  if (skip) return;
  base = makeScratch('names-');
  writeFileSync(join(base, 'host.conf'), `nameserver ${UPSTREAM}\n`);
  agent = new NativeAgent(NATIVE);
  names = startNames();
  await startUpstream(asked);
  for (const name of ['web', 'db', 'inner']) {
    const box = join(base, name);
    await agent.perform([{ op: 'netns_create', path: box }]);
    boxes.set(name, new Box(name));
  }
});

after(async () => {
  if (skip) return;
  for (const [name, box] of boxes) {
    await names.remove(name);
    await box.close();
  }
  await names[Symbol.asyncDispose]();
  await agent[Symbol.asyncDispose]();
  for (const close of closers) close();
  removeScratch(base);
});

function box(name: string): Box {
  const found = boxes.get(name);
  if (found === undefined) throw new Error(`no box ${name}`);
  return found;
}

async function up(name: string): Promise<void> {
  await new Netlink(agent).exchange(box(name).path, [setLink('lo', { up: true })]);
}

test('a container of the default bridge only starts no relay', { skip }, async () => {
  await box('web').set([{ network: 'bridge', ip: '172.17.0.2' }]);
  assert.ok(!readdirSync(base).includes('dns.sock'));
  assert.deepEqual(names.size, { sandboxes: 0, endpoints: 0 });
});

test('containers find each other by name, alias, link and address', { skip }, async () => {
  // Before lo is up, as at a start, where links are made at the same time.
  await box('web').set([
    { network: 'front', ip: '10.1.0.2', aliases: ['www', '0123456789ab'], links: ['db:database'] },
  ]);
  await box('db').set([
    { network: 'front', ip: '10.1.0.3', aliases: ['www'] },
    { network: 'back', ip: '10.2.0.3' },
  ]);
  await box('inner').set([{ network: 'back', ip: '10.2.0.4', internal: true }]);
  for (const name of boxes.keys()) await up(name);
  const web = box('web');
  assert.deepEqual(await web.ask('host db'), ['10.1.0.3']);
  assert.deepEqual(await web.ask('host DB.front'), ['10.1.0.3']);
  assert.deepEqual(await web.ask('host database'), ['10.1.0.3']);
  assert.deepEqual(await web.ask('host 0123456789ab'), ['10.1.0.2']);
  assert.deepEqual(await web.ask('host www'), ['10.1.0.2', '10.1.0.3']);
  assert.deepEqual(await web.ask('addr 10.1.0.3'), ['db.front']);
  assert.deepEqual(await box('db').ask('host inner'), ['10.2.0.4']);
  assert.deepEqual(await box('inner').ask('host db'), ['10.2.0.3']);
});

test('busybox nslookup understands the answers, by name and by address', { skip }, async () => {
  const lookup = async (what: string): Promise<string> => {
    const argv = [`--net=${box('web').path}`, 'busybox', 'nslookup', what, '127.0.0.11'];
    return (await promisify(execFile)('nsenter', argv)).stdout;
  };
  assert.match(await lookup('db'), /Address[ \d]*:\s+10\.1\.0\.3/);
  assert.match(await lookup('10.1.0.3'), /db\.front/);
});

test('other names go to the servers of the host, never from internal networks', {
  skip,
}, async () => {
  asked.length = 0;
  assert.deepEqual(await box('web').ask('host out.example.com'), ['192.0.2.80']);
  assert.deepEqual(await box('inner').ask('host secret.example.com'), [NO_ANSWER]);
  assert.deepEqual(await box('inner').ask('host web'), [NO_ANSWER]);
  assert.ok(asked.includes('out.example.com') && !asked.includes('secret.example.com'));
});

test('by TCP where the container wants it, and through its search domains', { skip }, async () => {
  await box('db').set([{ network: 'front', ip: '10.1.0.3' }], {
    search: ['one.example', 'two.example.com'],
    options: ['use-vc', 'ndots:2'],
  });
  asked.length = 0;
  assert.deepEqual(await box('db').ask('host web.'), ['10.1.0.2']);
  assert.deepEqual(await box('db').ask('host a.b'), ['192.0.2.81']);
  assert.ok(asked.includes('a.b.one.example'), asked.join());
  await assert.rejects(box('db').set([{ network: 'front' }], { options: ['a\nb'] }), /DNS option/);
});

test('a server that the container named is asked from inside', { skip }, async () => {
  const [web, db] = [box('web'), box('db')];
  const argv = [`--net=${web.path}`, 'python3', SERVER];
  const server = spawn('nsenter', argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(server.stdout, 'data');
  const network = { network: 'front', ip: '10.1.0.2' };
  for (const options of [[], ['use-vc']]) {
    // The first is closed there, and the second is the container's own.
    await web.set([network], { servers: ['127.0.0.9', '127.0.0.1'], options });
    assert.deepEqual(await web.ask('host own.example.com'), ['203.0.113.53']);
  }
  assert.deepEqual(await db.ask('host own.example.com'), ['192.0.2.81']);
  await web.set([{ ...network, internal: true }], { servers: ['127.0.0.1'] });
  assert.deepEqual(await web.ask('host own.example.com'), [NO_ANSWER]);
  await web.set([{ ...network, aliases: ['www'] }]);
  const gone = once(server, 'exit');
  server.kill();
  await gone;
});

test('connect, disconnect and rename of running containers are followed', { skip }, async () => {
  const [web, inner] = [box('web'), box('inner')];
  await inner.set([
    { network: 'back', ip: '10.2.0.4', internal: true },
    { network: 'front', ip: '10.1.0.4' },
  ]);
  assert.deepEqual(await web.ask('host inner'), ['10.1.0.4']);
  assert.deepEqual(await inner.ask('host web'), ['10.1.0.2']);
  await inner.set([{ network: 'front', ip: '10.1.0.4' }], {}, 'renamed');
  assert.deepEqual(await web.ask('host renamed'), ['10.1.0.4']);
  assert.match(String(await web.ask('host inner')), /^error /);
  await inner.set([{ network: 'back', ip: '10.2.0.4', internal: true }]);
  assert.deepEqual(await inner.ask('host web'), [NO_ANSWER]);
  await inner.set([{ network: 'bridge', ip: '172.17.0.2' }]);
  assert.equal(names.size.sandboxes, 2);
  await inner.set([{ network: 'back', ip: '10.2.0.4', internal: true }]);
});

test('a change of the host’s servers reaches running containers', { skip }, async () => {
  writeFileSync(join(base, 'host.conf'), 'nameserver 127.0.0.1\n');
  writeFileSync(join(base, 'host.conf'), '# none\n');
  assert.deepEqual(await box('web').ask('host late.example.com'), [NO_ANSWER]);
  writeFileSync(join(base, 'host.conf'), `nameserver ${UPSTREAM}\n`);
  assert.deepEqual(await box('web').ask('host late.example.com'), ['192.0.2.80']);
});

test('a container that floods the resolver does not keep others waiting', { skip }, async (t) => {
  for (const name of ['db', 'out.example.com']) {
    const flooding = box('inner').ask(`flood 0.4 ${name}`);
    const [gap, answers] = await box('web').ask('every 0.3 db');
    const [sent] = await flooding;
    t.diagnostic(`${sent} queries beside ${answers}; the longest wait ${Number(gap).toFixed(3)} s`);
    assert.ok(Number(gap) < 1 && Number(answers) > 0, `${gap} s, ${answers} answers`);
  }
});

test('queries wait while the daemon restarts, and none is lost', { skip }, async (t) => {
  const [web, db, inner] = [box('web'), box('db'), box('inner')];
  const watching = web.ask('every 1.2 db');
  await new Promise((resolve) => setTimeout(resolve, 300));
  await names[Symbol.asyncDispose]();
  await new Promise((resolve) => setTimeout(resolve, 300));
  names = startNames();
  // `inner` ended meanwhile.
  await names.recover([
    plugged('web', [{ network: 'front', ip: '10.1.0.2' }], { path: web.path }),
    plugged('db', [{ network: 'front', ip: '10.1.0.3' }], { path: db.path }),
  ]);
  const [gap, answers] = await watching;
  t.diagnostic(`no answer for ${(Number(gap) * 1000).toFixed(0)} ms, 300 of them without a daemon`);
  // What is lost is asked again after five seconds (resolv.conf(5), "timeout").
  assert.ok(Number(gap) >= 0.25 && Number(gap) < 3, String(gap));
  assert.ok(Number(answers) > 5);
  // Where nobody listens any more, the port is closed: no answer, and no waiting for one.
  assert.deepEqual(await inner.ask('host web'), [NO_ANSWER]);
});

test('a relay that is killed is started again, for all it served', { skip }, async () => {
  const pid = relayPid();
  process.kill(pid, 'SIGKILL');
  // A query in between would only wait for the resolver's own second try.
  while ([0, pid].includes(relayPid())) await new Promise((resolve) => setTimeout(resolve, 5));
  // What was served before is added again first.
  await names.set(plugged('inner', [{ network: 'back' }], { path: box('inner').path }));
  for (const name of ['web', 'db']) {
    assert.deepEqual(await box(name).ask('host db.'), ['10.1.0.3'], name);
  }
  assert.deepEqual(reports, []);
});

/** The process that was started with the path of this test's relay. */
function relayPid(): number {
  const found = readdirSync('/proc').filter((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    try {
      return readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0')[2] === relayPath();
    } catch {
      return false;
    }
  });
  return Number(found[0] ?? 0);
}

test('a sandbox costs the start less than a program that is spawned would', { skip }, async (t) => {
  const [sets, spawns]: [number[], number[]] = [[], []];
  const target = plugged('inner', [{ network: 'front', ip: '10.1.0.4' }], {
    path: box('inner').path,
  });
  for (let round = 0; round < ROUNDS; round += 1) {
    const start = performance.now();
    await names.set(target);
    const set = performance.now();
    spawnSync(NATIVE);
    spawns.push(performance.now() - set);
    sets.push(set - start);
    await names.remove('inner');
  }
  // What else the machine does only ever adds, and to both.
  const quartile = (times: readonly number[]): number =>
    times.toSorted((one, other) => one - other)[ROUNDS / 4] ?? 0;
  const [set, spawned] = [quartile(sets), quartile(spawns)];
  t.diagnostic(`${set.toFixed(2)} ms, a program ${spawned.toFixed(2)} ms`);
  assert.ok(set < spawned, `${set} ms, a program ${spawned} ms`);
});

test('the relay ends when it serves nobody and its daemon goes', { skip }, async () => {
  for (const name of boxes.keys()) await names.remove(name);
  assert.notEqual(relayPid(), 0);
  await names[Symbol.asyncDispose]();
  const deadline = performance.now() + 5_000;
  while (relayPid() !== 0) {
    assert.ok(performance.now() < deadline, 'the relay is still there');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.ok(!readdirSync(base).includes('dns.sock'));
});
