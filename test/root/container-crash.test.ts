// The daemon is killed with SIGKILL at any moment; the next one must find everything as it was told
// to clients, and nothing that nobody knows. Needs root and `make build`.
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  makeEngineDirectory,
  type PrivateEngine,
  removeEngineDirectory,
  startEngine,
} from '../../tools/private-engine.ts';
import { cgroupsOf } from '../../tools/scratch.ts';
import { call, demux, eventuallyEmpty, hijack, readAll } from './engine-call.ts';
import { processesOf } from './account.ts';

const END_MS_MAX = 5_000;
const directory = makeEngineDirectory();
let latest: PrivateEngine | undefined;

async function startHere(): Promise<PrivateEngine> {
  latest = await startEngine({ directory });
  return latest;
}

after(async () => {
  // After a failure too: an engine of its own takes away what is still there.
  await latest?.kill('SIGKILL');
  const engine = await startHere();
  await removeAll(engine);
  await engine.kill('SIGTERM');
  removeEngineDirectory(directory);
});

async function create(engine: PrivateEngine, body: object): Promise<string> {
  const made = await call(engine.socket, 'POST', '/containers/create', {
    Image: 'busybox',
    ...body,
  });
  assert.equal(made.status, 201, made.body);
  return (JSON.parse(made.body) as { Id: string }).Id;
}

async function stateOf(engine: PrivateEngine, id: string): Promise<Record<string, unknown>> {
  const { body } = await call(engine.socket, 'GET', `/containers/${id}/json`);
  return (JSON.parse(body) as { State: Record<string, unknown> }).State;
}

async function removeAll(engine: PrivateEngine): Promise<void> {
  const { body } = await call(engine.socket, 'GET', '/containers/json?all=1');
  for (const { Id } of JSON.parse(body) as { Id: string }[]) {
    const gone = await call(engine.socket, 'DELETE', `/containers/${Id}?force=1&v=1`);
    assert.ok(gone.status === 204 || gone.status === 404, gone.body);
  }
}

/** Nothing is left but the engine itself. */
async function checkEmpty(): Promise<void> {
  for (const place of ['data/containers', 'data/tops', 'run/c']) {
    await eventuallyEmpty(join(directory, place));
  }
  const leaves = cgroupsOf(directory).filter((path) => /\/[0-9a-f]{64}/.test(path));
  assert.deepEqual(leaves, []);
}

test('a container goes on without its daemon: output, exec, attach, exit code and time', async () => {
  let engine = await startHere();
  const script = 'i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo $i; sleep 0.01; done; exit 9';
  const id = await create(engine, { Cmd: ['sh', '-c', script] });
  const long = await create(engine, { Cmd: ['cat'], OpenStdin: true, Tty: true });
  await call(engine.socket, 'POST', `/containers/${id}/start`);
  await call(engine.socket, 'POST', `/containers/${long}/start`);
  const before = await stateOf(engine, long);
  const pid = Number((await stateOf(engine, id))['Pid']);
  await engine.kill('SIGKILL');
  engine = await startHere();
  assert.equal((await stateOf(engine, long))['Pid'], before['Pid']);
  const made = await call(engine.socket, 'POST', `/containers/${long}/exec`, {
    Cmd: ['echo', 'alive'],
    AttachStdout: true,
  });
  const { Id } = JSON.parse(made.body) as { Id: string };
  const output = await hijack(engine.socket, `/exec/${Id}/start`, { Detach: false, Tty: false });
  assert.equal((await readAll(output)).stdout, 'alive\n');
  const attached = await hijack(
    engine.socket,
    `/containers/${long}/attach?stream=1&stdin=1&stdout=1`,
  );
  attached.socket.resume();
  attached.socket.write('typed\n');
  let echo = attached.early.toString();
  while (!echo.includes('typed\r\ntyped\r\n')) {
    const [chunk] = await new Promise<[Buffer]>((resolve) =>
      attached.socket.once('data', (part: Buffer) => resolve([part])),
    );
    echo += chunk.toString();
  }
  attached.socket.destroy();
  // The next one is killed too, and the container ends while there is none.
  await engine.kill('SIGKILL');
  while (existsSync(`/proc/${pid}`)) await sleep(20);
  await sleep(600);
  engine = await startHere();
  const state = await stateOf(engine, id);
  assert.deepEqual([state['Status'], state['ExitCode']], ['exited', 9]);
  assert.ok(Date.parse(String(state['FinishedAt'])) < Date.now() - 500);
  const bytes = await new Promise<Buffer>((resolve) => {
    get({ socketPath: engine.socket, path: `/containers/${id}/logs?stdout=1` }, (reply) => {
      const parts: Buffer[] = [];
      reply.on('data', (part: Buffer) => parts.push(part));
      reply.on('end', () => resolve(Buffer.concat(parts)));
    });
  });
  assert.equal(demux(bytes).stdout.trimEnd().split('\n').length, 100);
  await removeAll(engine);
  await checkEmpty();
  await engine.kill('SIGTERM');
});

test('what made a container is told with its times by every later daemon, until it is removed', async () => {
  let engine = await startHere();
  const id = await create(engine, { Cmd: ['true'] });
  await call(engine.socket, 'POST', `/containers/${id}/start`);
  await call(engine.socket, 'POST', `/containers/${id}/wait`);
  const explain = async (): Promise<string> =>
    (await call(engine.socket, 'GET', `/coracle/containers/${id}/explain`)).body;
  const told = await explain();
  const total = (JSON.parse(told) as { TotalNanoseconds: number | null }).TotalNanoseconds;
  assert.ok((total ?? 0) > 0, told);
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    await engine.kill(signal);
    engine = await startHere();
    assert.equal(await explain(), told);
  }
  await removeAll(engine);
  await checkEmpty();
  await engine.kill('SIGTERM');
});

test('what was paused for a commit when the daemon was killed goes on, what somebody paused does not', async () => {
  let engine = await startHere();
  const fill = 'head -c 96m /dev/urandom > /big; mkfifo /ready; exec sleep 1000';
  const busy = await create(engine, { Cmd: ['sh', '-c', fill] });
  const still = await create(engine, { Cmd: ['sleep', '1000'] });
  for (const id of [busy, still]) await call(engine.socket, 'POST', `/containers/${id}/start`);
  await call(engine.socket, 'POST', `/containers/${still}/pause`);
  const top = join(directory, 'data/tops', busy);
  while (!readdirSync(top, { recursive: true }).some((name) => String(name).endsWith('/ready'))) {
    await sleep(20);
  }
  const before = (await stateOf(engine, busy))['Pid'];
  const committed = call(engine.socket, 'POST', `/commit?container=${busy}`).catch(() => 'cut');
  while ((await stateOf(engine, busy))['Status'] !== 'paused') await sleep(1);
  await engine.kill('SIGKILL');
  assert.equal(await committed, 'cut');
  engine = await startHere();
  assert.equal((await stateOf(engine, busy))['Status'], 'running');
  assert.equal((await stateOf(engine, still))['Status'], 'paused');
  const pid = Number((await stateOf(engine, busy))['Pid']);
  const made = await call(engine.socket, 'POST', `/containers/${busy}/exec`, {
    Cmd: ['echo', 'thawed'],
    AttachStdout: true,
  });
  const { Id } = JSON.parse(made.body) as { Id: string };
  const output = await hijack(engine.socket, `/exec/${Id}/start`, { Detach: false, Tty: false });
  assert.equal((await readAll(output)).stdout, 'thawed\n');
  assert.equal(pid, before);
  assert.equal((await call(engine.socket, 'POST', `/containers/${still}/unpause`)).status, 204);
  await removeAll(engine);
  await checkEmpty();
  await engine.kill('SIGTERM');
});

const ROUNDS = Number(process.env['CORACLE_CRASH_ROUNDS'] ?? 12);

test(`killed ${ROUNDS} times in the middle of create, start, stop and remove, nothing is wedged`, async () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const engine = await startHere();
    const work = Promise.allSettled(
      Array.from({ length: 4 }, (_, worker) => churn(engine, worker)),
    );
    await sleep(30 + Math.random() * 400);
    await engine.kill('SIGKILL');
    await work;
    const next = await startHere();
    assert.ok(next.startMs < 10_000, `the start took ${next.startMs} ms`);
    await removeAll(next);
    await checkEmpty();
    await next.kill('SIGTERM');
    await eventuallyNoProcess();
    assert.equal(existsSync(next.socket), false);
  }
});

/** Monitors that nobody got end by themselves, when the connection of their daemon does. */
async function eventuallyNoProcess(): Promise<void> {
  const deadline = performance.now() + END_MS_MAX;
  while (processesOf({ directory }).length > 0 && performance.now() < deadline) await sleep(5);
  assert.deepEqual(processesOf({ directory }), []);
}

/** Uses containers until the daemon is gone. */
async function churn(engine: PrivateEngine, worker: number): Promise<void> {
  for (;;) {
    const autoRemove = worker % 2 === 0;
    const id = await create(engine, {
      Cmd: worker < 2 ? ['true'] : ['sleep', '1000'],
      Volumes: { '/v': {} },
      HostConfig: { AutoRemove: autoRemove },
    });
    await call(engine.socket, 'POST', `/containers/${id}/start`);
    await call(engine.socket, 'POST', `/containers/${id}/stop?t=0`);
    await call(engine.socket, 'DELETE', `/containers/${id}?force=1&v=1`);
  }
}
