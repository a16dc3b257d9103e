// The client against a server that says exactly the bytes of the test.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { EngineError } from '#base/error.ts';
import { EngineClient, queryText, readJsonLines, readText } from './client.ts';
import { HEAD_BYTES_MAX } from './http.ts';

type Answer = (socket: Socket, request: string) => void;

async function serve(t: TestContext, answer: Answer): Promise<EngineClient> {
  const directory = mkdtempSync(join(tmpdir(), 'coracle-client-'));
  const path = join(directory, 'sock');
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    let held = '';
    socket.on('data', function onData(piece) {
      held += String(piece);
      if (!held.includes('\r\n\r\n')) return;
      socket.off('data', onData);
      answer(socket, held);
    });
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
    rmSync(directory, { recursive: true });
  });
  return new EngineClient({ kind: 'unix', path });
}

function reply(status: string, body: string, headers = ''): string {
  return `HTTP/1.1 ${status}\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;
}

test('json() sends the version, the query and a body, and reads the reply', async (t) => {
  let seen = '';
  const client = await serve(t, (socket, request) => {
    seen = request;
    socket.end(reply('200 OK', '{"a":[1]}'));
  });
  const options = { query: { all: true, x: '', tag: ['a', 'b'] }, json: { b: 2 } };
  assert.deepEqual(await client.json('POST', '/things', options), { a: [1] });
  assert.match(seen, /^POST \/v1\.51\/things\?all=1&tag=a&tag=b HTTP\/1\.1\r\n/);
  assert.match(seen, /Content-Type: application\/json\r\n/);
  assert.match(seen, /\r\n\r\n\{"b":2\}$/);
});

test('an error status throws the server’s message with the code of the status', async (t) => {
  const client = await serve(t, (socket) =>
    socket.end(reply('404 Not Found', '{"message":"No such container: x"}')),
  );
  await assert.rejects(client.call('GET', '/x'), (error) => {
    assert.ok(error instanceof EngineError);
    assert.equal(error.code, 'not_found');
    assert.equal(error.message, 'No such container: x');
    assert.equal(error.facts['status'], 404);
    return true;
  });
});

test('an older server is spoken to in its version after it has refused ours', async (t) => {
  const targets: string[] = [];
  const client = await serve(t, (socket, request) => {
    const target = request.split(' ')[1] ?? '';
    targets.push(target);
    const text = 'client version 1.51 is too new. Maximum supported API version is 1.41';
    const refusal = JSON.stringify({ message: text });
    if (target.startsWith('/v1.51')) socket.end(reply('400 Bad', refusal));
    else socket.end(reply('200 OK', '{}'));
  });
  await Promise.all([client.json('GET', '/a'), client.json('GET', '/b')]);
  await client.json('GET', '/c');
  assert.equal(client.version, '1.41');
  assert.equal(targets.at(-1), '/v1.41/c');
});

test('a reply that is cut short, malformed or endless in its head is an error', async (t) => {
  const answers = [
    'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc',
    'SSH-2.0-OpenSSH\r\n\r\n',
    '',
    `HTTP/1.1 200 OK\r\nX: ${'y'.repeat(HEAD_BYTES_MAX)}`,
  ];
  for (const answer of answers) {
    const client = await serve(t, (socket) => socket.end(answer));
    await assert.rejects(client.json('GET', '/x'), EngineError, answer.slice(0, 40));
  }
});

test('a stream goes chunked, after the version was asked for; 1xx is skipped', async (t) => {
  const client = await serve(t, (socket, request) => {
    if (request.startsWith('GET /_ping')) {
      socket.end(reply('200 OK', 'OK', 'Api-Version: 1.40\r\n'));
      return;
    }
    let got = request;
    const finish = (): void => {
      if (!got.endsWith('\r\n0\r\n\r\n')) return;
      const seen = JSON.stringify(got.slice(got.indexOf('\r\n\r\n') + 4));
      socket.end(`HTTP/1.1 100 Continue\r\n\r\n${reply('200 OK', seen)}`);
    };
    socket.on('data', (piece) => {
      got += String(piece);
      finish();
    });
    finish();
  });
  const stream = Readable.from([Buffer.from('abc'), Buffer.from('de')]);
  const seen = await client.json('PUT', '/x', { stream });
  assert.equal(seen, '3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n');
  assert.equal(client.version, '1.40');
});

test('hijack() hands over the socket with what follows the head, and half-closes', async (t) => {
  const client = await serve(t, (socket) => {
    const head = 'HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n';
    socket.write(`${head}first`);
    let got = '';
    socket.on('data', (piece) => {
      got += String(piece);
    });
    socket.on('end', () => socket.end(`|${got}`));
  });
  const { socket } = await client.hijack('/containers/x/attach');
  socket.end('typed');
  assert.equal(await readText(socket), 'first|typed');
});

test('a server that does not upgrade is an error, and so is nobody listening', async (t) => {
  const client = await serve(t, (socket) => socket.end(reply('200 OK', '')));
  await assert.rejects(client.hijack('/x'), /unable to upgrade to tcp, received 200/);
  const nobody = new EngineClient({ kind: 'unix', path: '/does/not/exist.sock' });
  const text =
    'Cannot connect to the Coracle daemon at unix:///does/not/exist.sock. ' +
    'Is the coracle daemon running?';
  await assert.rejects(nobody.call('GET', '/x'), { message: text });
});

test('onUnreachable may bring the daemon up; the request is tried once more', async () => {
  let asked = 0;
  const endpoint = { kind: 'unix', path: '/does/not/exist.sock' } as const;
  const client = new EngineClient(endpoint, {
    onUnreachable: async () => {
      asked += 1;
      return true;
    },
  });
  await assert.rejects(client.call('GET', '/x'), /Cannot connect/);
  await assert.rejects(client.call('GET', '/x'), /Cannot connect/);
  assert.equal(asked, 1);
});

test('an abort ends a call that waits for its reply', async (t) => {
  const client = await serve(t, () => {});
  const stop = new AbortController();
  const waiting = client.call('GET', '/x', { signal: stop.signal });
  setTimeout(() => stop.abort(), 20);
  await assert.rejects(waiting, { code: 'cancelled' });
});

test('JSON lines come out whole at any split', async () => {
  const pieces = ['{"a":1}\n{"b"', ':2}\n\n{"c', '":3}'];
  const body = Readable.from(pieces.map((text) => Buffer.from(text)));
  const got: unknown[] = [];
  for await (const item of readJsonLines(body)) got.push(item);
  assert.deepEqual(got, [{ a: 1 }, { b: 2 }, { c: 3 }]);
});

test('a query leaves out what is empty or false', () => {
  assert.equal(queryText({ a: false, b: undefined, c: '', d: 0, e: 'x y' }), '?d=0&e=x+y');
  assert.equal(queryText({}), '');
});
