// What a stranger's tree, archive or container may do to the C program, in its sanitizer build.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { NativeAgent } from '#kernel/native/agent.ts';
import { connectMonitor } from '#kernel/native/monitor.ts';
import { OpError, parseExitFile } from '#kernel/native/encode.ts';
import { type ExecPlan, FAULT, type Op } from '#kernel/native/op.ts';
import { NativeVisit } from '#kernel/native/visit.ts';
import { NativeTreeWriter } from '#kernel/native/tree.ts';
import { ALL, boxPlan, makeBox, NAMESPACES, NATIVE } from './native-box.ts';

let base = '';

before(() => {
  base = mkdtempSync(join(tmpdir(), 'coracle-attack-'));
  makeBox(base);
});

after(() => rmSync(base, { recursive: true, force: true }));

const failsWith = (errno: number) => (error: unknown) =>
  error instanceof OpError && error.result.errno === errno;

/** Longer than any path may be, from the bottom up. */
function makeDeep(path: string, levels: number): void {
  const next = `${path}.next`;
  mkdirSync(path);
  for (let level = 0; level < levels; level += 1) {
    mkdirSync(next);
    renameSync(path, join(next, 'directory'));
    renameSync(next, path);
  }
}

test('a descriptor and a directory that the daemon got from who started it go no further', async () => {
  const program = join(base, 'open');
  writeFileSync(program, `#!/bin/sh\nexec 9>${join(base, 'left-open')}\nexec ${NATIVE} "$@"\n`);
  chmodSync(program, 0o755);
  await using agent = new NativeAgent(program);
  await agent.perform([]);
  assert.ok(!readdirSync(`/proc/${agent.pid}/fd`).includes('9'));
  assert.equal(readlinkSync(`/proc/${agent.pid}/cwd`), '/');
});

test('a tree is removed however deep it is, with few descriptors', async () => {
  const program = join(base, 'few');
  writeFileSync(program, `#!/bin/sh\nulimit -n 256\nexec ${NATIVE} "$@"\n`);
  chmodSync(program, 0o755);
  const top = join(base, 'deep');
  makeDeep(top, 2000);
  for (const name of ['.lifted-0', '.lifted-1'])
    mkdirSync(join(top, name, 'taken'), { recursive: true });
  writeFileSync(join(top, '.lifted-2'), '');
  await using agent = new NativeAgent(program);
  await agent.perform([{ op: 'remove_tree', path: top }]);
  assert.ok(!existsSync(top));
});

test('what is mounted in a tree that is removed keeps its files, also of the same file system', async () => {
  const other = join(base, 'mounted');
  const file = join(other, 'file');
  const tree = join(base, 'with-mount');
  const places = [join(tree, 'mount'), join(tree, 'deep/er/mount')];
  mkdirSync(other);
  writeFileSync(file, '');
  await using agent = new NativeAgent(NATIVE);
  for (const place of places) {
    mkdirSync(place, { recursive: true });
    assert.equal(spawnSync('mount', ['--bind', other, place]).status, 0);
    try {
      for (const op of ['remove_tree', 'empty_directory'] as const) {
        await assert.rejects(agent.perform([{ op, path: tree }]), failsWith(18)); // EXDEV
        assert.ok(existsSync(file));
      }
      await assert.rejects(agent.perform([{ op: 'remove_tree', path: place }]), failsWith(18));
    } finally {
      spawnSync('umount', [place]);
    }
  }
  await agent.perform([{ op: 'remove_tree', path: tree }]);
  assert.ok(existsSync(file) && !existsSync(tree));
});

test('what is mounted in a tree that is handed to another owner keeps its own', async () => {
  const [tree, other] = [join(base, 'given'), join(base, 'kept')];
  mkdirSync(join(tree, 'sub'), { recursive: true });
  mkdirSync(other);
  writeFileSync(join(tree, 'file'), '');
  writeFileSync(join(other, 'file'), '');
  const bind = (source: string, target: string): Op => {
    return { op: 'bind', source, target, flags: 0, attr_set: 0, attr_clear: 0, propagation: 0 };
  };
  await using agent = new NativeAgent(NATIVE);
  await agent.monitor(join(base, 'run'));
  await using monitor = await connectMonitor(join(base, 'run'));
  const init: readonly Op[] = [
    bind(tree, '/data'),
    bind(other, '/data/sub'),
    { op: 'lookup_user', user: 'bob', groups: [] },
    { op: 'chown_tree', path: '/data' },
  ];
  await monitor.launch(boxPlan(base, { argv: ['sh', '-c', ':'], init }));
  await monitor.go();
  await monitor.exited;
  const owner = (...path: string[]): number => statSync(join(...path)).uid;
  assert.deepEqual([owner(tree), owner(tree, 'file')], [1000, 1000]);
  assert.deepEqual([owner(other), owner(other, 'file')], [0, 0]);
});

test('a directory called like a mark is content, and leads to nothing outside', async () => {
  const [from, to, other] = ['stage', 'tree', 'other'].map((name) => join(base, 'layer', name)) as [
    string,
    string,
    string,
  ];
  mkdirSync(join(from, '.wh...'), { recursive: true });
  mkdirSync(join(from, '.wh.kept'));
  mkdirSync(join(to, 'kept'), { recursive: true });
  writeFileSync(join(from, '.wh.../file'), 'x');
  writeFileSync(other, 'x');
  await using agent = new NativeAgent(NATIVE);
  await agent.perform([{ op: 'layer_merge', from, to }]);
  assert.ok(existsSync(other));
  assert.ok(existsSync(join(to, 'kept')));
  assert.equal(readFileSync(join(to, '.wh.../file'), 'utf8'), 'x');
});

/** Children of a process, with their state (proc_pid_stat(5)). */
function children(parent: number): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const [state = '', ppid] = (
        readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1] ?? ''
      ).split(' ');
      if (Number(ppid) === parent) found.set(Number(pid), state);
    } catch {
      // it has ended
    }
  }
  return found;
}

async function until(what: () => boolean): Promise<void> {
  for (const end = performance.now() + 5000; !what(); await sleep(5)) {
    assert.ok(performance.now() < end, 'it took too long');
  }
}

/** A running box, and an exec in it whose helper waits at a gate until somebody reads there. */
async function withGate(agent: NativeAgent) {
  const pid = await agent.monitor(join(base, 'run'));
  const monitor = await connectMonitor(join(base, 'run'));
  const { pid: init } = await monitor.launch(boxPlan(base, { argv: ['sleep', '100'] }));
  await monitor.go();
  const gate = mkdtempSync(join(base, 'gate-'));
  const tasks = join(gate, 'tasks');
  spawnSync('mkfifo', [tasks]);
  const plan: ExecPlan = {
    stdio: { tty: false, stdin: 'none' },
    join: [
      { op: 'cgroup_join', path: gate },
      { op: 'join_init', flags: NAMESPACES },
    ],
    init: [{ op: 'ready' }, { op: 'exec', argv: ['sleep', '100'], env: ['PATH=/bin'], reaper: 0 }],
  };
  const exec = monitor.exec('gated', plan, ALL);
  exec.catch(() => {});
  await until(() => children(pid).size === 2);
  const helper = [...children(pid).keys()].find((each) => each !== init) ?? 0;
  const open = () => openSync(tasks, constants.O_RDONLY | constants.O_NONBLOCK);
  return { pid, monitor, init, exec, helper, open };
}

test('an exec whose process is killed before the monitor knows it fails, and the end is told', async () => {
  await using agent = new NativeAgent(NATIVE);
  const { pid, monitor, init, exec, helper, open } = await withGate(agent);
  await using _ = monitor;
  process.kill(pid, 'SIGSTOP');
  const reader = open();
  await until(() => children(pid).size === 3 && children(pid).get(helper) === 'Z');
  closeSync(reader);
  const made = [...children(pid).keys()].find((each) => each !== init && each !== helper) ?? 0;
  process.kill(made, 'SIGKILL');
  await until(() => children(pid).get(made) === 'Z');
  process.kill(pid, 'SIGCONT');
  await assert.rejects(exec, /killed while it was being set up/);
  await monitor.signal('', 9);
  const exit = await Promise.race([monitor.exited, sleep(5000)]);
  assert.equal(exit?.exitCode, 137);
});

test('an exec that does not get into the container does not keep that from ending', async () => {
  await using agent = new NativeAgent(NATIVE);
  const { monitor, exec, open } = await withGate(agent);
  await using _ = monitor;
  await monitor.signal('', 9);
  const exit = await Promise.race([monitor.exited, sleep(5000)]);
  assert.equal(exit?.exitCode, 137);
  await assert.rejects(exec, /killed while it was being set up/);
  closeSync(open());
});

test('a monitor that has no descriptor for who connects waits without a word, and serves later', async () => {
  await using agent = new NativeAgent(NATIVE);
  const pid = await agent.monitor(join(base, 'run'));
  await using monitor = await connectMonitor(join(base, 'run'));
  await monitor.launch(boxPlan(base, { argv: ['sleep', '100'] }));
  await monitor.go();
  const limit = (files: number) => spawnSync('prlimit', [`--pid=${pid}`, `--nofile=${files}:4096`]);
  const ticks = (): number => {
    const [user, system] = (readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1] ?? '')
      .split(' ')
      .slice(11, 13);
    return Number(user) + Number(system);
  };
  limit(3); // poll(2) itself is refused
  await sleep(50);
  const used = new Set(readdirSync(`/proc/${pid}/fd`));
  let free = 0;
  while (used.has(String(free))) free += 1;
  limit(free);
  const attached = monitor.attach('', ALL);
  const before = ticks();
  await sleep(300);
  assert.ok(ticks() - before < 5, `${ticks() - before} ticks`);
  limit(4096);
  (await attached).destroy();
  await monitor.signal('', 9);
  await monitor.exited;
});

test('clients that left input which nobody reads do not keep others out', async () => {
  await using agent = new NativeAgent(NATIVE);
  await agent.monitor(join(base, 'run'));
  await using monitor = await connectMonitor(join(base, 'run'));
  await monitor.launch(boxPlan(base, { argv: ['sleep', '100'] }));
  await monitor.go();
  for (let n = 0; n < 520; n += 1) {
    const stream = await monitor.attach('', { stdin: true, stdout: false, stderr: false });
    stream.end(Buffer.alloc(n < 2 ? 100_000 : 10));
    stream.on('error', () => {}).resume();
    await new Promise((resolve) => stream.on('finish', resolve));
    stream.destroy();
  }
  (await monitor.attach('', ALL)).destroy();
  await monitor.signal('', 9);
  await monitor.exited;
});

test('a file with attributes without end is an error of its own, and takes no memory', async () => {
  const disk = join(base, 'attributes');
  mkdirSync(disk);
  assert.equal(spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', disk]).status, 0);
  try {
    const meta = { mode: 0o644, uid: 0, gid: 0, mtime: 0n };
    {
      await using writer = new NativeTreeWriter({ nativePath: NATIVE, root: disk, durable: false });
      await writer.file('bomb', meta, 0);
      const value = Buffer.alloc(60_000);
      for (let n = 0; n < 150; n += 1) await writer.xattr('bomb', `user.${n}`, value);
      await writer.finish();
    }
    await using look = await NativeVisit.open(NATIVE, [
      { op: 'tree_layer', path: disk, lower: [], joined: 0 },
      { op: 'tree_settle' },
    ]);
    const wish = { directory: '/', name: '', data: false };
    await assert.rejects(
      Array.fromAsync(look.walk(wish)),
      (error) => error instanceof OpError && error.result.errno === FAULT.TOO_MANY,
    );
  } finally {
    spawnSync('umount', ['-l', disk]);
  }
});

test('an exit status waits in the monitor while there is no room for its file', async () => {
  await using agent = new NativeAgent(NATIVE);
  const run = join(base, 'full');
  mkdirSync(run);
  assert.equal(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8k', 'tmpfs', run]).status, 0);
  try {
    const pid = await agent.monitor(run);
    const monitor = await connectMonitor(run);
    const { pid: init } = await monitor.launch(boxPlan(base, { argv: ['sleep', '100'] }));
    await monitor.go();
    await monitor[Symbol.asyncDispose]();
    writeFileSync(join(run, 'ballast'), Buffer.alloc(8192));
    process.kill(init, 'SIGKILL');
    await until(() => existsSync(join(run, 'exit.new')));
    assert.ok(children(agent.pid).has(pid));
    rmSync(join(run, 'ballast'));
    await until(() => existsSync(join(run, 'exit')));
    assert.equal(parseExitFile(readFileSync(join(run, 'exit'), 'utf8'))?.exitCode, 137);
    await until(() => !children(agent.pid).has(pid));
  } finally {
    spawnSync('umount', ['-l', run]);
  }
});

/** Puts a link out of the directory in the place of `leaf` and takes it away, as fast as it can. */
const EXCHANGER = `
  const { renameSync, symlinkSync, unlinkSync } = require('node:fs');
  const { workerData: place } = require('node:worker_threads');
  const steps = [
    () => renameSync(place + '/leaf', place + '/aside'),
    () => symlinkSync('../victim', place + '/leaf'),
    () => unlinkSync(place + '/leaf'),
    () => renameSync(place + '/aside', place + '/leaf'),
  ];
  for (;;) for (const step of steps) try { step(); } catch {}
`;

test('a link that takes the place of a directory while that is copied leads to no other file', async () => {
  const root = join(base, 'exchanged');
  mkdirSync(join(root, 'open'), { recursive: true });
  const victim = join(root, 'victim');
  writeFileSync(victim, '', { mode: 0o600 });
  const worker = new Worker(EXCHANGER, { eval: true, workerData: join(root, 'open') });
  const meta = { mode: 0o777, uid: 0, gid: 0, mtime: 0n };
  try {
    for (const end = performance.now() + 1000; performance.now() < end; ) {
      await using writer = new NativeTreeWriter({ nativePath: NATIVE, root, durable: false });
      for (let n = 0; n < 200; n += 1) await writer.dir('open/leaf', meta);
      await writer.finish().catch(() => {}); // it met the link
    }
  } finally {
    await worker.terminate();
  }
  assert.equal(statSync(victim).mode & 0o777, 0o600);
});
