// Requests for one container that cross, and clients that go away in the middle of one. Needs root
// and `make build`.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isEnding } from '#runtime/freeze.ts';
import { type PrivateEngine, startEngine } from '../../tools/private-engine.ts';
import { type Answer, call, hijack } from './engine-call.ts';

const WAIT_MS_MAX = 10_000;
let engine: PrivateEngine;
before(async () => {
  engine = await startEngine();
});
after(() => engine[Symbol.asyncDispose]());

/** More than the pipe and the sockets on its way hold. */
const LONG_OUTPUT = 'yes | head -c 2000000';

async function create(body: Readonly<Record<string, unknown>>): Promise<string> {
  const host = { NetworkMode: 'none', ...(body['HostConfig'] as object | undefined) };
  const wish = { Image: 'busybox', ...body, HostConfig: host };
  const answer = await call(engine.socket, 'POST', '/containers/create', wish);
  assert.equal(answer.status, 201, answer.body);
  return (JSON.parse(answer.body) as { Id: string }).Id;
}

const post = (id: string, verb: string, json?: unknown): Promise<Answer> =>
  call(engine.socket, 'POST', `/containers/${id}/${verb}`, json);

async function act(id: string, verb: string): Promise<void> {
  const { status, body } = await post(id, verb);
  assert.equal(status, 204, `${verb}: ${body}`);
}

async function inspect(id: string) {
  const { body } = await call(engine.socket, 'GET', `/containers/${id}/json`);
  return JSON.parse(body) as {
    State: { Status: string; FinishedAt: string; Pid: number };
    LogPath: string;
    RestartCount: number;
  };
}

const remove = (id: string): Promise<Answer> =>
  call(engine.socket, 'DELETE', `/containers/${id}?force=1&v=1`);

async function logsOf(id: string): Promise<string> {
  return (await call(engine.socket, 'GET', `/containers/${id}/logs?stdout=1`)).body;
}

async function until(what: string, met: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + WAIT_MS_MAX; !(await met()); await sleep(20)) {
    assert.ok(Date.now() < end, `${what}: not within ${WAIT_MS_MAX} ms\n${engine.log()}`);
  }
}

const soon = <T>(what: string, promise: Promise<T>): Promise<T> =>
  Promise.race([
    promise,
    sleep(WAIT_MS_MAX, undefined, { ref: false }).then(() => assert.fail(`${what} hangs`)),
  ]);

/** Actions of the container's events so far. */
async function eventsOf(id: string): Promise<readonly string[]> {
  const filters = encodeURIComponent(JSON.stringify({ container: [id], type: ['container'] }));
  const until = (Date.now() + 20) / 1000; // events have more digits than this clock
  const path = `/events?since=1&until=${until}&filters=${filters}`;
  const { body } = await call(engine.socket, 'GET', path);
  const lines = body.split('\n').filter(Boolean);
  return lines.map((line) => (JSON.parse(line) as { Action: string }).Action);
}

test('who waits for a container that waits for its restart is told when that is removed', async () => {
  const policy = { RestartPolicy: { Name: 'always' } };
  const id = await create({ Cmd: ['sh', '-c', 'exit 3'], HostConfig: policy });
  await act(id, 'start');
  await until('a long pause', async () => {
    const { State, RestartCount } = await inspect(id);
    return RestartCount >= 3 && State.Status === 'restarting';
  });
  const waiting = post(id, 'wait');
  await inspect(id); // the wait has come before this answer
  assert.equal((await remove(id)).status, 204);
  assert.deepEqual(JSON.parse((await soon('wait', waiting)).body), { StatusCode: 3 });
});

test('a signal that means the end lets a paused container go on, and it says so', async () => {
  const script = 'trap "echo heard" TERM; echo ready; while :; do sleep 0.05; done';
  const id = await create({ Cmd: ['sh', '-c', script] });
  await act(id, 'start');
  await until('the trap', async () => (await logsOf(id)).includes('ready'));
  await act(id, 'pause');
  await act(id, 'kill?signal=TERM');
  await until('the signal', async () => (await logsOf(id)).includes('heard'));
  assert.equal((await inspect(id)).State.Status, 'running');
  const exec = await post(id, 'exec', { Cmd: ['true'] });
  assert.equal(exec.status, 201, exec.body);
  const told = (await eventsOf(id)).filter((action) => !action.startsWith('exec'));
  assert.deepEqual(told, ['create', 'start', 'pause', 'kill', 'unpause']);
  await remove(id);
});

test('only the signal that a container is stopped by ends its restart policy', async () => {
  // As a server that is asked to read its configuration anew, and fails at it.
  const script = 'trap : HUP; trap "exit 4" QUIT; echo ready; read x; exit 3';
  const id = await create({
    Cmd: ['sh', '-c', script],
    OpenStdin: true,
    StopSignal: 'SIGQUIT',
    HostConfig: { RestartPolicy: { Name: 'always' } },
  });
  const ready = (runs: number) => async (): Promise<boolean> =>
    (await logsOf(id)).split('ready').length > runs;
  await act(id, 'start');
  await until('its traps', ready(1));
  await act(id, 'kill?signal=HUP');
  await until('its restart', ready(2));
  const waiting = post(id, 'wait?condition=next-exit');
  await act(id, 'kill?signal=QUIT');
  assert.deepEqual(JSON.parse((await waiting).body), { StatusCode: 4 });
  assert.equal((await inspect(id)).State.Status, 'exited');
  await remove(id);
});

test('a stop that comes while a container is started stops it', async () => {
  const id = await create({ Cmd: ['sleep', '60'] });
  const [started, stopped] = await Promise.all([post(id, 'start'), post(id, 'stop?t=0')]);
  assert.equal(started.status, 204);
  assert.equal(stopped.status, 204);
  assert.equal((await inspect(id)).State.Status, 'exited');
  await remove(id);
});

test('a restart that crosses the removal of its container says that this is gone', async () => {
  for (let round = 0; round < 3; round += 1) {
    const id = await create({ Cmd: ['sleep', '60'] });
    await act(id, 'start');
    const [restarted, removed] = await Promise.all([post(id, 'restart?t=0'), remove(id)]);
    assert.equal(removed.status, 204, removed.body);
    assert.ok([204, 404, 409].includes(restarted.status), restarted.body);
    assert.doesNotMatch(restarted.body, /Cannot restart/);
  }
});

test('an exec whose client goes while it is made runs to its end', async () => {
  const id = await create({ Cmd: ['sleep', '60'] });
  await act(id, 'start');
  const wish = { Cmd: ['sh', '-c', LONG_OUTPUT], AttachStdout: true };
  for (const upgrade of ['', 'Connection: Upgrade\r\nUpgrade: tcp\r\n']) {
    const { Id } = JSON.parse((await post(id, 'exec', wish)).body) as { Id: string };
    const socket = connect(engine.socket);
    const head = `POST /v1.51/exec/${Id}/start HTTP/1.1\r\nHost: engine\r\n${upgrade}`;
    const rest = 'Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}';
    socket.write(`${head}${rest}`, () => socket.destroy());
    await until(`the end of an exec with ${upgrade === '' ? 'no' : 'an'} upgrade`, async () => {
      const { body } = await call(engine.socket, 'GET', `/exec/${Id}/json`);
      return (JSON.parse(body) as { ExitCode: number | null }).ExitCode === 0;
    });
  }
  await remove(id);
});

test('a client that goes while its attach waits for its turn holds no output up', async () => {
  const id = await create({ Cmd: ['sh', '-c', LONG_OUTPUT], AttachStdout: true });
  // As long as a tar comes in, nothing else is done with a container that does not run.
  const copy = request({
    socketPath: engine.socket,
    method: 'PUT',
    path: `/containers/${id}/archive?path=/`,
  });
  const copied = new Promise((resolve) => copy.once('response', resolve));
  copy.write(Buffer.alloc(512));
  await sleep(100);
  const socket = connect(engine.socket);
  const path = `/containers/${id}/attach?stream=1&stdout=1`;
  socket.write(`POST ${path} HTTP/1.1\r\nHost: engine\r\n\r\n`);
  await sleep(50);
  socket.destroy();
  await sleep(50);
  copy.end(Buffer.alloc(1024));
  await copied;
  await act(id, 'start');
  const ended = await soon('the container', post(id, 'wait'));
  assert.deepEqual(JSON.parse(ended.body), { StatusCode: 0 });
  await remove(id);
});

test('two prunes at once take each container once', async () => {
  const ids = await Promise.all(Array.from({ length: 20 }, () => create({ Cmd: ['true'] })));
  const prunes = [0, 1, 2].map(() => call(engine.socket, 'POST', '/containers/prune'));
  const deleted = (await Promise.all(prunes)).flatMap(({ status, body }) => {
    assert.equal(status, 200, body);
    return (JSON.parse(body) as { ContainersDeleted: string[] | null }).ContainersDeleted ?? [];
  });
  assert.deepEqual(deleted.toSorted(), ids.toSorted());
});

test('the size of a container that makes and removes files can be asked for', async () => {
  const churn = 'mkdir /d; while :; do touch /d/1 /d/2 /d/3; rm /d/*; done';
  const id = await create({ Cmd: ['sh', '-c', `printf 12345 > /five; ${churn}`] });
  await act(id, 'start');
  const sizeRw = async (): Promise<number> => {
    const { status, body } = await call(engine.socket, 'GET', `/containers/${id}/json?size=1`);
    assert.equal(status, 200, body);
    return (JSON.parse(body) as { SizeRw: number }).SizeRw;
  };
  // As dockerd counts: the lengths of files, not the blocks of the disk.
  await until('its size', async () => (await sizeRw()) === 5);
  for (let round = 0; round < 100; round += 1) assert.equal(await sizeRw(), 5);
  await remove(id);
});

test('a program is ended when it cannot be written down that it runs', async (t) => {
  const mark = '61234.5';
  const running = (): boolean =>
    readdirSync('/proc').some((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(mark);
      } catch {
        return false; // no process, or one that has just ended
      }
    });
  // Privileged: nothing is launched ahead of its start.
  const host = { AutoRemove: true, Privileged: true };
  const id = await create({ Cmd: ['sleep', mark], HostConfig: host });
  // As on a full disk; what is there already can be written, nothing can be made.
  const directory = join(engine.directory, 'data/containers', id);
  if (spawnSync('chattr', ['+i', directory]).status !== 0) {
    return t.skip('needs a file system that knows chattr +i');
  }
  t.after(() => spawnSync('chattr', ['-i', directory]));
  const { status, body } = await post(id, 'start');
  assert.equal(status, 500, body);
  assert.equal(running(), false);
  spawnSync('chattr', ['-i', directory]);
  await remove(id);
});

test('on a disk that takes nothing a container still stops and is removed', async (t) => {
  const id = await create({ Cmd: ['sleep', '60'] });
  await act(id, 'start');
  const directory = join(engine.directory, 'data/containers', id);
  if (spawnSync('chattr', ['+i', directory]).status !== 0) {
    return t.skip('needs a file system that knows chattr +i');
  }
  t.after(() => spawnSync('chattr', ['-i', directory]));
  await act(id, 'pause');
  await act(id, 'unpause');
  const waiting = post(id, 'wait');
  await act(id, 'stop?t=0');
  assert.deepEqual(JSON.parse((await soon('wait', waiting)).body), { StatusCode: 137 });
  assert.equal((await inspect(id)).State.Status, 'exited');
  spawnSync('chattr', ['-i', directory]); // its directory can go only so
  assert.equal((await remove(id)).status, 204);
});

test('what runs again tells when it last ended, and what never ran has no files to read', async () => {
  const id = await create({ Cmd: ['sleep', '60'] });
  assert.equal((await inspect(id)).LogPath, '');
  await act(id, 'start');
  assert.match((await inspect(id)).State.FinishedAt, /^0001/);
  await act(id, 'kill');
  const { FinishedAt } = (await inspect(id)).State;
  await act(id, 'start');
  await act(id, 'pause');
  assert.equal((await inspect(id)).State.FinishedAt, FinishedAt);
  assert.notEqual((await inspect(id)).LogPath, '');
  await act(id, 'kill');
  const told = (await eventsOf(id)).slice(-3);
  assert.deepEqual(told, ['pause', 'kill', 'die']);
  await remove(id);
});

test('what is paused in the moment of its end ends', async (t) => {
  // In the PID namespace of the host it has processes that outlive its first one.
  const script = 'sleep 60 & exec sleep 60';
  const id = await create({ Cmd: ['sh', '-c', script], HostConfig: { PidMode: 'host' } });
  await act(id, 'start');
  const { Pid } = (await inspect(id)).State;
  const status = readFileSync(`/proc/${Pid}/status`, 'utf8');
  const monitor = Number(/^PPid:\s*(\d+)$/m.exec(status)?.[1]);
  // Its monitor hears of the end only when the other one would be frozen.
  process.kill(monitor, 'SIGSTOP');
  t.after(() => spawnSync('kill', ['-CONT', String(monitor)])); // it may have ended
  process.kill(Pid, 'SIGKILL');
  await until('its end', async () => isEnding(Pid));
  const paused = await post(id, 'pause');
  process.kill(monitor, 'SIGCONT');
  assert.equal(paused.status, 409, paused.body);
  await soon('wait', post(id, 'wait'));
  assert.equal((await inspect(id)).State.Status, 'exited');
  await remove(id);
});

test('neither a detached exec nor a client that goes leaves a descriptor in the daemon', async () => {
  const id = await create({ Cmd: ['sleep', '60'], OpenStdin: true });
  await act(id, 'start');
  const count = (): number => readdirSync(`/proc/${engine.pid}/fd`).length;
  const before = count();
  const rounds = 20;
  for (let round = 0; round < rounds; round += 1) {
    const { Id } = JSON.parse((await post(id, 'exec', { Cmd: ['true'] })).body) as { Id: string };
    await call(engine.socket, 'POST', `/exec/${Id}/start`, { Detach: true });
    const path = `/containers/${id}/attach?stream=1&stdin=${round % 2}&stdout=1`;
    (await hijack(engine.socket, path)).socket.destroy();
  }
  await until('their end', async () => count() < before + rounds / 2);
  await remove(id);
});

test('what a container has written can be looked at while it is started', async () => {
  const script = 'for i in $(seq 1000); do : > /$i; done';
  const id = await create({ Cmd: ['sh', '-c', script] });
  await act(id, 'start');
  await post(id, 'wait');
  // As with one that its policy starts again and again.
  const look = (): Promise<Answer> => call(engine.socket, 'GET', `/containers/${id}/changes`);
  for (let round = 0; round < 3; round += 1) {
    const looks = [look(), look(), look()];
    await act(id, 'start');
    for (const { status, body } of await Promise.all(looks)) assert.equal(status, 200, body);
    await act(id, 'kill').catch(() => {}); // it has ended
    await post(id, 'wait');
  }
  await remove(id);
});
