// The library against a server that answers what the test says: what no real engine does on demand.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Engine } from './engine.ts';
import { EngineError } from './error.ts';

/** By "METHOD /path" without version and query. */
type Answers = Readonly<
  Record<string, (response: ServerResponse, request: IncomingMessage) => void>
>;

type Fake = { readonly engine: Engine; readonly asked: readonly string[] };

async function serve(t: TestContext, answers: Answers): Promise<Fake> {
  const folder = mkdtempSync(join(tmpdir(), 'coracle-library-'));
  const path = join(folder, 'sock');
  const asked: string[] = [];
  const server = createServer((request, response) => {
    request.resume();
    const bare = (request.url ?? '').replace(/^\/v[\d.]+/, '').replace(/\?.*/, '');
    const key = `${request.method} ${bare}`;
    asked.push(key);
    const answer = answers[key];
    if (answer === undefined) json(404, { message: `page not found: ${key}` })(response);
    else answer(response, request);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });
  return { engine: new Engine({ host: `unix://${path}` }), asked };
}

function json(status: number, value: unknown): (response: ServerResponse) => void {
  return (response) => {
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(value));
  };
}

/** Lines of a stream that then ends, or stays open. */
function lines(values: readonly unknown[], open = false): (response: ServerResponse) => void {
  return (response) => {
    response.writeHead(200);
    for (const value of values) response.write(`${JSON.stringify(value)}\r\n`);
    if (!open) response.end();
  };
}

const MISSING = json(404, { message: 'No such image: team/app:latest' });

test('an older server is spoken to in its version', async (t) => {
  const { engine } = await serve(t, {
    'GET /version': (response, request) => {
      const isOld = request.url?.startsWith('/v1.40/') === true;
      const message = 'client version 1.51 is too new. Maximum supported API version is 1.40';
      if (isOld) json(200, { Version: '19.03' })(response);
      else json(400, { message })(response);
    },
  });
  assert.equal((await engine.version()).Version, '19.03');
  assert.equal(engine.apiVersion, '1.40');
});

test('run pulls an image that is missing, tells its progress, and starts', async (t) => {
  let tries = 0;
  const { asked, engine } = await serve(t, {
    'POST /containers/create': (response) => {
      tries += 1;
      if (tries === 1) MISSING(response);
      else json(201, { Id: 'abc', Warnings: [] })(response);
    },
    'POST /images/create': lines([{ status: 'Pulling', id: 'x' }, { status: 'Done' }]),
    'POST /containers/abc/start': (response) => response.writeHead(204).end(),
  });
  const said: (string | undefined)[] = [];
  const onProgress = (message: { readonly status?: string }): unknown => said.push(message.status);
  assert.equal((await engine.run('team/app', { onProgress })).id, 'abc');
  assert.deepEqual(said, ['Pulling', 'Done']);
  assert.equal(asked.at(-1), 'POST /containers/abc/start');
});

test('run does not pull where that is not wanted', async (t) => {
  const { asked, engine } = await serve(t, { 'POST /containers/create': MISSING });
  const refused = { status: 404, code: 'not_found' };
  await assert.rejects(engine.run('team/app', { pull: 'never' }), refused);
  assert.deepEqual(asked, ['POST /containers/create']);
});

test('a start that fails leaves no container, and its error is the one that is told', async (t) => {
  const { asked, engine } = await serve(t, {
    'POST /containers/create': json(201, { Id: 'abc', Warnings: [] }),
    'POST /containers/abc/start': json(500, { message: 'no such program' }),
    'DELETE /containers/abc': json(500, { message: 'and this, too' }),
  });
  await assert.rejects(engine.run('busybox'), { status: 500, message: 'no such program' });
  assert.equal(asked.at(-1), 'DELETE /containers/abc');
});

test('an error in a stream of progress is thrown', async (t) => {
  const { engine } = await serve(t, {
    'POST /images/create': lines([{ status: 'a' }, { errorDetail: { message: 'denied' } }]),
  });
  await assert.rejects(engine.images.pull('x'), (error) => {
    assert.ok(error instanceof EngineError);
    return error.message === 'denied' && error.status === undefined;
  });
});

test('push and load name a platform in JSON, as the API has it, and a wrong one is refused', async (t) => {
  const asked: (string | null)[] = [];
  const record = (response: ServerResponse, request: IncomingMessage): void => {
    asked.push(new URL(request.url ?? '', 'http://localhost').searchParams.get('platform'));
    response.end();
  };
  const { engine } = await serve(t, {
    'POST /images/team/app/push': record,
    'POST /images/load': record,
  });
  const image = engine.images.get('team/app');
  await image.push({ platform: 'linux/arm64/v8' });
  await engine.images.load(Buffer.alloc(0), { platform: 'linux/amd64' });
  await image.push();
  const arm = '{"architecture":"arm64","os":"linux","variant":"v8"}';
  assert.deepEqual(asked, [arm, '{"architecture":"amd64","os":"linux"}', null]);
  await assert.rejects(image.push({ platform: 'nosuch' }), { code: 'invalid_argument' });
});

test('a path that the engine tells nothing about is an error of our class', async (t) => {
  const { engine } = await serve(t, {
    'HEAD /containers/abc/archive': (response) => response.end(),
  });
  await assert.rejects(engine.containers.get('abc').statPath('/x'), { code: 'corrupt' });
});

test('an abort ends a loop over events, and a line that is no JSON is an error', async (t) => {
  const event = { Type: 'container', Action: 'start', Actor: { ID: 'a', Attributes: {} } };
  const { engine } = await serve(t, { 'GET /events': lines([event], true) });
  const stop = new AbortController();
  const seen: string[] = [];
  const loop = async (): Promise<void> => {
    for await (const { Action: action } of engine.events({ signal: stop.signal })) {
      seen.push(action);
      stop.abort(new Error('enough'));
    }
  };
  await assert.rejects(loop(), (error) => {
    assert.ok(error instanceof EngineError && error.cause instanceof Error);
    return error.code === 'cancelled' && error.cause.message === 'enough';
  });
  assert.deepEqual(seen, ['start']);
  const bad = await serve(t, { 'GET /events': (response) => response.end('{nothing\n') });
  await assert.rejects(Array.fromAsync(bad.engine.events()), { code: 'corrupt' });
});

test('disposing of what is gone is no error, and of what cannot go it is', async (t) => {
  const { engine } = await serve(t, {
    'DELETE /containers/gone': json(404, { message: 'No such container: gone' }),
    'DELETE /containers/going': json(409, { message: 'removal of x is already in progress' }),
    'DELETE /networks/used': json(403, { message: 'network used has active endpoints' }),
  });
  await engine.containers.get('gone')[Symbol.asyncDispose]();
  await engine.containers.get('going')[Symbol.asyncDispose]();
  await assert.rejects(engine.networks.get('used')[Symbol.asyncDispose](), { status: 403 });
});

test('below 1.42 a container is asked whether its log comes in frames', async (t) => {
  const { engine } = await serve(t, {
    'GET /containers/term/logs': (response, request) => {
      const message = 'client version 1.51 is too new. Maximum supported API version is 1.41';
      if (request.url?.startsWith('/v1.41/') === true) response.end('raw text\r\n');
      else json(400, { message })(response);
    },
    'GET /containers/term/json': json(200, { Config: { Tty: true } }),
  });
  const log = await Array.fromAsync(engine.containers.get('term').logs());
  assert.deepEqual(log, [{ stream: 'stdout', text: 'raw text' }]);
});

test('what is no host is refused at once', () => {
  assert.throws(() => new Engine({ host: 'npipe://x' }), { code: 'invalid_argument' });
});
