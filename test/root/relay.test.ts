// The relay of DNS queries: sockets inside a namespace, answers from whoever is connected outside.
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { release } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { NativeAgent } from '#kernel/native/agent.ts';
import { FrameReader } from '#kernel/native/frames.ts';
import { type QueryHandler, Relay } from '#kernel/native/relay.ts';
import { setLink } from '#kernel/netlink/link.ts';
import { Netlink } from '#kernel/netlink/netlink.ts';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { NATIVE } from './native-path.ts';

const ASK_MS_MAX = 15_000;
let base = '';
let agent: NativeAgent;
let namespace = '';
const relays: Relay[] = [];

before(async () => {
  base = makeScratch('relay-');
  namespace = join(base, 'net');
  agent = new NativeAgent(NATIVE);
  await agent.perform([{ op: 'netns_create', path: namespace }]);
  await new Netlink(agent).exchange(namespace, [setLink('lo', { up: true })]);
});

after(async () => {
  const last = relays.at(-1);
  await last?.remove('box');
  for (const relay of relays) await relay[Symbol.asyncDispose]();
  await agent.perform([{ op: 'netns_delete', path: namespace }]);
  await agent[Symbol.asyncDispose]();
  removeScratch(base);
});

function makeRelay(handle: QueryHandler): Relay {
  const report = (error: unknown): never => {
    throw error;
  };
  const lost = (): never => assert.fail('the relay ended');
  const path = join(base, 'dns.sock');
  const relay = new Relay({ path, nativePath: NATIVE, handle, report, lost });
  relays.push(relay);
  return relay;
}

async function killed(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

const shout: QueryHandler = (sandbox, message, tcp) =>
  Promise.resolve(Buffer.from(`${sandbox} ${tcp ? 'tcp' : 'udp'} ${message.toString()}`));

/** Sends bytes to 127.0.0.11:53 from inside, by a program there; answers what came back. */
function ask(kind: 'udp' | 'tcp', text: string): Promise<string> {
  const script = `import socket,struct,sys
s=socket.socket(socket.AF_INET, socket.SOCK_${kind === 'udp' ? 'DGRAM' : 'STREAM'})
s.settimeout(10)
s.connect(("127.0.0.11",53))
m=sys.argv[1].encode()
s.sendall(${kind === 'udp' ? 'm' : 'struct.pack(">H",len(m))+m'})
d=s.recv(4096)
sys.stdout.write(d[${kind === 'udp' ? '0' : '2'}:].decode())`;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn('nsenter', [`--net=${namespace}`, 'python3', '-c', script, text], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: ASK_MS_MAX,
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.on('error', reject);
  child.on('close', () => resolve(output));
  return promise;
}

test('a query by udp or tcp inside is answered by the daemon outside', async () => {
  const relay = makeRelay(shout);
  await relay.add('box', namespace);
  assert.equal(await ask('udp', 'hello'), 'box udp hello');
  assert.equal(await ask('tcp', 'world'), 'box tcp world');
  assert.deepEqual(await relay.list(), ['box']);
});

test('a query that comes while no daemon is connected is answered by the next one', async () => {
  await relays.at(-1)?.[Symbol.asyncDispose]();
  const waiting = ask('udp', 'later');
  const next = makeRelay(shout);
  assert.equal(await next.resume(), true);
  assert.equal(await waiting, 'box udp later');
});

test('a namespace without the relay refuses, and removing twice is success', async () => {
  const relay = relays.at(-1);
  assert.ok(relay);
  await relay.remove('box');
  await relay.remove('box');
  assert.deepEqual(await relay.list(), []);
  await relay.add('box', namespace);
  await assert.rejects(relay.add('other', join(base, 'nothing')), /ENOENT/);
});

/** What a name server does: port 53 of every address for itself, then its neighbour asks it. */
const OWN_SERVER = `import socket
def listen(kind):
    s=socket.socket(socket.AF_INET, kind); s.settimeout(5); s.bind(("0.0.0.0",53)); return s
def ask(kind, address):
    s=socket.socket(socket.AF_INET, kind); s.settimeout(5); s.connect((address,53)); return s
try:
    udp, tcp = listen(socket.SOCK_DGRAM), listen(socket.SOCK_STREAM)
except OSError as error:
    print(error.strerror); raise SystemExit
tcp.listen(1)
a=ask(socket.SOCK_DGRAM,"127.0.0.1"); a.send(b"mine"); print(udp.recv(99).decode())
a=ask(socket.SOCK_STREAM,"127.0.0.1"); a.send(b"mine"); print(tcp.accept()[0].recv(99).decode())
a=ask(socket.SOCK_DGRAM,"127.0.0.11"); a.send(b"yours"); print(a.recv(99).decode())
a=ask(socket.SOCK_STREAM,"127.0.0.11"); a.send(b"\\0\\5yours"); print(a.recv(99)[2:].decode())`;

async function runOwnServer(): Promise<string> {
  const argv = [`--net=${namespace}`, 'python3', '-c', OWN_SERVER];
  return (await promisify(execFile)('nsenter', argv)).stdout;
}

const [major = 0, minor = 0] = release().split('.').map(Number);
const old =
  major * 100 + minor < 509 && `programs of the socket lookup came with 5.9: ${release()}`;

test('a name server in the container has port 53 for itself', { skip: old }, async () => {
  await relays.at(-1)?.add('box', namespace);
  assert.equal(await runOwnServer(), 'mine\nmine\nbox udp yours\nbox tcp yours\n');
});

test('without BPF or raw sockets the relay is bound to port 53 itself', async () => {
  await relays.at(-1)?.remove('box');
  const path = join(base, 'plain.sock');
  const child = spawn('setpriv', ['--bounding-set', '-net_raw', NATIVE, 'relay', path]);
  const report = (error: unknown): unknown => assert.fail(String(error));
  const plain = new Relay({ path, nativePath: NATIVE, handle: shout, report, lost: () => {} });
  while (!(await plain.resume())) await new Promise((resolve) => setTimeout(resolve, 5));
  await plain.add('box', namespace);
  assert.equal(await ask('udp', 'hello'), 'box udp hello');
  assert.equal(await ask('tcp', 'world'), 'box tcp world');
  assert.equal(await runOwnServer(), 'Address already in use\n');
  await plain[Symbol.asyncDispose]();
  await killed(child);
});

const FLOOD_NAMESPACES = 12;
const FLOOD_EACH = 256; // SANDBOX_QUERIES_MAX of native/questions.c
const FLOOD_QUERIES = FLOOD_NAMESPACES * FLOOD_EACH;
/** The questions themselves take 12 MiB, and as much again if each also waits to be sent. */
const FLOOD_MIB_MAX = 18;

/**
 * As many questions of 4 KiB by tcp as a container may have, from each namespace; says when the
 * relay has read all of them.
 */
const FLOOD = `import ctypes,os,socket,struct,sys,time
libc=ctypes.CDLL(None, use_errno=True)
def enter(path):
    if libc.setns(os.open(path, os.O_RDONLY), 0x40000000): raise OSError(ctypes.get_errno())
def unread():
    rows=[line.split() for line in open("/proc/thread-self/net/tcp")][1:]
    return any(row[4]!="00000000:00000000" for row in rows)
socks=[]
for path in sys.argv[1:]:
    enter(path); socks.append(socket.create_connection(("127.0.0.11",53)))
for s in socks:
    for n in range(${FLOOD_EACH}): s.sendall(struct.pack(">H",4096)+b"x"*4096)
for path in sys.argv[1:]:
    enter(path)
    while unread(): time.sleep(0.002)
print("read", flush=True); sys.stdin.read()`;

function mibOf(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

test('what a daemon that does not read is asked waits within a limit, and none of it is lost', async () => {
  const path = join(base, 'flood.sock');
  await using end = new AsyncDisposableStack();
  const child = spawn(NATIVE, ['relay', path], { stdio: 'ignore' });
  end.defer(() => killed(child));
  const report = (error: unknown): unknown => assert.fail(String(error));
  const first = new Relay({ path, nativePath: NATIVE, handle: shout, report, lost: () => {} });
  while (!(await first.resume())) await new Promise((resolve) => setTimeout(resolve, 5));
  const places = Array.from({ length: FLOOD_NAMESPACES }, (_, n) => join(base, `flood${n}`));
  for (const place of places) {
    await agent.perform([{ op: 'netns_create', path: place }]);
    end.defer(async () => void (await agent.perform([{ op: 'netns_delete', path: place }])));
    await new Netlink(agent).exchange(place, [setLink('lo', { up: true })]);
    await first.add(place, place);
  }
  await first[Symbol.asyncDispose]();
  const daemon: Socket = connect(path).pause();
  end.defer(() => void daemon.destroy());
  await once(daemon, 'connect');
  const asker = spawn('python3', ['-c', FLOOD, ...places], { stdio: ['pipe', 'pipe', 'inherit'] });
  end.defer(() => killed(asker));
  await once(asker.stdout, 'data');
  const asked = new Set<number>();
  const { promise: all, resolve } = Promise.withResolvers<void>();
  assert.ok(mibOf(child.pid) < FLOOD_MIB_MAX, `${mibOf(child.pid)} MiB`);
  new FrameReader(daemon, ({ id }) => {
    asked.add(id);
    if (asked.size === FLOOD_QUERIES) resolve();
  });
  daemon.resume();
  const late = setTimeout(resolve, 5_000); // they are dropped after 8 s
  await all;
  clearTimeout(late);
  assert.equal(asked.size, FLOOD_QUERIES);
});

/** Longer than the relay's UNUSED_MS, which it looks around in, by what a busy machine may take. */
const END_MS_MAX = 20_000;
/** Longer than UNUSED_MS: one that is used has looked around, and gone on. */
const GO_ON_MS = 3_500;

test('without a daemon a relay ends when nobody is in its namespaces, or it cannot be found', async () => {
  await using end = new AsyncDisposableStack();
  const started: Record<string, ChildProcess> = {};
  for (const name of ['used', 'empty', 'lost']) {
    const [path, place] = [join(base, `${name}.sock`), join(base, name)];
    await agent.perform([{ op: 'netns_create', path: place }]);
    end.defer(async () => void (await agent.perform([{ op: 'netns_delete', path: place }])));
    const child = spawn(NATIVE, ['relay', path], { stdio: 'ignore' });
    started[name] = child;
    end.defer(async () => void (child.exitCode ?? (await killed(child))));
    const report = (error: unknown): unknown => assert.fail(String(error));
    const relay = new Relay({ path, nativePath: NATIVE, handle: shout, report, lost: () => {} });
    while (!(await relay.resume())) await new Promise((resolve) => setTimeout(resolve, 5));
    await relay.add(name, place);
    if (name !== 'empty') {
      const inside = spawn('nsenter', [`--net=${place}`, 'sleep', '100']);
      end.defer(() => killed(inside));
      const own = readlinkSync('/proc/self/ns/net');
      while (readlinkSync(`/proc/${inside.pid}/ns/net`) === own) await sleep(5);
    }
    await relay[Symbol.asyncDispose]();
  }
  const { used, empty, lost } = started as Record<'used' | 'empty' | 'lost', ChildProcess>;
  rmSync(join(base, 'lost.sock'));
  const signal = AbortSignal.timeout(END_MS_MAX);
  const exits = [empty, lost].map(async (child) => (await once(child, 'exit', { signal }))[0]);
  const goesOn = sleep(GO_ON_MS);
  assert.deepEqual(await Promise.all(exits), [0, 0]);
  assert.ok(!existsSync(join(base, 'empty.sock')));
  await goesOn;
  assert.equal(used.exitCode, null, 'the next daemon finds it');
  assert.ok(existsSync(join(base, 'used.sock')));
});
