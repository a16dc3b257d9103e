import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connectMonitor } from './monitor.ts';

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
