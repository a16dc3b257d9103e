// Which ports are chosen and who is in whose way, without a kernel; and the listener on ::1, which
// needs no root.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import type { PortWish } from '../engine.ts';
import type { PortTarget } from '../firewall.ts';
import { parseRange } from './ephemeral.ts';
import { type Claim, PortLedger } from './ledger.ts';
import { LoopbackForwards } from './loopback.ts';
import { inodesOf } from './owner.ts';
import { listenersOf } from './place.ts';

const NONE: ReadonlySet<Claim> = new Set();

function claim(hostIp: string, hostPort: number, change: Partial<Claim> = {}): Claim {
  return {
    protocol: 'tcp',
    hostIp,
    hostPort,
    containerId: 'c',
    containerName: 'web',
    ...change,
  };
}

test('every address and one address are in each other’s way, two addresses are not', () => {
  const ledger = new PortLedger();
  const any = claim('0.0.0.0', 80);
  const one = claim('192.0.2.1', 81);
  ledger.take(any);
  ledger.take(one);
  const owner = (hostIp: string, hostPort: number, protocol: Claim['protocol'] = 'tcp') =>
    ledger.conflict({ protocol, hostIp, hostPort }, NONE);
  assert.equal(owner('0.0.0.0', 80), any);
  assert.equal(owner('127.0.0.1', 80), any);
  assert.equal(owner('0.0.0.0', 81), one);
  assert.equal(owner('192.0.2.1', 81), one);
  assert.equal(owner('192.0.2.2', 81), undefined);
  assert.equal(owner('::', 80), undefined);
  assert.equal(owner('0.0.0.0', 80, 'udp'), undefined);
  assert.equal(ledger.conflict(any, new Set([any])), undefined);
  ledger.give(any);
  assert.equal(owner('0.0.0.0', 80), undefined);
});

test('free ports come one after the other, and the last free one is found', () => {
  const ledger = new PortLedger();
  const range = { first: 32_768, last: 60_999 };
  assert.equal(ledger.free('tcp', range), 32_768);
  assert.equal(ledger.free('tcp', range), 32_769);
  assert.equal(ledger.free('udp', range), 32_768);
  for (let port = range.first; port <= range.last; port += 1) {
    if (port !== 40_000) ledger.take(claim('0.0.0.0', port));
  }
  assert.equal(ledger.free('tcp', range), 40_000);
  assert.equal(ledger.free('tcp', range), 40_000);
  ledger.take(claim('127.0.0.1', 40_000));
  assert.equal(ledger.free('tcp', range), undefined);
});

test('a free port costs no more with twenty thousand taken', () => {
  const time = (taken: number): number => {
    const ledger = new PortLedger();
    for (let port = 32_768; port < 32_768 + taken; port += 1) ledger.take(claim('::', port));
    const begin = process.hrtime.bigint();
    for (let n = 0; n < 5_000; n += 1) ledger.free('tcp', { first: 32_768, last: 60_999 });
    return Number(process.hrtime.bigint() - begin) / 1e6;
  };
  time(0);
  // Each search passes over at most 2048 words; a walk over twenty thousand claims takes seconds.
  assert.ok(time(20_000) < 200);
});

test('the range of any free port is the kernel’s, or RFC 6335’s when it cannot be read', () => {
  assert.deepEqual(parseRange('32768\t60999\n'), { first: 32_768, last: 60_999 });
  for (const text of ['', '0 10', '10 5', '1 70000', 'x y']) {
    assert.deepEqual(parseRange(text), { first: 49_153, last: 65_535 });
  }
});

const FOUR: PortTarget = {
  family: 4,
  ip: '172.17.0.2',
  network: 'n',
  bridge: 'br0',
  mode: 'nat',
  hostBinding: '',
};
const SIX: PortTarget = { ...FOUR, family: 6, ip: 'fd00::2' };

test('a wish without an address is every address of the families that the container has', () => {
  const at = (hostIp: string, four: PortTarget | undefined, six: PortTarget | undefined) => {
    const wish: PortWish = { port: 80, protocol: 'tcp', hostIp, hostPort: undefined };
    return listenersOf(wish, { 4: four, 6: six }).map((one) => `${one.hostIp}>${one.target.ip}`);
  };
  assert.deepEqual(at('', FOUR, SIX), ['0.0.0.0>172.17.0.2', '::>fd00::2']);
  assert.deepEqual(at('', FOUR, undefined), ['0.0.0.0>172.17.0.2']);
  assert.deepEqual(at('', undefined, SIX), ['::>fd00::2']);
  assert.deepEqual(at('', undefined, undefined), []);
  assert.deepEqual(at('192.0.2.1', undefined, undefined), []);
  assert.deepEqual(at('0.0.0.0', FOUR, SIX), ['0.0.0.0>172.17.0.2']);
  assert.deepEqual(at('2001:DB8:0::1', FOUR, SIX), ['2001:db8::1>fd00::2']);
  assert.deepEqual(at('::1', FOUR, undefined), ['::1>172.17.0.2']);
  const local = { ...FOUR, hostBinding: '127.0.0.1' };
  assert.deepEqual(at('', local, SIX), ['127.0.0.1>172.17.0.2']);
  assert.deepEqual(at('', { ...FOUR, hostBinding: '0.0.0.0' }, SIX).length, 2);
  assert.throws(() => at('::', FOUR, undefined), {
    code: 'invalid_argument',
    message: /^cannot publish \[::\]: the container has no IPv6 address that leads out/,
  });
});

test('the socket that has a port is found by its address, and only when it listens', () => {
  const line = (local: string, state: string, inode: number): string =>
    `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1`;
  const table = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    line('0100007F:1F90', '0A', 11),
    line('0100007F:1F90', '01', 12),
    line('010200C0:1F90', '0A', 13),
    line('00000000:1F91', '0A', 14),
    line('00000000000000000000000001000000:1F90', '0A', 15),
    line('00000000000000000000000000000000:1F92', '0A', 16),
  ].join('\n');
  const find = (hostIp: string, hostPort: number) =>
    inodesOf(table, { protocol: 'tcp', hostIp, hostPort });
  assert.deepEqual(find('0.0.0.0', 8080), ['11', '13']);
  assert.deepEqual(find('127.0.0.1', 8080), ['11']);
  assert.deepEqual(find('192.0.2.1', 8080), ['13']);
  assert.deepEqual(find('192.0.2.1', 8081), ['14']);
  assert.deepEqual(find('0.0.0.0', 8083), []);
  assert.deepEqual(find('::', 8080), ['15']);
  assert.deepEqual(find('::1', 8080), ['15']);
  assert.deepEqual(find('::1', 8082), ['16']);
  assert.deepEqual(find('127.0.0.1', 8082), ['16']);
});

/** To the end of what comes; the other direction stays open. */
async function read(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

test('a port on ::1 is copied both ways, each direction to its own end', async () => {
  const inside = createServer({ allowHalfOpen: true }, async (socket) => {
    socket.end(`got ${(await read(socket)).length}`);
  });
  inside.listen(0, '127.0.0.1');
  await once(inside, 'listening');
  const address = inside.address();
  assert.ok(address !== null && typeof address === 'object');
  const spare = createServer().listen(0, '::1');
  await once(spare, 'listening');
  const free = spare.address();
  assert.ok(free !== null && typeof free === 'object');
  const forwards = new LoopbackForwards();
  const destination = { ip: '127.0.0.1', port: address.port };
  assert.equal(await forwards.open(free.port, destination), 'EADDRINUSE');
  spare.close();
  await once(spare, 'close');
  assert.equal(await forwards.open(free.port, destination), undefined);
  const client = connect({ host: '::1', port: free.port, allowHalfOpen: true });
  client.end(Buffer.alloc(1_000_000));
  const answer = await read(client);
  assert.equal(answer.toString(), 'got 1000000');
  assert.equal(forwards.connections(free.port), 1n);
  forwards.close(free.port);
  const refused = connect({ host: '::1', port: free.port });
  const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNREFUSED');
  inside.close();
});
