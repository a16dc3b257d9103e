// The life of containers over the socket of a real engine. Needs root and `make build`.
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type PrivateEngine, startEngine } from '../../tools/private-engine.ts';
import { call, demux, eventuallyEmpty, hijack, readAll } from './engine-call.ts';

let engine: PrivateEngine;
before(async () => {
  engine = await startEngine();
});
after(() => engine[Symbol.asyncDispose]());

type Body = Readonly<Record<string, unknown>>;

async function create(body: Body, name = ''): Promise<string> {
  const query = name === '' ? '' : `?name=${name}`;
  const answer = await call(engine.socket, 'POST', `/containers/create${query}`, {
    Image: 'busybox',
    ...body,
  });
  assert.equal(answer.status, 201, answer.body);
  return (JSON.parse(answer.body) as { Id: string }).Id;
}

async function act(id: string, verb: string, status = 204): Promise<string> {
  const answer = await call(engine.socket, 'POST', `/containers/${id}/${verb}`);
  assert.equal(answer.status, status, `${verb}: ${answer.body}`);
  return answer.body;
}

async function inspect(id: string) {
  const { body } = await call(engine.socket, 'GET', `/containers/${id}/json`);
  return JSON.parse(body) as { State: Record<string, unknown>; RestartCount: number };
}

async function remove(id: string): Promise<void> {
  await call(engine.socket, 'DELETE', `/containers/${id}?force=1&v=1`);
}

/** Like `docker run`: create, attach, wait, start. */
async function run(body: Body, stdin?: string) {
  const streams = { AttachStdout: true, AttachStderr: true };
  const open = stdin === undefined ? {} : { OpenStdin: true, StdinOnce: true, AttachStdin: true };
  const id = await create({ ...streams, ...open, ...body });
  const query = `stream=1&stdout=1&stderr=1${stdin === undefined ? '' : '&stdin=1'}`;
  const stream = await hijack(engine.socket, `/containers/${id}/attach?${query}`);
  const { AutoRemove: rm = false } = (body['HostConfig'] ?? {}) as { AutoRemove?: boolean };
  const condition = rm ? 'removed' : 'next-exit';
  const waiting = call(engine.socket, 'POST', `/containers/${id}/wait?condition=${condition}`);
  await act(id, 'start');
  stream.socket.end(stdin ?? '');
  const output = await readAll(stream, body['Tty'] === true);
  const exit = JSON.parse((await waiting).body) as { StatusCode: number };
  return { id, ...output, exitCode: exit.StatusCode };
}

async function logs(id: string, query: string): Promise<string> {
  const { body, status } = await rawLogs(id, query);
  assert.equal(status, 200);
  return demux(body).stdout;
}

function rawLogs(id: string, query: string) {
  return new Promise<{ status: number; body: Buffer }>((resolve, reject) => {
    const path = `/v1.51/containers/${id}/logs?stdout=1&${query}`;
    get({ socketPath: engine.socket, path }, (reply) => {
      const parts: Buffer[] = [];
      reply.on('data', (part: Buffer) => parts.push(part));
      reply.on('end', () => resolve({ status: reply.statusCode ?? 0, body: Buffer.concat(parts) }));
    }).on('error', reject);
  });
}

test('an attached client gets every byte, apart by stream, and the exit code', async () => {
  const script = 'echo out; echo err >&2; exit 7';
  const { id, stdout, stderr, exitCode } = await run({ Cmd: ['sh', '-c', script] });
  assert.deepEqual([stdout, stderr, exitCode], ['out\n', 'err\n', 7]);
  await remove(id);
});

test('stdin goes in, its end ends the program, and its output still comes', async () => {
  const text = 'x'.repeat(200_000);
  const { id, stdout, exitCode } = await run({ Cmd: ['cat'] }, text);
  assert.equal(stdout.length, text.length);
  assert.equal(exitCode, 0);
  await remove(id);
});

test('no output is lost between start and end, ten times over', async () => {
  for (let i = 0; i < 10; i += 1) {
    const { id, stdout } = await run({ Cmd: ['seq', '20000'], HostConfig: { AutoRemove: true } });
    assert.equal(stdout.trimEnd().split('\n').length, 20_000);
    assert.equal((await call(engine.socket, 'GET', `/containers/${id}/json`)).status, 404);
  }
});

test('a tty has one raw stream', async () => {
  const { id, stdout } = await run({ Cmd: ['sh', '-c', 'tty; echo done'], Tty: true });
  assert.equal(stdout, '/dev/pts/0\r\ndone\r\n');
  await remove(id);
});

test('a start that fails says why, leaves the container as it was, and --rm takes it', async () => {
  const id = await create({ Cmd: ['nosuch'] });
  const { status, body } = await call(engine.socket, 'POST', `/containers/${id}/start`);
  assert.equal(status, 400);
  assert.match(body, /exec: \\"nosuch\\": executable file not found in \$PATH/);
  const { State } = await inspect(id);
  assert.equal(State['Status'], 'created');
  assert.equal(State['ExitCode'], 127);
  await remove(id);
  const gone = await create({ Cmd: ['nosuch'], HostConfig: { AutoRemove: true } });
  const waiting = call(engine.socket, 'POST', `/containers/${gone}/wait?condition=removed`);
  await sleep(20);
  await call(engine.socket, 'POST', `/containers/${gone}/start`);
  assert.equal((JSON.parse((await waiting).body) as { StatusCode: number }).StatusCode, 127);
  assert.equal((await call(engine.socket, 'GET', `/containers/${gone}/json`)).status, 404);
});

test('stop ends with SIGKILL what ignores SIGTERM', async () => {
  const id = await create({ Cmd: ['sh', '-c', 'trap "" TERM; while :; do sleep 1; done'] });
  await act(id, 'start');
  await act(id, 'start', 304);
  await sleep(200);
  await act(id, 'stop?t=1');
  assert.equal((await inspect(id)).State['ExitCode'], 137);
  await act(id, 'stop', 304);
  assert.match(await act(id, 'kill', 409), /is not running/);
  await remove(id);
});

test('a paused container refuses exec and start, can be killed, and is thawed for it', async () => {
  const id = await create({ Cmd: ['sleep', '60'] });
  await act(id, 'start');
  await act(id, 'pause');
  assert.match(await act(id, 'pause', 409), /is already paused/);
  assert.match(await act(id, 'start', 409), /cannot start a paused container/);
  await act(id, 'kill');
  assert.equal((await inspect(id)).State['ExitCode'], 137);
  assert.match(await act(id, 'unpause', 409), /is not paused/);
  await remove(id);
});

test('exec tells its output and its exit code, and the code is there when the stream ends', async () => {
  const id = await create({ Cmd: ['sleep', '60'] });
  await act(id, 'start');
  const wish = { Cmd: ['sh', '-c', 'cat; exit 5'], AttachStdin: true, AttachStdout: true };
  const made = await call(engine.socket, 'POST', `/containers/${id}/exec`, wish);
  const { Id } = JSON.parse(made.body) as { Id: string };
  const stream = await hijack(engine.socket, `/exec/${Id}/start`, { Detach: false, Tty: false });
  stream.socket.end('hello');
  assert.equal((await readAll(stream)).stdout, 'hello');
  const told = JSON.parse((await call(engine.socket, 'GET', `/exec/${Id}/json`)).body);
  assert.deepEqual([told.ExitCode, told.Running], [5, false]);
  await remove(id);
});

test('logs follow to the end of the container, and tail counts from the end', async () => {
  const script = 'for i in $(seq 50); do echo line $i; sleep 0.01; done';
  const id = await create({ Cmd: ['sh', '-c', script] });
  await act(id, 'start');
  const followed = await logs(id, 'follow=1');
  assert.equal(followed.split('\n').length, 51);
  assert.equal(await logs(id, 'tail=2'), 'line 49\nline 50\n');
  assert.match(await logs(id, 'tail=1&timestamps=1'), /^\d{4}-.*\.\d{9}Z line 50\n$/);
  await remove(id);
});

test('a follower sees every line once while the log is rotated under it', async () => {
  const options = { 'max-size': '20k', 'max-file': '100' };
  const id = await create({
    Cmd: ['sh', '-c', 'for i in $(seq 3000); do echo line number $i; done'],
    HostConfig: { LogConfig: { Type: 'json-file', Config: options } },
  });
  await act(id, 'start');
  const lines = (await logs(id, 'follow=1')).trimEnd().split('\n');
  assert.deepEqual(
    lines,
    Array.from({ length: 3000 }, (_, i) => `line number ${i + 1}`),
  );
  assert.ok(readdirSync(join(engine.directory, 'data/containers', id)).length > 5);
  await remove(id);
});

test('on-failure starts again as often as asked, with a growing delay', async () => {
  const policy = { Name: 'on-failure', MaximumRetryCount: 2 };
  const id = await create({ Cmd: ['false'], HostConfig: { RestartPolicy: policy } });
  await act(id, 'start');
  await call(engine.socket, 'POST', `/containers/${id}/wait`);
  const { State, RestartCount } = await inspect(id);
  assert.deepEqual([State['Status'], State['ExitCode'], RestartCount], ['exited', 1, 2]);
  await remove(id);
});

test('a container of --rm that is restarted has what it wrote, and goes when it ends', async () => {
  // Its root is mounted as volatile, which the kernel allows once only.
  const id = await create({
    Cmd: ['sh', '-c', 'echo x >>/count; cat /count; exec sleep 1000'],
    HostConfig: { AutoRemove: true },
  });
  await act(id, 'start');
  while ((await logs(id, '')) !== 'x\n') await sleep(5);
  await act(id, 'restart?t=0');
  while ((await logs(id, '')) !== 'x\nx\nx\n') await sleep(5);
  const removed = call(engine.socket, 'POST', `/containers/${id}/wait?condition=removed`);
  await act(id, 'kill');
  assert.equal((JSON.parse((await removed).body) as { StatusCode: number }).StatusCode, 137);
});

test('names are unique, and a volume without a name goes with its container', async () => {
  const id = await create({ Cmd: ['true'], Volumes: { '/data': {} } }, 'twice');
  const again = await call(engine.socket, 'POST', '/containers/create?name=twice', {
    Image: 'busybox',
  });
  assert.equal(again.status, 409);
  assert.match(again.body, /name \\"\/twice\\" is already in use by container/);
  assert.equal(readdirSync(join(engine.directory, 'data/volumes')).length, 1);
  await remove(id);
  await eventuallyEmpty(join(engine.directory, 'data/volumes'));
  assert.equal(existsSync(join(engine.directory, 'data/containers', id)), false);
});

test('fifty at once all run and leave nothing', async () => {
  const runs = Array.from({ length: 50 }, (_, i) =>
    run({ Cmd: ['echo', String(i)], HostConfig: { AutoRemove: true } }),
  );
  const outputs = await Promise.all(runs);
  assert.deepEqual(
    outputs.map(({ stdout }) => stdout),
    outputs.map((_, i) => `${i}\n`),
  );
  for (const place of ['data/containers', 'data/tops', 'run/c']) {
    await eventuallyEmpty(join(engine.directory, place));
  }
});
