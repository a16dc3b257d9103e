import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { EngineError } from '#base/error.ts';
import { startServer, type TestServer } from './server.ts';
import { viewOf } from './view.ts';

const UPGRADE = 'Connection: Upgrade\r\nUpgrade: tcp\r\n';
const EXEC = 'e'.repeat(64);

/** Everything that the peer sends until it ends its half. */
async function readAll(socket: Socket): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of socket) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

async function head(socket: Socket): Promise<string> {
  let text = '';
  while (!text.includes('\r\n\r\n')) text += ((await once(socket, 'data')) as [Buffer])[0];
  socket.pause();
  return text;
}

function framed(text: string): string {
  const header = Buffer.from([1, 0, 0, 0, 0, 0, 0, text.length]);
  return header.toString() + text;
}

async function attached(more: { readonly tty?: boolean } = {}): Promise<TestServer> {
  const server = await startServer();
  server.engine.views = [viewOf({ Tty: more.tty === true })];
  return server;
}

test('attach with Upgrade answers 101 and carries both directions, stdin ends by half-close', async () => {
  await using server = await attached();
  const socket = server.connect();
  socket.write(
    `POST /v1.51/containers/web/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\n${UPGRADE}\r\n`,
  );
  const text = await head(socket);
  assert.match(text, /^HTTP\/1\.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n/);
  assert.match(text, /Content-Type: application\/vnd\.docker\.multiplexed-stream\r\n/i);
  assert.match(text, /api-version: 1\.51\r\n/i);
  socket.end('hello');
  assert.equal((await readAll(socket)).toString(), framed('hello'));
});

test('the content type is raw with a tty, without Upgrade, and before 1.42', async () => {
  for (const [tty, version, upgrade] of [
    [true, 'v1.51', UPGRADE],
    [false, 'v1.41', UPGRADE],
    [false, 'v1.51', ''],
  ] as const) {
    await using server = await attached({ tty });
    const socket = server.connect();
    socket.write(
      `POST /${version}/containers/web/attach?stream=1 HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`,
    );
    assert.match(await head(socket), /application\/vnd\.docker\.raw-stream/);
    socket.destroy();
  }
});

test('attach without Upgrade answers 200 and a raw stream both ways', async () => {
  await using server = await attached();
  const socket = server.connect();
  // What dockerode sends: the options once more as a body, which is not stdin.
  const body = '{"stream":true}';
  socket.write(
    'POST /containers/web/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\n' +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  const text = await head(socket);
  assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
  assert.doesNotMatch(text, /transfer-encoding|content-length/i);
  socket.write('GET / HTTP/1.1\r\n\r\n');
  socket.end('more');
  const all = (await readAll(socket)).toString();
  assert.ok(all.includes('GET / HTTP/1.1\r\n\r\n'), 'stdin that looks like HTTP stays stdin');
  assert.ok(all.includes('more'));
});

test('stdin in the chunks of the request itself is stdin, without the chunk headers', async () => {
  await using server = await attached({ tty: true });
  const socket = server.connect();
  socket.write(
    'POST /containers/web/attach?stream=1&stdin=1 HTTP/1.1\r\nHost: x\r\n' +
      'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
  );
  await head(socket);
  socket.write('6\r\n world\r\n0\r\n\r\n');
  const text = (await readAll(socket)).toString();
  assert.match(text, / world$/);
});

test('attach to an unknown container is plain JSON, with and without Upgrade', async () => {
  await using server = await startServer();
  for (const upgrade of [UPGRADE, 'Connection: close\r\n']) {
    const socket = server.connect();
    socket.write(`POST /containers/nope/attach?stream=1 HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`);
    const text = (await readAll(socket)).toString();
    assert.match(text, /^HTTP\/1\.1 404 Not Found\r\n/);
    assert.match(text, /\{"message":"No such container: nope"\}\n$/);
    socket.destroy();
  }
});

test('an Upgrade to another protocol on an ordinary endpoint is ignored', async () => {
  await using server = await startServer();
  const { status } = await server.ask('GET', '/version', undefined, {
    Connection: 'Upgrade',
    Upgrade: 'h2c',
  });
  assert.equal(status, 200);
});

test('exec start reads its body, however it is cut, before stdin follows', async () => {
  const body = '{"Detach":false,"Tty":false}';
  for (const cut of [0, 5, body.length]) {
    await using server = await startServer();
    const socket = server.connect();
    socket.write(
      `POST /exec/${EXEC}/start HTTP/1.1\r\nHost: x\r\n${UPGRADE}` +
        `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, cut)}`,
    );
    if (cut < body.length) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      socket.write(`${body.slice(cut)}early`);
    }
    // The first frame may come in the same packet as the head.
    const start = await head(socket);
    socket.end('late');
    const text = start + (await readAll(socket)).toString();
    assert.ok(text.includes('late'), text);
    if (cut < body.length) assert.ok(text.includes('early'), text);
  }
});

test('stdin that comes before the exec has started waits for it', async () => {
  for (const upgrade of [UPGRADE, '']) {
    await using server = await startServer();
    server.engine.execDelayMs = 50;
    const socket = server.connect();
    socket.write(
      `POST /exec/${EXEC}/start HTTP/1.1\r\nHost: x\r\n${upgrade}` +
        'Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
    );
    const start = await head(socket);
    socket.write('early');
    await new Promise((resolve) => setTimeout(resolve, 100));
    socket.end('late');
    const text = start + (await readAll(socket)).toString();
    assert.ok(text.includes('early') && text.includes('late'), text);
  }
});

test('an exec that fails after the hijack says so in the stream', async () => {
  await using server = await startServer();
  server.engine.failure = new EngineError('kernel_refused', 'executable file not found in $PATH');
  const socket = server.connect();
  socket.write(`POST /exec/${EXEC}/start HTTP/1.1\r\nHost: x\r\n${UPGRADE}\r\n`);
  const text = (await readAll(socket)).toString();
  assert.match(text, /^HTTP\/1\.1 101/);
  assert.match(text, /executable file not found in \$PATH\r\n$/);
  socket.destroy();
});

test('exec start with Detach answers 200 with nothing, an unknown exec 404', async () => {
  await using server = await startServer();
  const type = { 'Content-Type': 'application/json' };
  const detached = await server.ask('POST', `/exec/${EXEC}/start`, '{"Detach":true}', type);
  assert.equal(detached.status, 200);
  assert.equal(detached.text, '');
  const unknown = await server.ask('POST', '/exec/zz/start', '{}', type);
  assert.equal(unknown.status, 404);
  assert.match(unknown.text, /No such exec instance: zz/);
});

test('a client that vanishes ends its session, and back-pressure stops the source', async () => {
  await using server = await attached({ tty: true });
  const socket = server.connect();
  socket.write(
    `POST /containers/web/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\n${UPGRADE}\r\n`,
  );
  await head(socket);
  const session = server.engine.lastSession;
  assert.ok(session);
  socket.pause();
  // Nobody reads: after the buffers of the socket are full, push() says stop.
  let pushed = 0;
  const chunk = Buffer.alloc(64 * 1024);
  while (session.push(chunk) && pushed < 64 * 1024 * 1024) {
    pushed += chunk.length;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(pushed < 16 * 1024 * 1024, `${pushed} bytes were taken from a source nobody reads`);
  socket.destroy();
  if (!session.destroyed) await once(session, 'close');
  assert.equal(server.engine.lastSignal?.aborted, true);
});
