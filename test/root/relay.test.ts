// The relay of DNS queries: sockets inside a namespace, answers from whoever is connected outside.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { release } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { NativeAgent } from '#kernel/native/agent.ts';
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
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
});
