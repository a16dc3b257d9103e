// A large body that is refused at its beginning, while its client still sends: every client reads
// why, and none gets EPIPE or waits for ever.
import assert from 'node:assert/strict';
import { createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';

const skip = cannotRun();
const BODY_BYTES = 50 * 1024 * 1024;
const ROUNDS = 20;

let daemon: Daemon;
let directory: string;
before(async () => {
  if (skip !== false) return;
  directory = mkdtempSync(join(tmpdir(), 'coracle-refused-'));
  const bytes = Buffer.alloc(BODY_BYTES, 'x');
  writeFileSync(join(directory, 'tar'), bytes);
  // A gzip header (RFC 1952), and no deflate stream behind it: a block of a reserved type.
  Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xff]).copy(bytes);
  writeFileSync(join(directory, 'gzip'), bytes);
  daemon = await startDaemon();
});
after(async () => {
  if (skip !== false) return;
  await daemon[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

const CASES = [
  ['tar', 'Error response from daemon: invalid tar archive: bad checksum field\n'],
  ['gzip', 'Error response from daemon: invalid gzip data: invalid block type\n'],
] as const;
const CLIENTS = [
  ['docker', 'docker'],
  ['coracle', join(ROOT, 'bin/coracle')],
] as const;

for (const [client, program] of CLIENTS) {
  for (const [name, stderr] of CASES) {
    test(`${client} load of 50 MB that are no ${name} says why, ${ROUNDS} times`, {
      skip,
    }, async () => {
      for (let round = 0; round < ROUNDS; round += 1) {
        const ran = await daemon.run([program, 'load', '-i', join(directory, name)]);
        assert.deepEqual(ran, { code: 1, stdout: '', stderr });
      }
    });
  }
}

const HEADERS = { 'Content-Type': 'application/x-tar' };
const PATH = '/v1.51/images/load';

test('a client that wants the connection closed reads why before it is', { skip }, async () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
    const out = request({
      socketPath: daemon.engine.socket,
      method: 'POST',
      path: PATH,
      headers: { ...HEADERS, Connection: 'close' },
    });
    out.on('response', (reply) => {
      reply.on('error', reject).on('end', () => resolve(reply.statusCode));
      reply.resume();
    });
    out.on('error', reject);
    createReadStream(join(directory, 'tar')).pipe(out);
    assert.equal(await promise, 400);
  }
});

test('a client that reads only after it has sent all is answered, and asks again', {
  skip,
}, async () => {
  const socket = connect(daemon.engine.socket);
  socket.write(`POST ${PATH} HTTP/1.1\r\nHost: d\r\nContent-Length: ${BODY_BYTES}\r\n\r\n`);
  const body = readFileSync(join(directory, 'tar'));
  await new Promise((resolve) => socket.write(body, resolve));
  socket.write('GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n');
  const parts: Buffer[] = [];
  for await (const part of socket) parts.push(part as Buffer);
  assert.match(
    Buffer.concat(parts).toString(),
    /^HTTP\/1.1 400 [\s\S]*bad checksum field[\s\S]*HTTP\/1.1 200 OK[\s\S]*OK$/,
  );
});
