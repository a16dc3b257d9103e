import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { EngineError } from '#base/error.ts';
import { ROUTES } from '#api/routes.ts';
import { startServer } from './server.ts';
import { viewOf } from './view.ts';

test('HEAD and GET /_ping answer with what clients negotiate by', async () => {
  await using server = await startServer();
  for (const method of ['HEAD', 'GET']) {
    const { status, headers, text } = await server.ask(method, '/_ping');
    assert.equal(status, 200);
    assert.equal(text, method === 'GET' ? 'OK' : '');
    assert.equal(headers['api-version'], '1.51');
    assert.equal(headers['ostype'], 'linux');
    assert.equal(headers['docker-experimental'], 'true');
    assert.equal(headers['builder-version'], '1');
    assert.equal(headers['swarm'], 'inactive');
    assert.equal(headers['cache-control'], 'no-cache, no-store, must-revalidate');
    assert.match(String(headers['server']), /^Docker\/.+ \(linux\)$/);
  }
});

test('paths work with and without a version, and a version out of range is refused', async () => {
  await using server = await startServer();
  for (const prefix of ['', '/v1.24', '/v1.44', '/v1.51']) {
    assert.equal((await server.ask('GET', `${prefix}/version`)).status, 200);
  }
  const tooNew = await server.ask('GET', '/v1.99/info');
  assert.equal(tooNew.status, 400);
  assert.equal(
    tooNew.text,
    '{"message":"client version 1.99 is too new. Maximum supported API version is 1.51"}\n',
  );
  const tooOld = await server.ask('GET', '/v1.12/info');
  assert.equal(tooOld.status, 400);
  assert.match(
    tooOld.text,
    /client version 1\.12 is too old\. Minimum supported API version is 1\.24/,
  );
});

test('an unknown path or method is 404 page not found, OPTIONS is 200', async () => {
  await using server = await startServer();
  for (const [method, path] of [
    ['GET', '/nope'],
    ['PUT', '/info'],
    ['POST', '/_ping'],
    ['GET', '/'],
    ['GET', '/vx/info'],
    ['DELETE', '/containers/'],
  ] as const) {
    const { status, text } = await server.ask(method, path);
    assert.equal(status, 404, path);
    assert.equal(text, '{"message":"page not found"}\n');
  }
  assert.equal((await server.ask('OPTIONS', '/anything')).status, 200);
});

test('error codes become statuses, and 304 has no body', async () => {
  await using server = await startServer();
  const cases = [
    ['not_found', 404],
    ['conflict', 409],
    ['invalid_argument', 400],
    ['kernel_refused', 500],
    ['not_implemented', 501],
    ['unavailable', 503],
  ] as const;
  for (const [code, status] of cases) {
    server.engine.failure = new EngineError(code, `no: ${code}`);
    const answer = await server.ask('POST', '/containers/web/start');
    assert.equal(answer.status, status);
    assert.deepEqual(JSON.parse(answer.text), { message: `no: ${code}` });
  }
  server.engine.failure = new EngineError('not_modified', 'already started');
  const same = await server.ask('POST', '/containers/web/start');
  assert.equal(same.status, 304);
  assert.equal(same.text, '');
  server.engine.failure = new EngineError(
    'kernel_refused',
    'exec: "x": executable file not found in $PATH',
  );
  assert.equal((await server.ask('POST', '/containers/web/start')).status, 400);
});

test('verbs pass their parameters on', async () => {
  await using server = await startServer();
  const { engine } = server;
  await server.ask('POST', '/containers/web/stop?t=5&signal=INT');
  await server.ask('POST', '/containers/%2Fweb/stop');
  await server.ask('POST', '/containers/web/kill?signal=9');
  await server.ask('DELETE', '/containers/web?force=true&v=1');
  await server.ask('POST', '/containers/web/rename?name=new');
  await server.ask('POST', '/containers/web/resize?h=24&w=80');
  await server.ask('POST', '/v1.41/containers/web/start');
  assert.deepEqual(engine.calls, [
    ['stop', 'web', { signal: 'INT', timeoutSeconds: 5 }],
    ['stop', '/web', { signal: undefined, timeoutSeconds: undefined }],
    ['kill', 'web', '9'],
    ['remove', 'web', { force: true, volumes: true, link: false }],
    ['rename', 'web', 'new'],
    ['resize', 'web', { height: 24, width: 80 }],
    ['start', 'web', { detachKeys: '' }],
  ]);
});

test('wait sends its head at once and its body when the container ends', async () => {
  await using server = await startServer();
  const socket = server.connect();
  socket.write(`POST /containers/web/wait?condition=next-exit HTTP/1.1\r\nHost: x\r\n\r\n`);
  const [head] = (await once(socket, 'data')) as [Buffer];
  assert.match(head.toString(), /^HTTP\/1\.1 200 OK\r\n/);
  assert.deepEqual(server.engine.calls, [['wait', 'web', 'next-exit']]);
  server.engine.exited.resolve({ statusCode: 137, error: undefined });
  const [body] = (await once(socket, 'data')) as [Buffer];
  assert.match(body.toString(), /\{"StatusCode":137\}\n/);
  socket.destroy();
});

test('events come as lines from the moment of the request, with exact nanoseconds', async () => {
  await using server = await startServer();
  const socket = server.connect();
  socket.write('GET /events?filters={"type":["container"]} HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(socket, 'data');
  server.events.publish({
    type: 'container',
    action: 'start',
    actor: { id: 'abc', attributes: { image: 'busybox', name: 'web' } },
  });
  const [data] = (await once(socket, 'data')) as [Buffer];
  const line = data.toString().split('\r\n')[1] ?? '';
  assert.match(line, /"status":"start","id":"abc","from":"busybox","Type":"container"/);
  assert.match(line, /"timeNano":\d{19}\}/);
  socket.destroy();
  while (server.events.listeners > 0) await new Promise((resolve) => setImmediate(resolve));
});

test('a client that goes away ends the log stream', async () => {
  await using server = await startServer();
  server.engine.logChunks = (async function* forever() {
    for (;;) {
      yield Buffer.alloc(1024);
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (server.engine.lastSignal?.aborted === true) return;
    }
  })();
  const socket = server.connect();
  socket.write('GET /containers/web/logs?stdout=1&follow=1 HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(socket, 'data');
  socket.destroy();
  const signal = server.engine.lastSignal;
  assert.ok(signal);
  if (!signal.aborted) await once(signal, 'abort');
});

test('a client that goes away while it does not read closes the source of the log', async () => {
  await using server = await startServer();
  const closed = Promise.withResolvers<void>();
  server.engine.logChunks = (async function* endless() {
    try {
      for (;;) yield Buffer.alloc(64 * 1024);
    } finally {
      closed.resolve();
    }
  })();
  const socket = server.connect();
  socket.write('GET /containers/web/logs?stdout=1 HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(socket, 'data');
  socket.pause();
  await new Promise((resolve) => setTimeout(resolve, 20));
  socket.destroy();
  await closed.promise;
});

test('logs without a stream are refused with the text of Docker', async () => {
  await using server = await startServer();
  const { status, text } = await server.ask('GET', '/containers/web/logs');
  assert.equal(status, 400);
  assert.match(text, /Bad parameters: you must choose at least one stream/);
});

test('ps lists running containers, newest first, and filters', async () => {
  await using server = await startServer();
  const running = { status: 'running', pid: 7 as never, startedAt: 1n } as const;
  server.engine.views = [
    viewOf(
      { Labels: { a: 'b' } },
      { name: 'old', id: '1'.repeat(64), createdAt: 1n, state: running },
    ),
    viewOf({}, { name: 'new', id: '2'.repeat(64), createdAt: 2n, state: running }),
    viewOf({}, { name: 'made', id: '3'.repeat(64), createdAt: 3n }),
  ];
  const names = async (query: string): Promise<unknown> => {
    const list = (await server.json('GET', `/containers/json?${query}`)) as { Names: string[] }[];
    return list.map(({ Names }) => Names[0]);
  };
  const filter = (filters: object): string =>
    `filters=${encodeURIComponent(JSON.stringify(filters))}`;
  assert.deepEqual(await names(''), ['/new', '/old']);
  assert.deepEqual(await names('all=1'), ['/made', '/new', '/old']);
  assert.deepEqual(await names('limit=1'), ['/made']);
  assert.deepEqual(await names(filter({ label: { 'a=b': true } })), ['/old']);
  assert.deepEqual(await names(filter({ label: ['a'] })), ['/old']);
  assert.deepEqual(await names(filter({ status: ['created'] })), ['/made']);
  assert.deepEqual(await names(filter({ name: ['^/?ol'] })), ['/old']);
  assert.deepEqual(await names(`all=1&${filter({ before: ['new'] })}`), ['/old']);
  assert.deepEqual(await names(`all=1&${filter({ since: ['new'] })}`), ['/made']);
  // Of filters only `status` looks at what does not run.
  assert.deepEqual(await names(filter({ since: ['new'] })), []);
  assert.deepEqual(await names(filter({ network: ['host'] })), []);
  assert.deepEqual(await names(filter({ ancestor: ['nothing'] })), []);
  for (const [filters, message] of [
    [{ color: ['x'] }, "invalid filter 'color'"],
    [{ status: ['bad'] }, "invalid filter 'status=bad'"],
    [{ name: ['(a+)+$'] }, "invalid filter 'name=(a+)+$'"],
  ] as const) {
    const answer = await server.ask('GET', `/containers/json?${filter(filters)}`);
    assert.equal(answer.status, 400);
    assert.deepEqual(JSON.parse(answer.text), { message });
  }
});

test('swarm endpoints are refused with the text that clients match', async () => {
  await using server = await startServer();
  const { status, text } = await server.ask('GET', '/services');
  assert.equal(status, 503);
  assert.match(
    text,
    /^\{"message":"This node is not a swarm manager\. Use \\"docker swarm init\\"/,
  );
});

test('info says what is true', async () => {
  await using server = await startServer();
  server.engine.views = [viewOf()];
  const info = (await server.json('GET', '/info')) as Record<string, unknown>;
  assert.equal(info['Containers'], 1);
  assert.equal(info['ContainersStopped'], 1);
  assert.equal(info['OSType'], 'linux');
  assert.equal(info['CgroupVersion'], '1');
  assert.ok(Number(info['NFd']) > 3);
});

test('every route answers something, and what is not there is 501 with a message', async () => {
  await using server = await startServer();
  for (const { method, path } of ROUTES) {
    if (method === 'HEAD' || /events|attach$|exec\/.*start|wait/.test(path)) continue;
    const target = path.replace(/\{[^}]*\}/g, 'x');
    const { status, text } = await server.ask(method, target);
    assert.ok(status >= 200 && status < 600 && status !== 500, `${method} ${path}: ${status}`);
    if (status >= 400) assert.equal(typeof JSON.parse(text).message, 'string');
  }
  assert.equal((await server.ask('GET', '/plugins/privileges')).status, 501);
});

test('one sample of a container that is removed meanwhile is answered, too', async () => {
  await using server = await startServer();
  const { status, text } = await server.ask('GET', '/containers/web/stats?stream=0');
  assert.deepEqual([status, text], [404, '{"message":"No such container: web"}\n']);
});

test('close() ends idle, streaming and hijacked connections', async () => {
  const server = await startServer();
  server.engine.views = [viewOf()];
  const hijacked = server.connect();
  hijacked.write(
    'POST /containers/web/attach?stream=1&stdin=1 HTTP/1.1\r\nHost: x\r\n' +
      'Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n',
  );
  await once(hijacked, 'data');
  const streaming = server.connect();
  streaming.write('GET /events HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(streaming, 'data');
  streaming.on('error', () => {});
  hijacked.on('error', () => {});
  const closed = Promise.all([once(hijacked, 'close'), once(streaming, 'close')]);
  hijacked.on('end', () => hijacked.end());
  streaming.on('end', () => streaming.end());
  hijacked.resume();
  streaming.resume();
  await server[Symbol.asyncDispose]();
  await closed;
});
