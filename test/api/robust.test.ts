// Malformed, huge, wrong-typed, missing and hostile input on every route: the answer is a 4xx (or a
// 501) with a JSON message, and the server lives and answers /_ping quickly.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ROUTES } from '#api/routes.ts';
import { JSON_BODY_BYTES_MAX } from '#api/body.ts';
import { startServer, type TestServer } from './server.ts';
import { viewOf } from './view.ts';

const JSON_TYPE = { 'Content-Type': 'application/json' };
/** Generous for a busy machine; an engine that blocks is seconds away. */
const PING_MS_MAX = 500;

const BODIES: readonly (readonly [name: string, body: string])[] = [
  ['not JSON', 'x'],
  ['cut short', '{"Image":"a"'],
  ['a list', '[]'],
  ['a number', '1'],
  ['a text', '"x"'],
  ['wrong types', '{"Image":1,"Cmd":{},"Env":1,"Name":[],"Tty":"x","HostConfig":[]}'],
  ['wrong types deep', '{"Image":"a","HostConfig":{"Memory":"1","Binds":[1],"Mounts":[[]]}}'],
  ['too large an integer', '{"Image":"a","Cmd":["a"],"HostConfig":{"Memory":9223372036854775807}}'],
  ['a prototype', '{"__proto__":{"Image":"a"},"constructor":{"prototype":{"x":1}}}'],
  ['a NUL', '{"Image":"a\\u0000b","Cmd":["\\u0000"],"Name":"\\u0000"}'],
  ['deep', '['.repeat(100_000) + ']'.repeat(100_000)],
  ['huge', `{"Image":"${'a'.repeat(JSON_BODY_BYTES_MAX)}"}`],
  ['many', `{"Image":"a","Env":[${'"a=b",'.repeat(20_000)}"c=d"]}`],
];

const QUERIES = [
  'filters=x',
  'filters=[1]',
  'filters={"a":1}',
  'filters={"__proto__":["x"]}',
  `filters=${encodeURIComponent(JSON.stringify({ name: ['('] }))}`,
  'filters={"label":{"a":"b"}}',
  't=x&h=x&w=x&limit=x&since=x&until=x&tail=x&condition=x&type=x&stdout=1',
  't=99999999999999999999&h=-1&w=99999999&limit=-1',
  'name=%00&repo=%00&tag=%00&platform=%00&signal=%00',
  'a=%zz&%&&==',
];

const SEGMENTS = [
  '..',
  '%2e%2e%2f%2e%2e%2fetc%2fpasswd',
  '%00',
  '%ff',
  'a'.repeat(5000),
  '%0d%0aX:1',
  '__proto__',
];

const STREAMS = /events|attach$|exec\/.*start|wait|logs|attach\/ws/;

async function ping(server: TestServer): Promise<void> {
  const before = performance.now();
  assert.equal((await server.ask('GET', '/_ping')).text, 'OK');
  const took = performance.now() - before;
  assert.ok(took < PING_MS_MAX, `_ping took ${took} ms`);
}

function check(what: string, answer: { readonly status: number; readonly text: string }): void {
  const { status, text } = answer;
  assert.notEqual(status, 500, `${what}: ${text.slice(0, 300)}`);
  if (status < 400) return;
  const { message } = JSON.parse(text);
  assert.equal(typeof message, 'string', what);
  assert.ok(message.length > 0 && message.length <= 4096, `${what}: ${message.length} characters`);
  assert.doesNotMatch(message, /\n\s+at |node:internal|\/work\//, what);
}

const targetOf = (path: string, segment: string): string => path.replace(/\{[^}]*\}/g, segment);

test('bad bodies on every route are refused with a reason', async () => {
  await using server = await startServer();
  server.engine.views = [viewOf()];
  for (const { method, path } of ROUTES) {
    if (method === 'GET' || method === 'HEAD' || STREAMS.test(path)) continue;
    for (const [name, body] of BODIES) {
      const answer = await server.ask(method, targetOf(path, 'web'), body, JSON_TYPE);
      check(`${method} ${path} with ${name}`, answer);
    }
  }
  await ping(server);
});

test('what must be JSON and is not is 400, never 500', async () => {
  await using server = await startServer();
  server.engine.views = [viewOf()];
  for (const path of ['/containers/create', '/containers/web/exec', '/coracle/plan']) {
    for (const [name, body] of BODIES) {
      // Fields that an endpoint does not know are ignored, as Go ignores them.
      if (name === 'a prototype') continue;
      if (name === 'too large an integer' && path.endsWith('exec')) continue;
      const { status, text } = await server.ask('POST', path, body, JSON_TYPE);
      assert.equal(status, 400, `${path} with ${name}: ${text.slice(0, 200)}`);
    }
    const untyped = await server.ask('POST', path, '{}');
    assert.equal(untyped.status, 400);
    assert.match(untyped.text, /malformed Content-Type header \(\): mime: no media type/);
    const text = await server.ask('POST', path, '{}', { 'Content-Type': 'text/plain' });
    assert.match(
      text.text,
      /unsupported Content-Type header \(text\/plain\): must be 'application\/json'/,
    );
    const charset = await server.ask('POST', path, '{', {
      'Content-Type': 'Application/JSON; charset=utf-8',
    });
    assert.match(charset.text, /invalid JSON: unexpected EOF/);
  }
  assert.equal(server.engine.calls.length, 0);
});

test('bad queries and names on every route are answered and change nothing', async () => {
  await using server = await startServer();
  for (const { method, path } of ROUTES) {
    if (method === 'HEAD' || STREAMS.test(path)) continue;
    for (const query of QUERIES) {
      check(
        `${method} ${path}?${query}`,
        await server.ask(method, `${targetOf(path, 'x')}?${query}`),
      );
    }
    for (const segment of SEGMENTS) {
      check(`${method} ${path} of ${segment}`, await server.ask(method, targetOf(path, segment)));
    }
  }
  await ping(server);
});

test('bytes that are not HTTP are answered 400 with JSON and the connection ends', async () => {
  await using server = await startServer();
  for (const bytes of [
    'hello\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    'GET /_ping HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n',
    'GET /_ping HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n',
    'GET /_ping HTTP/1.1\r\nHost: x\r\nA\0B: c\r\n\r\n',
    Buffer.alloc(1000, 0xff),
    `GET /_ping HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(400_000)}\r\n\r\n`,
  ]) {
    const socket = server.connect();
    socket.on('error', () => {});
    socket.write(bytes);
    const pieces: Buffer[] = [];
    for await (const piece of socket) pieces.push(piece as Buffer);
    const text = Buffer.concat(pieces).toString();
    assert.match(text, /^HTTP\/1\.1 4\d\d /);
    assert.match(text, /\{"message":"[^"]+"\}\n$/);
    socket.destroy();
  }
  await ping(server);
});

test('clients that connect and say nothing, or half a request, hold nobody up', async () => {
  await using server = await startServer();
  const idle = Array.from({ length: 100 }, (_, i) => {
    const socket = server.connect();
    socket.on('error', () => {});
    if (i % 2 === 0) socket.write('POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Le');
    else socket.write('POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{');
    return socket;
  });
  await ping(server);
  for (const socket of idle) socket.destroy();
  await ping(server);
});

test('Expect: 100-continue is answered before the body comes', async () => {
  await using server = await startServer();
  const socket = server.connect();
  socket.write(
    'POST /volumes/create HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n' +
      'Content-Type: application/json\r\nContent-Length: 14\r\nConnection: close\r\n\r\n',
  );
  let text = '';
  for await (const piece of socket) {
    text += String(piece);
    if (text === 'HTTP/1.1 100 Continue\r\n\r\n') socket.write('{"Name":"vol"}');
  }
  assert.match(text, /HTTP\/1\.1 201 Created/);
  socket.destroy();
});
