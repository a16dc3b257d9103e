// The log that a monitor writes: in little memory, on a disk that is full for a while, to a
// receiver that hardly reads, and beside a client that does not.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { NativeAgent } from '#kernel/native/agent.ts';
import { connectMonitor, type NativeMonitor } from '#kernel/native/monitor.ts';
import { ALL, boxPlan, makeBox, NATIVE, type Wish } from './native-box.ts';

let base = '';
let agent: NativeAgent;

before(() => {
  base = mkdtempSync(join(tmpdir(), 'coracle-native-log-'));
  makeBox(base);
  agent = new NativeAgent(NATIVE);
});

after(async () => {
  await agent[Symbol.asyncDispose]();
  rmSync(base, { recursive: true, force: true });
});

/** One that answers each line of its input with what `script` makes of it ($l). */
async function talk(monitor: NativeMonitor, script: string, log: Wish['log'] = {}) {
  const argv = ['sh', '-c', `while read -r l; do ${script}; echo "done $l" >&2; done`];
  await monitor.launch(boxPlan(base, { argv, log }));
  const stream = await monitor.attach('', ALL);
  await monitor.go();
  let seen = '';
  stream.on('data', (part: Buffer) => {
    seen += part.toString('latin1');
  });
  return {
    end: () => stream.end(),
    say: async (line: string): Promise<void> => {
      stream.write(`${line}\n`);
      while (!seen.includes(`done ${line}\n`)) await sleep(5);
    },
  };
}

async function withSmallDisk(options: string, use: (disk: string) => Promise<void>): Promise<void> {
  const disk = join(base, 'disk');
  mkdirSync(disk, { recursive: true });
  assert.equal(spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', disk]).status, 0);
  try {
    await use(disk);
  } finally {
    spawnSync('umount', ['-l', disk]);
  }
}

function logged(path: string): string {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  return lines.map((line) => (JSON.parse(line) as { log: string }).log).join('');
}

test('a read that is all newlines takes little memory, whatever each record carries', async () => {
  await using by = new NativeAgent(NATIVE.replace(/-asan$/, ''));
  const pid = await by.monitor(join(base, 'run'));
  await using monitor = await connectMonitor(join(base, 'run'));
  writeFileSync(join(base, 'lower/lines'), '\n'.repeat(60_000));
  const attributes = JSON.stringify({ label: 'x'.repeat(1000) });
  const { say, end } = await talk(monitor, 'busybox dd if=/lines bs=60000', {
    attributes,
  });
  await say('go');
  const peak = Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  assert.ok(peak < 4096, `${peak} kB`);
  end();
  await monitor.exited;
});

test('a disk that was full leaves whole records, and the next ones follow', async () => {
  await withSmallDisk('size=32k', async (disk) => {
    const path = join(disk, 'log');
    writeFileSync(join(disk, 'ballast'), Buffer.alloc(12_288));
    await agent.monitor(join(base, 'run'));
    await using monitor = await connectMonitor(join(base, 'run'));
    const { say, end } = await talk(monitor, 'seq $l', { path });
    await say('1000');
    rmSync(join(disk, 'ballast'));
    await say('5');
    end();
    await monitor.exited;
    assert.match(logged(path), /^1\n2\n[\s\S]*\n4\n5\ndone 5\n$/);
  });
});

test('a log that could not be opened after a rotation is opened when it can', async () => {
  await withSmallDisk('nr_inodes=3', async (disk) => {
    const path = join(disk, 'log');
    writeFileSync(join(disk, 'ballast'), '');
    await agent.monitor(join(base, 'run'));
    await using monitor = await connectMonitor(join(base, 'run'));
    const log = { path, maxBytes: 1000, maxFiles: 2 };
    const { say, end } = await talk(monitor, 'busybox seq 20', log);
    await say('full');
    assert.throws(() => statSync(path), /ENOENT/);
    rmSync(join(disk, 'ballast'));
    await say('room');
    end();
    await monitor.exited;
    assert.match(logged(path), /done room\n$/);
  });
});

test('a receiver of lines that reads a little now and then does not hold up the end', async () => {
  const address = join(base, 'slow.sock');
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.on('data', () => {
      socket.pause();
      setTimeout(() => socket.resume(), 700);
    });
  });
  await new Promise<void>((resolve) => server.listen(address, resolve));
  try {
    await agent.monitor(join(base, 'run'));
    await using monitor = await connectMonitor(join(base, 'run'));
    const head = { stdout: '', stderr: '' };
    const forward = { transport: 'unix', address, port: 0, time: 'none', head, tail: '' } as const;
    const { say, end } = await talk(monitor, 'busybox seq 200000', { path: '', forward });
    await say('go');
    const begin = performance.now();
    end();
    await monitor.exited;
    assert.ok(performance.now() - begin < 4000, `${performance.now() - begin} ms`);
  } finally {
    server.close();
    for (const socket of sockets) socket.destroy();
  }
});

test('what is in the pipe at the end is logged, though an attached client does not read', async () => {
  await agent.monitor(join(base, 'run'));
  await using monitor = await connectMonitor(join(base, 'run'));
  const path = join(base, 'stalled');
  const count = join(base, 'lower/count');
  writeFileSync(count, '');
  const pad = '-'.repeat(1000);
  const script = `i=0; while :; do i=$((i+1)); echo line $i ${pad}; echo $i > /count; done`;
  await monitor.launch(boxPlan(base, { argv: ['sh', '-c', script], log: { path } }));
  const stream = await monitor.attach('', ALL);
  using _ = { [Symbol.dispose]: () => stream.destroy() };
  stream.pause();
  await monitor.go();
  let [last, same] = [0, 0];
  while (same < 20) {
    const now = Number(readFileSync(count, 'utf8'));
    same = now > 0 && now === last ? same + 1 : 0;
    last = now;
    await sleep(10);
  }
  await monitor.signal('', 9);
  await monitor.exited;
  assert.match(logged(path), new RegExp(`line ${last} -+\n`));
});
