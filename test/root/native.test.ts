// The C program by itself, in its sanitizer build: an overflow or undefined shift anywhere in it
// ends the process with a report, which fails the test that met it.
import assert from 'node:assert/strict';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { NativeAgent, NativeProcess } from '#kernel/native/agent.ts';
import {
  Encoder,
  encodeFrame,
  encodeOps,
  FRAME,
  OpError,
  parseExitFile,
} from '#kernel/native/encode.ts';
import { connectMonitor } from '#kernel/native/monitor.ts';
import { FAULT, type ExecPlan, type LaunchPlan, type Op } from '#kernel/native/op.ts';
import { NativeTreeWriter } from '#kernel/native/tree.ts';
import {
  ALL,
  boxPlan,
  collect,
  makeBox,
  NAMESPACES,
  NATIVE,
  payload,
  type Wish,
} from './native-box.ts';

let base = '';
let agent: NativeAgent;

before(() => {
  base = mkdtempSync(join(tmpdir(), 'coracle-native-'));
  makeBox(base);
  agent = new NativeAgent(NATIVE);
});

after(async () => {
  await agent[Symbol.asyncDispose]();
  rmSync(base, { recursive: true, force: true });
});

const plan = (wish: Wish): LaunchPlan => boxPlan(base, wish);

async function runBox(
  wish: Wish,
  input = '',
  by: NativeAgent = agent,
): Promise<{ output: string; code: number }> {
  await by.monitor(join(base, 'run'));
  await using monitor = await connectMonitor(join(base, 'run'));
  await monitor.launch(plan(wish));
  const stream = await monitor.attach('', ALL);
  const output = collect(stream);
  stream.end(input);
  await monitor.go();
  const exit = await monitor.exited;
  assert.equal(exit.teardown[0]?.errno, 0);
  return { output: await output, code: exit.exitCode };
}

const failsWith = (errno: number) => (error: unknown) =>
  error instanceof OpError && error.result.errno === errno;

test('a process gets its input, writes to both outputs, and its exit code is told', async () => {
  const { output, code } = await runBox(
    { argv: ['sh', '-c', 'cat; echo bad >&2; exit 9'] },
    'good\n',
  );
  assert.equal(payload(output, 1), 'good\n');
  assert.equal(payload(output, 2), 'bad\n');
  assert.equal(code, 9);
  const exit = parseExitFile(readFileSync(join(base, 'run/exit'), 'utf8'));
  assert.equal(exit?.exitCode, 9);
});

test('a terminal of the container itself is pid 1s controlling terminal, with its size', async () => {
  const { output } = await runBox({ argv: ['sh', '-c', 'tty; stty size'], tty: true });
  assert.equal(output, '/dev/pts/0\r\n24 80\r\n');
});

test('a user by name has the groups and the home that the image says', async () => {
  const { output } = await runBox({ argv: ['sh', '-c', 'id; echo $HOME'], user: 'bob' });
  const id = 'uid=1000(bob) gid=1000(bob) groups=1000(bob),2000(extra)';
  assert.equal(payload(output, 1), `${id}\n/home/bob\n`);
});

test('ids out of range, unknown users and missing commands fail with their own faults', async () => {
  const launch = async (wish: Wish): Promise<void> => {
    await agent.monitor(join(base, 'run'));
    await using monitor = await connectMonitor(join(base, 'run'));
    await monitor.launch(plan(wish));
    await monitor.go();
  };
  await assert.rejects(launch({ argv: ['id'], user: '4294967296' }), failsWith(FAULT.ID_RANGE));
  await assert.rejects(launch({ argv: ['id'], user: 'nobody' }), failsWith(FAULT.USER_UNKNOWN));
  await assert.rejects(
    launch({ argv: ['id'], user: 'bob:nogroup' }),
    failsWith(FAULT.GROUP_UNKNOWN),
  );
  await assert.rejects(launch({ argv: ['nosuch'] }), failsWith(FAULT.COMMAND_NOT_FOUND));
  await assert.rejects(launch({ argv: ['/etc'] }), failsWith(21)); // EISDIR
  await assert.rejects(launch({ argv: ['/etc/passwd'] }), failsWith(13)); // EACCES
});

test('an operation in a place where it may not stand is refused, and nothing runs', async () => {
  await assert.rejects(
    agent.perform([{ op: 'pivot_root' }, { op: 'mkdir', path: join(base, 'made'), mode: 0o755 }]),
    failsWith(FAULT.BAD_PLAN),
  );
  assert.throws(() => statSync(join(base, 'made')));
});

test('an exec joins the namespaces, has its own streams and code, and init goes on', async () => {
  await agent.monitor(join(base, 'run'));
  await using monitor = await connectMonitor(join(base, 'run'));
  await monitor.launch(plan({ argv: ['sleep', '100'] }));
  await monitor.go();
  const exec: ExecPlan = {
    stdio: { tty: false, stdin: 'once' },
    join: [{ op: 'join_init', flags: NAMESPACES }],
    init: [
      { op: 'lookup_user', user: 'bob', groups: ['2000', 'more'] },
      { op: 'workdir', path: '/etc', create: 0 },
      { op: 'ready' },
      { op: 'set_user', keep: 0 },
      { op: 'exec', argv: ['sh', '-c', 'id -G; cat; exit 5'], env: ['PATH=/bin'], reaper: 0 },
    ],
  };
  const session = await monitor.exec('one', exec, ALL);
  const output = collect(session.stream);
  session.stream.end('in\n');
  assert.equal((await session.exit).exitCode, 5);
  assert.equal(payload(await output, 1), '1000 2000 3000\nin\n');
  await assert.rejects(monitor.exec('', exec, ALL), /EEXIST/);
  await monitor.signal('', 9);
  assert.equal((await monitor.exited).exitCode, 137);
});

test('execs that begin while others end get their own answers', async () => {
  await agent.monitor(join(base, 'run'));
  await using monitor = await connectMonitor(join(base, 'run'));
  await monitor.launch(plan({ argv: ['sleep', '100'] }));
  await monitor.go();
  const exec: ExecPlan = {
    stdio: { tty: false, stdin: 'none' },
    join: [{ op: 'join_init', flags: NAMESPACES }],
    init: [{ op: 'ready' }, { op: 'exec', argv: ['sh', '-c', ':'], env: ['PATH=/bin'], reaper: 0 }],
  };
  const one = async (id: string): Promise<number> => {
    const { stream, exit } = await monitor.exec(id, exec, ALL);
    stream.resume();
    return (await exit).exitCode;
  };
  const worker = async (name: string): Promise<void> => {
    for (let n = 0; n < 25; n += 1) assert.equal(await one(`${name}${n}`), 0);
  };
  await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(worker));
  await monitor.signal('', 9);
  await monitor.exited;
});

test('4 MB through cat come back whole while a second client is attached', async () => {
  await agent.monitor(join(base, 'run'));
  await using monitor = await connectMonitor(join(base, 'run'));
  await monitor.launch(plan({ argv: ['cat'] }));
  const first = await monitor.attach('', ALL);
  const second = await monitor.attach('', { stdin: false, stdout: true, stderr: false });
  await monitor.go();
  const input = Buffer.alloc(4_000_000, 'abcdefghij\n');
  const outputs = Promise.all([collect(first), collect(second)]);
  first.end(input);
  for (const output of await outputs)
    assert.ok(Buffer.from(payload(output, 1), 'latin1').equals(input));
});

test('a reaper as pid 1 passes signals on and ends as the command ended', async () => {
  // The sanitizer build is not static, so it cannot run as pid 1 of another root.
  await using by = new NativeAgent(NATIVE.replace(/-asan$/, ''));
  const wish = { argv: ['sh', '-c', 'echo $$; exit 6'], reaper: 1 };
  const { output, code } = await runBox(wish, '', by);
  assert.equal(payload(output, 1), '2\n');
  assert.equal(code, 6);
});

test('a reaper that cannot run the command says why', async () => {
  await using by = new NativeAgent(NATIVE.replace(/-asan$/, ''));
  writeFileSync(join(base, 'lower/bin/junk'), 'junk', { mode: 0o755 });
  const { output, code } = await runBox({ argv: ['junk'], reaper: 1 }, '', by);
  assert.equal(payload(output, 2), 'coracle-init: /bin/junk: Exec format error\n');
  assert.equal(code, 126);
});

test('a mount whose target is a link out of the root lands inside the root', async () => {
  symlinkSync('/etc', join(base, 'lower/out'));
  const init: readonly Op[] = [
    { op: 'mount', fstype: 'tmpfs', source: 'tmpfs', target: '/out/deep', attr: 0, options: [] },
  ];
  const { output } = await runBox({ argv: ['sh', '-c', 'cat /proc/mounts'], init });
  assert.match(payload(output, 1), /tmpfs \/etc\/deep tmpfs/);
  assert.throws(() => statSync('/etc/deep'));
});

test('a device outside of /dev is there at the next start too, and takes no files place', async () => {
  const node = (path: string, minor: number): Op[] => [
    { op: 'node', path, mode: 0o020666, major: 1, minor, uid: 0, gid: 0 },
  ];
  const argv = ['busybox', 'stat', '-c', '%t:%T', '/opt/null'];
  for (const minor of [3, 3, 5]) {
    const { output } = await runBox({ argv, init: node('/opt/null', minor) });
    assert.equal(payload(output, 1), `1:${minor}\n`);
  }
  await assert.rejects(runBox({ argv, init: node('/etc/passwd', 3) }), failsWith(17)); // EEXIST
});

test('garbage on the control socket ends that connection and nothing else', async () => {
  await agent.monitor(join(base, 'run'));
  await using monitor = await connectMonitor(join(base, 'run'));
  await monitor.launch(plan({ argv: ['sleep', '100'] }));
  await monitor.go();
  for (let round = 0; round < 40; round += 1) {
    const bytes = Buffer.alloc(12 + round * 7);
    for (let at = 0; at < bytes.length; at += 1) bytes[at] = (at * 31 + round * 17) & 0xff;
    if (round % 2 === 0) {
      bytes.writeUInt32LE(bytes.length - 12, 0);
      bytes.writeUInt32LE(16 + (round % 8), 4);
    }
    const socket = connect(join(base, 'run/monitor.sock'));
    socket.on('error', () => {});
    socket.resume();
    socket.end(bytes);
    await new Promise((resolve) => socket.on('close', resolve));
  }
  assert.equal((await monitor.state()).started, true);
  await monitor.signal('', 9);
  await monitor.exited;
});

test('a plan cut off at any byte is refused', async () => {
  await using child = new NativeProcess(NATIVE, ['agent']);
  const out = new Encoder();
  encodeOps(out, [
    { op: 'mkdir', path: join(base, 'cut'), mode: 0o755 },
    { op: 'root_overlay', lower: ['a', 'b'], upper: 'c', work: 'd', options: ['e'] },
  ]);
  const whole = Buffer.from(out.finish());
  for (let length = 0; length < whole.length; length += 1) {
    const body = await child.send(whole.subarray(0, length));
    assert.notEqual(body.readUInt32LE(0), 0, `a plan of ${length} bytes`);
  }
  assert.equal(encodeFrame(FRAME.PERFORM, 1, whole).length, whole.length + 12);
});

test('a tree is confined: links out of it and dots lead nowhere', async () => {
  const root = join(base, 'tree');
  mkdirSync(root);
  await using writer = new NativeTreeWriter({ nativePath: NATIVE, root });
  const meta = { mode: 0o4755, uid: 7, gid: 8, mtime: 1_700_000_000_123_456_789n };
  await writer.dir('etc', meta);
  await writer.symlink('escape', '/etc', meta);
  await writer.file('escape/coracle-was-here', meta, 3);
  await writer.data(Buffer.from('abc'));
  await writer.file('sparse', meta, 1_000_000);
  await writer.data(Buffer.from('x'));
  await writer.hole(999_999);
  await writer.dir('d', meta);
  await writer.link('d/hard', 'sparse');
  await writer.node('d/fifo', 'fifo', 0, 0, meta);
  await writer.whiteout('gone');
  await writer.opaque('d');
  await writer.finish();
  assert.throws(() => statSync('/etc/coracle-was-here'));
  assert.equal(readFileSync(join(root, 'etc/coracle-was-here'), 'utf8'), 'abc');
  const sparse = statSync(join(root, 'd/hard'), { bigint: true });
  assert.equal(sparse.size, 1_000_000n);
  assert.ok(sparse.blocks < 100n);
  assert.equal(sparse.mode & 0o7777n, 0o4755n);
  assert.deepEqual(
    [sparse.uid, sparse.gid, sparse.mtimeNs, sparse.nlink],
    [7n, 8n, meta.mtime, 2n],
  );
  assert.equal(statSync(join(root, 'd'), { bigint: true }).mtimeNs, meta.mtime);
  await using other = new NativeTreeWriter({ nativePath: NATIVE, root });
  await assert.rejects(async () => {
    await other.file('a/..', meta, 0);
    await other.finish();
  }, /^EngineError: cannot unpack "a\/\.\.": invalid argument$/);
});

test('the network namespace that is made ahead is left to who makes one', async () => {
  await using own = new NativeAgent(NATIVE);
  const pinned = [join(base, 'net-a'), join(base, 'net-b')] as const;
  const make = (path: string) => own.perform([{ op: 'netns_create', path }]);
  const host = readlinkSync('/proc/self/ns/net');
  const links = (): string[] => {
    try {
      const fds = readdirSync(`/proc/${own.pid}/fd`);
      return fds.map((fd) => readlinkSync(`/proc/${own.pid}/fd/${fd}`));
    } catch {
      return []; // one was closed meanwhile
    }
  };
  const ahead = (): string | undefined =>
    links().find((target) => target.startsWith('net:') && target !== host);
  try {
    await make(pinned[0]); // whoever has made one may make another
    const deadline = performance.now() + 5000;
    let made = ahead();
    for (; made === undefined && performance.now() < deadline; made = ahead()) await setImmediate();
    assert.notEqual(made, undefined);
    await own.monitor(join(base, 'run'));
    const monitor = await connectMonitor(join(base, 'run'));
    await make(pinned[1]);
    assert.equal(`net:[${statSync(pinned[1]).ino}]`, made);
    await monitor[Symbol.asyncDispose]();
  } finally {
    for (const path of pinned) await own.perform([{ op: 'netns_delete', path }]);
  }
});
