import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Encoder, encodeFrame, FRAME } from './encode.ts';
import { connectMonitor } from './monitor.ts';
import type { ExecPlan } from './op.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const PLAN: ExecPlan = { stdio: { tty: false, stdin: 'none' }, join: [], init: [] };
const STREAMS = { stdin: false, stdout: true, stderr: true };

test('who attaches to a monitor that is on its way out is told that nothing runs', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'coracle-monitor-'));
  const server = createServer();
  const sockets: Socket[] = [];
  server.on('connection', (socket) => sockets.push(socket));
  server.listen(join(directory, 'monitor.sock'));
  await once(server, 'listening');
  await using monitor = await connectMonitor(directory);
  server.on('connection', (socket) => socket.destroy());
  await assert.rejects(monitor.attach('', STREAMS), {
    message: 'the monitor of the container went away',
  });
  await writeFile(join(directory, 'exit'), 'exit_code=0\nfinished_at=1\n');
  const gone = { code: 'conflict', message: 'no such process is running' };
  await assert.rejects(monitor.attach('', STREAMS), gone);
  server.close(); // and so is its socket
  await assert.rejects(monitor.attach('', STREAMS), gone);
  for (const socket of sockets) socket.destroy();
  await rm(directory, { recursive: true });
});

test('who attaches to a monitor that ends without an answer is told so, however it closes', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'coracle-monitor-'));
  const server = createServer({ allowHalfOpen: true });
  const sockets: Socket[] = [];
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await rm(directory, { recursive: true });
  });
  server.on('connection', (socket) => sockets.push(socket));
  server.listen(join(directory, 'monitor.sock'));
  await once(server, 'listening');
  await using monitor = await connectMonitor(directory);
  // It has read all, so there is no reset: only an end of file.
  server.on('connection', (socket) => socket.once('data', () => socket.end()));
  const late = sleep(2_000, 'hangs', { ref: false });
  await assert.rejects(Promise.race([monitor.attach('', STREAMS), late]), {
    message: 'the monitor of the container went away',
  });
});

const EXECS = 2_000;
/** Of each exec, a quarter of what a promise with who waits for it takes. */
const KEPT_BYTES_MAX = 150;

// A health check makes one every few seconds, for months.
test('of an exec that has ended nothing is kept while its container runs', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'coracle-monitor-'));
  const server = createServer();
  let control: Socket | undefined;
  t.after(async () => {
    control?.destroy();
    server.close();
    await rm(directory, { recursive: true });
  });
  server.listen(join(directory, 'monitor.sock'));
  await once(server, 'listening');
  server.on('connection', (socket) => {
    control ??= socket;
    const started = encodeFrame(FRAME.STARTED, 1, new Encoder().u32(7).u32(0).finish());
    if (socket !== control) socket.once('data', () => socket.end(started));
  });
  await using monitor = await connectMonitor(directory);
  const heapAfter = async (execs: number): Promise<number> => {
    for (let count = 0; count < execs; count += 1) {
      const { exit, stream } = await monitor.exec('e', PLAN, STREAMS);
      stream.destroy();
      const ended = new Encoder().string('e').u32(3).u32(0).u64(1n).finish();
      control?.write(encodeFrame(FRAME.EXEC_EXITED, 0, ended));
      assert.equal((await exit).exitCode, 3);
    }
    await sleep(0); // what the last job refers to
    collectGarbage();
    return process.memoryUsage().heapUsed;
  };
  const before = await heapAfter(EXECS);
  const kept = (await heapAfter(EXECS)) - before;
  assert.ok(kept < EXECS * KEPT_BYTES_MAX, `${kept} bytes of ${EXECS} execs`);
});
