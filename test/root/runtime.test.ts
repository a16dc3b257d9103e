// The runtime on a real kernel: what a task can do from launch() to its end, and what happens when
// things go wrong on the way.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { EngineError } from '#base/error.ts';
import { connectMonitor } from '#kernel/native/monitor.ts';
import type { Box } from '#runtime/box.ts';
import { createRuntime } from '#runtime/runtime.ts';
import { parseRelease } from '#runtime/facts.ts';
import type { Task } from '#runtime/task.ts';
import { BusyboxHost, collect, execScript, readUntil } from './busybox.ts';

let host: BusyboxHost;
before(() => {
  host = new BusyboxHost();
});
after(async () => {
  await host[Symbol.asyncDispose]();
});

const SLEEPS = 'trap "exit 7" TERM; while :; do sleep 0.05; done';
const UNTIL_MS_MAX = 10_000;
const SIGTERM = 15;
const SIGKILL = 9;

/** As pid 1 it gets TERM only once its trap is set (pid_namespaces(7)). */
async function trapOf({ pid }: Task): Promise<void> {
  const caught = /SigCgt:\t\w{12}[4-7c-f]\w{3}/m;
  await until(() => caught.test(readFileSync(`/proc/${pid}/status`, 'utf8')));
}

async function kill(task: Task): Promise<void> {
  await task.signal('', SIGKILL);
  await task.exited;
  await task.close();
}

test('the exit code, signals and times of a process are told', async () => {
  const task = await host.launch(host.box(SLEEPS));
  await task.go();
  await trapOf(task);
  const started = BigInt(Date.now()) * 1_000_000n;
  await task.signal('', SIGTERM);
  const exit = await task.exited;
  await task.close();
  assert.equal(exit.exitCode, 7);
  assert.equal(exit.oomKilled, false);
  assert.ok(exit.finishedAt > started - 1_000_000_000n);
  const killed = await host.launch(host.box(SLEEPS));
  await killed.go();
  await killed.signal('', SIGKILL);
  assert.deepEqual([(await killed.exited).exitCode, (await killed.exited).signal], [137, 9]);
  await killed.close();
});

test('exec runs in the same namespaces, with its own user, directory and environment', async () => {
  const task = await host.launch(host.box(SLEEPS));
  await task.go();
  const plain = await execScript(task, 'hostname; cat /proc/1/cmdline | head -c 2; id -u; exit 3');
  assert.equal(plain.out, 'c0ffee\nsh0\n');
  assert.equal(plain.exitCode, 3);
  const other = await execScript(task, 'id; pwd; echo $A $HOME; grep Cap /proc/self/status', {
    user: 'app',
    cwd: '/tmp',
    env: ['PATH=/bin', 'A=b'],
    groups: ['7'],
  });
  assert.match(other.out, /^uid=1000\(app\) gid=1000\(app\) groups=7,29\(audio\)/);
  assert.match(other.out, /\n\/tmp\nb \/home\/app\n/);
  assert.match(other.out, /CapEff:\t0{16}/);
  assert.match(other.out, /CapBnd:\t00000000a80425fb/);
  const cgroups = await execScript(task, 'cat /proc/self/cgroup');
  assert.ok(cgroups.out.includes(host.parent), cgroups.out);
  const ns = 'for n in mnt pid net ipc uts time; do readlink /proc/self/ns/$n; done';
  const first = await execScript(task, ns.replaceAll('self', '1'));
  assert.equal((await execScript(task, ns)).out, first.out);
  const all = await execScript(task, 'grep -E "Cap(Eff|Bnd)|Seccomp:" /proc/self/status', {
    privileged: true,
  });
  const bounding = host.facts.boundingSet.toString(16).padStart(16, '0');
  assert.match(all.out, new RegExp(`CapEff:\t${bounding}\n`));
  await kill(task);
});

test('exec that cannot start says so in words the docker CLI knows, and leaves the task alone', async () => {
  const task = await host.launch(host.box(SLEEPS));
  await task.go();
  await assert.rejects(execScript(task, '', { argv: ['nothere'] }), (error: EngineError) => {
    assert.match(
      error.message,
      /^OCI runtime exec failed: exec failed: .*exec: "nothere": executable file not found in \$PATH/,
    );
    assert.equal(error.facts['exitCode'], 127);
    return true;
  });
  await assert.rejects(
    execScript(task, '', { user: 'nobody9' }),
    /unable to find user nobody9: no matching entries in passwd file/,
  );
  await assert.rejects(
    execScript(task, '', { cwd: '/none' }),
    /chdir to cwd \("\/none"\) set in config.json failed: no such file or directory/,
  );
  assert.equal((await execScript(task, 'echo still')).out, 'still\n');
  await kill(task);
});

const FAILURES = [
  [['nothere'], /exec: "nothere": executable file not found in \$PATH/, 127],
  [['/bin/nothere'], /exec: "\/bin\/nothere": stat \/bin\/nothere: no such file or directory/, 127],
  [['/etc/passwd'], /exec: "\/etc\/passwd": permission denied/, 126],
  [['/etc'], /exec: "\/etc": is a directory/, 126],
] as const;

for (const [argv, message, exitCode] of FAILURES) {
  test(`a command that cannot run: ${argv[0]}`, async () => {
    const box = host.box('', { process: { argv } });
    const task = await host.launch(box);
    await assert.rejects(task.go(), (error: EngineError) => {
      assert.match(error.message, message);
      assert.match(
        error.message,
        /^failed to create task for container: .*OCI runtime create failed/,
      );
      assert.equal(error.facts['exitCode'], exitCode);
      assert.equal(error.facts['op'], 'exec');
      return true;
    });
    await task.close();
    checkNoCgroups(box.id);
  });
}

test('a user that the image does not have, and a mount without a source, fail before the start', async () => {
  const nobody = host.box('true', { process: { user: 'nobody9' } });
  await assert.rejects(
    host.launch(nobody),
    /unable to find user nobody9: no matching entries in passwd file/,
  );
  checkNoCgroups(nobody.id);
  const bad = host.box('true', {
    mounts: [
      {
        kind: 'bind',
        source: '/nowhere',
        target: '/x',
        file: false,
        readonly: false,
        recursive: true,
        recursiveReadonly: 'no',
        propagation: 'rprivate',
      },
    ],
  });
  await assert.rejects(
    host.launch(bad),
    /error mounting "\/nowhere" to rootfs at "\/x": .*no such file or directory/,
  );
  checkNoCgroups(bad.id);
});

function checkNoCgroups(id: string): void {
  const { hierarchies, unified } = host.facts.cgroups;
  for (const each of [...hierarchies, ...(unified === undefined ? [] : [unified])]) {
    assert.ok(!existsSync(join(each.mountpoint, host.parent, id)), each.mountpoint);
  }
}

test('a task given up before go() is undone', async () => {
  const box = host.box('true');
  const task = await host.launch(box);
  await task.close();
  await host.runtime.sweep({ parent: host.parent, name: box.id }, host.runDirectory(box));
  checkNoCgroups(box.id);
  assert.ok(!existsSync(`/proc/${task.pid}`));
});

test('a terminal: its size, its name, its controlling process, and resize', async () => {
  const change = {
    process: {
      stdio: { tty: true, stdin: 'open' },
      consoleSize: { height: 33, width: 99 },
    },
  } as const;
  const box = host.box('tty; stty size; ls -l /dev/console; cat; stty size', change);
  const task = await host.launch(box);
  const stream = await task.attach({ stdin: true, stdout: true, stderr: true });
  await task.go();
  // What it prints first is read before its terminal changes under it, with the end of its line:
  // the terminal may write that apart, and would echo in between.
  const first = await readUntil(stream, '/dev/console\r\n');
  const output = collect(stream, true);
  stream.write('hello\n');
  await task.resize('', { height: 11, width: 22 });
  stream.write('\u0004');
  const out = first + (await output).out;
  assert.match(out, /\/dev\/pts\/0\r\n33 99\r\n/);
  assert.match(out, /136, +0/);
  assert.match(out, /hello\r\nhello\r\n/);
  assert.match(out, /11 22\r\n/);
  assert.equal((await task.exited).exitCode, 0);
  await task.close();
});

test('standard input of a container reaches its process and ends with the client', async () => {
  const task = await host.launch(
    host.box('cat', { process: { stdio: { tty: false, stdin: 'once' } } }),
  );
  const stream = await task.attach({ stdin: true, stdout: true, stderr: true });
  await task.go();
  const output = collect(stream, false);
  stream.end('through the boat\n');
  assert.equal((await output).out, 'through the boat\n');
  await task.exited;
  await task.close();
});

test('--init: our reaper is pid 1, passes signals on and gives the exit code of the command', async () => {
  const task = await host.launch(host.box('ps; exec sleep 100', { process: { init: true } }));
  const stream = await task.attach({ stdin: false, stdout: true, stderr: true });
  await task.go();
  const ps = await execScript(task, 'ps');
  assert.match(ps.out, /^ +1 root +(\S+ )?coracle-init -- /m);
  await task.signal('', SIGTERM);
  assert.equal((await task.exited).exitCode, 143);
  stream.destroy();
  await task.close();
});

test('--init: a signal that comes while the reaper is being started reaches the command', async () => {
  // Most of these moments are early enough.
  for (let times = 0; times < 5; times += 1) {
    const task = await host.launch(host.box('exec sleep 5', { process: { init: true } }));
    const gone = task.go();
    const command = (): string => readFileSync(`/proc/${task.pid}/cmdline`, 'utf8');
    // Without a turn of the event loop, or it would be too late.
    const deadline = performance.now() + 5000;
    while (!command().startsWith('coracle-init') && performance.now() < deadline);
    process.kill(task.pid, SIGTERM);
    await gone;
    assert.equal((await task.exited).exitCode, 143);
    await task.close();
  }
});

test('exec enters a container that has handed controllers down in its own cgroup', async (t) => {
  if (host.facts.cgroups.version === 1) return t.skip('needs cgroup2 alone');
  // As systemd does: after that the cgroup itself may hold no process.
  const script =
    'cd /sys/fs/cgroup && mkdir init && echo 1 > init/cgroup.procs && ' +
    'echo +pids > cgroup.subtree_control && touch /ready; exec sleep 100';
  const change = {
    security: { privileged: true },
    namespaces: { cgroup: { mode: 'private' } as const },
  };
  const box = host.box(script, change);
  const task = await host.launch(box);
  await task.go();
  const ready = join(host.directory, box.id, 'upper/ready');
  await until(() => existsSync(ready));
  assert.match((await execScript(task, 'cat /proc/self/cgroup')).out, /^0::\/init$/m);
  // And where it cannot be made, the reason is told.
  await execScript(task, 'echo 1 > /sys/fs/cgroup/init/pids.max');
  await assert.rejects(execScript(task, 'true'), /unshare: resource temporarily unavailable/);
  await kill(task);
});

test('pause stops every process, and resume lets them go on', async () => {
  const task = await host.launch(host.box('while :; do echo . >> /tmp/log; sleep 0.01; done'));
  await task.go();
  const log = join(host.directory, await boxIdOf(task), 'upper/tmp/log');
  await until(() => existsSync(log) && readFileSync(log).length > 4);
  await task.pause();
  const size = readFileSync(log).length;
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.equal(readFileSync(log).length, size);
  await task.resume();
  await until(() => readFileSync(log).length > size);
  await kill(task);
});

/** The id is the last part of the path of its cgroups. */
async function boxIdOf(task: Task): Promise<string> {
  const text = readFileSync(`/proc/${task.pid}/cgroup`, 'utf8');
  return /\/(t\d+x\d+)$/m.exec(text)?.[1] ?? '';
}

async function until(condition: () => boolean): Promise<void> {
  for (const end = performance.now() + UNTIL_MS_MAX; !condition() && performance.now() < end; ) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.ok(condition());
}

test('pids lists all processes of a container, and update changes its limits', async () => {
  const task = await host.launch(host.box('sleep 100 & sleep 100 & wait'));
  await task.go();
  const children = () =>
    readFileSync(`/proc/${task.pid}/task/${task.pid}/children`, 'utf8')
      .trim()
      .split(' ')
      .map(Number);
  await until(() => children().length === 2);
  assert.deepEqual((await task.pids()).toSorted(), [task.pid, ...children()].toSorted());
  const limit = (mib: number, pidsLimit: number) => {
    const memory = mib * 1024 * 1024;
    return { resources: { memory, memorySwap: memory, pidsLimit }, deviceRules: [] };
  };
  await task.update(limit(64, 9));
  const text =
    host.facts.cgroups.version === 2
      ? 'cd /sys/fs/cgroup/$(cut -d: -f3 /proc/self/cgroup); cat memory.max pids.max'
      : 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max';
  assert.equal((await execScript(task, text)).out, '67108864\n9\n');
  await task.update(limit(32, 9));
  assert.equal((await execScript(task, text)).out, '33554432\n9\n');
  await kill(task);
});

test('another daemon finds a running task again, and the exit of one that ended meanwhile', async () => {
  const box = host.box(SLEEPS);
  const task = await host.launch(box);
  await task.go();
  await trapOf(task);
  await task.close(); // as when a daemon dies
  const found = await host.runtime.find(box, host.runDirectory(box));
  assert.equal(found.kind, 'running');
  if (found.kind !== 'running') return;
  assert.equal(found.task.pid, task.pid);
  assert.equal((await execScript(found.task, 'echo here')).out, 'here\n');
  await found.task.signal('', SIGTERM);
  await found.task.close();
  await until(() => existsSync(join(host.runDirectory(box), 'exit')));
  const later = await host.runtime.find(box, host.runDirectory(box));
  assert.equal(later.kind, 'exited');
  assert.equal(later.kind === 'exited' ? later.exit.exitCode : 0, 7);
  await host.runtime.sweep({ parent: host.parent, name: box.id }, host.runDirectory(box));
  assert.equal((await host.runtime.find(box, host.runDirectory(box))).kind, 'gone');
});

test('when a monitor is killed the process goes with it, and find() removes what is left', async () => {
  const box = host.box(SLEEPS);
  const task = await host.launch(box);
  await task.go();
  const status = readFileSync(`/proc/${task.pid}/status`, 'utf8');
  process.kill(Number(/^PPid:\t(\d+)$/m.exec(status)?.[1]), 'SIGKILL');
  await task.lost;
  await until(() => !existsSync(`/proc/${task.pid}`));
  assert.equal((await host.runtime.find(box, host.runDirectory(box))).kind, 'gone');
  checkNoCgroups(box.id);
});

test('what was done is explained with the time of each operation', async () => {
  const box = host.box('true');
  const task = await host.launch(box);
  await task.go();
  await task.exited;
  await task.close();
  const story = await host.runtime.explain(host.runDirectory(box), host.directory);
  assert.ok(story !== undefined && (story.totalNanoseconds ?? 0) > 0);
  const steps = story.groups.flatMap((group) => group.steps);
  const done = steps.filter((step) => step.where === 'init' && step.op !== 'exec');
  assert.ok(done.filter((step) => step.nanoseconds !== null).length >= done.length - 1);
  assert.deepEqual(
    host.runtime.plan(box).map((group) => group.name),
    story.groups.map((group) => group.name),
  );
});

test('a container joins the pid, network and ipc namespaces of another', async () => {
  const first = await host.launch(host.box(SLEEPS));
  await first.go();
  const at = (name: string) =>
    ({ mode: 'path', path: `/proc/${first.pid}/ns/${name}`, shared: true }) as const;
  const { out } = await host.run(
    'for n in pid net ipc uts; do readlink /proc/self/ns/$n; done; ps | grep -c "while"',
    { namespaces: { pid: at('pid'), network: at('net'), ipc: at('ipc') } },
  );
  const theirs = (
    await execScript(first, 'for n in pid net ipc uts; do readlink /proc/1/ns/$n; done')
  ).out
    .trim()
    .split('\n');
  const ours = out.trim().split('\n');
  assert.deepEqual(ours.slice(0, 3), theirs.slice(0, 3));
  assert.notEqual(ours[3], theirs[3]);
  assert.ok(Number(ours[4]) >= 1);
  await kill(first);
});

test("host namespaces are the host's", async () => {
  const mode = { mode: 'host' } as const;
  const { out } = await host.run('echo $$; hostname; ls /proc | grep -c "^[0-9]"', {
    namespaces: { pid: mode, network: mode, ipc: mode, uts: mode },
  });
  const [pid = '0', name = ''] = out.split('\n');
  assert.ok(Number(pid) > 1);
  assert.equal(name, readFileSync('/proc/sys/kernel/hostname', 'utf8').trim());
});

const MAPPED = {
  namespaces: {
    user: {
      mode: 'map',
      uid: [{ inside: 0, outside: 100_000, count: 65_536 }],
      gid: [{ inside: 0, outside: 100_000, count: 65_536 }],
    },
  },
} as const;

const { major, minor } = parseRelease(release());
const UNMAPPED = major * 100 + minor < 613 && 'layers of a user namespace need Linux 6.13';

test('a user namespace: root inside is nobody outside, and files belong to root inside', {
  skip: UNMAPPED,
}, async () => {
  const script =
    'cat /proc/self/uid_map; id -u; stat -c %u /bin/busybox; touch /new; stat -c %u /new; ' +
    'echo x > /dev/null && echo null; mknod /tmp/n c 1 3 2>&1; cat /proc/self/oom_score_adj; ' +
    'ls /sys/fs/cgroup | head -1; cat /proc/self/cgroup | head -1; hostname; cat /proc/self/setgroups; ip link show lo';
  const { out, err } = await host.run(script, MAPPED);
  assert.match(out, /^ +0 +100000 +65536\n0\n0\n0\nnull\n/, err);
  assert.match(out, /Operation not permitted/);
  assert.match(out, /c0ffee\nallow\n/);
  assert.match(out, /LOOPBACK,UP/);
});

test('exec in a user namespace', { skip: UNMAPPED }, async () => {
  const task = await host.launch(host.box(SLEEPS, MAPPED));
  await task.go();
  const ran = await execScript(
    task,
    'id -u; cat /proc/self/uid_map; id -u > /root/x; cat /root/x',
    { user: '0' },
  );
  assert.match(ran.out, /^0\n +0 +100000 +65536\n0\n/, ran.err);
  assert.match(readFileSync(`/proc/${task.pid}/status`, 'utf8'), /Uid:\t100000/);
  const other = await execScript(task, 'id -u', { user: 'app' });
  assert.equal(other.out, '1000\n');
  await kill(task);
});

test('a user namespace with a terminal, host pids and host network', {
  skip: UNMAPPED,
}, async () => {
  const { out } = await host.run('tty; ps | head -2', {
    ...MAPPED,
    process: { stdio: { tty: true, stdin: 'open' } },
  });
  assert.match(out, /\/dev\/pts\/0/);
  const mode = { mode: 'host' } as const;
  const ran = await host.run('ls /sys | head -1; readlink /proc/self/ns/net; echo done', {
    namespaces: { ...MAPPED.namespaces, network: mode, pid: mode, ipc: mode },
  });
  assert.match(ran.out, /done/, ran.err);
});

test('the layers of an image in one list, as older kernels take them', async () => {
  const facts = { ...host.facts, kernel: { major: 6, minor: 1 } };
  const older = createRuntime({ agent: host.agent, connectMonitor }, facts);
  const box = host.box('cat /of/top; cat /of/bottom');
  assert.ok(box.root.mount.kind === 'overlay');
  const lower = ['top:a', 'bottom'].map((name) => join(host.directory, name));
  for (const path of lower) mkdirSync(join(path, 'of'), { recursive: true });
  writeFileSync(join(lower[0] ?? '', 'of/top'), 'top\n');
  writeFileSync(join(lower[1] ?? '', 'of/bottom'), 'bottom\n');
  const mount = { ...box.root.mount, lower: [...lower, ...box.root.mount.lower] };
  const layered: Box = { ...box, root: { ...box.root, mount } };
  const task = await older.launch(layered, host.runDirectory(box));
  const output = collect(await task.attach({ stdin: false, stdout: true, stderr: true }), false);
  await task.go();
  assert.equal((await output).out, 'top\nbottom\n');
  assert.equal((await task.exited).exitCode, 0);
  await task.close();
});

test('a directory of the host as the root', async () => {
  const box = host.box('touch /made && ls -d /made', {});
  const root = join(host.directory, 'bind-root');
  mkdirSync(root);
  const { cpSync } = await import('node:fs');
  cpSync(host.lower, root, { recursive: true, verbatimSymlinks: true });
  const task = await host.launch({
    ...box,
    root: { readonly: false, volatile: false, mount: { kind: 'bind', path: root } },
  });
  await task.go();
  assert.equal((await task.exited).exitCode, 0);
  await task.close();
  assert.ok(existsSync(join(root, 'made')));
});

test('devices, limits per process and sysctls are set', async () => {
  const { out } = await host.run(
    'ls -l /dev/xfuse; ulimit -n; ulimit -c; cat /proc/sys/kernel/shm_rmid_forced',
    {
      devices: [
        {
          path: '/dev/xfuse',
          source: '/dev/fuse',
          type: 'c',
          major: 10,
          minor: 229,
          mode: 0o640,
          uid: 0,
          gid: 29,
          access: 'rwm',
        },
      ],
      sysctls: { 'kernel.shm_rmid_forced': '1' },
      process: {
        rlimits: [
          { name: 'nofile', soft: 100, hard: 200 },
          { name: 'core', soft: 0, hard: 0 },
        ],
      },
    },
  );
  assert.match(out, /crw-r----- +1 root +audio +10, 229/);
  assert.match(out, /\n100\n0\n1\n$/);
});

test('mounts of the user: tmpfs with options, binds in the order of their targets', async () => {
  const top = join(host.directory, 'top');
  const deep = join(host.directory, 'deep');
  for (const path of [top, deep]) mkdirSync(path);
  writeFileSync(join(deep, 'file'), 'deep\n');
  const bind = (source: string, target: string) =>
    ({
      kind: 'bind',
      source,
      target,
      file: false,
      readonly: false,
      recursive: true,
      recursiveReadonly: 'no',
      propagation: 'rprivate',
    }) as const;
  const { out } = await host.run(
    'cat /data/deep/file; grep " /t " /proc/self/mountinfo; echo x > /data/new',
    {
      mounts: [
        bind(deep, '/data/deep'),
        bind(top, '/data'),
        { kind: 'tmpfs', target: '/t', options: ['size=1m', 'mode=700', 'exec'] },
      ],
    },
  );
  assert.match(out, /^deep\n/);
  assert.match(out, / rw,nosuid,nodev,relatime - tmpfs tmpfs rw,size=1024k,mode=700/);
  assert.equal(readFileSync(join(top, 'new'), 'utf8'), 'x\n');
});

test('links in the image do not lead a mount or a working directory out of it', async () => {
  const box = host.box('pwd; ls -A /link', {
    mounts: [{ kind: 'tmpfs', target: '/link/inside', options: [] }],
    process: { cwd: '/link/inside' },
  });
  const { symlinkSync } = await import('node:fs');
  symlinkSync('/../../../../../../outside', join(host.directory, box.id, 'upper/link'));
  mkdirSync(join(host.directory, box.id, 'upper/outside'));
  const task = await host.launch(box);
  const output = collect(await task.attach({ stdin: false, stdout: true, stderr: true }), false);
  await task.go();
  assert.equal((await output).out, '/outside/inside\ninside\n');
  await task.exited;
  await task.close();
  assert.ok(!existsSync('/outside'));
});

test('a shared bind shows mounts of the host inside, a slave one too, a private one not', async () => {
  // A mount made shared here: the machine's own may all be private.
  const source = join(host.directory, 'shared');
  mkdirSync(source);
  const sh = (script: string) => execFileSync('/bin/sh', ['-c', script], { encoding: 'utf8' });
  sh(`mount -t tmpfs source ${source} && mount --make-shared ${source}`);
  try {
    const bind = (target: string, propagation: 'rshared' | 'rslave' | 'rprivate') =>
      ({
        kind: 'bind',
        source,
        target,
        file: false,
        readonly: false,
        recursive: true,
        recursiveReadonly: 'no',
        propagation,
      }) as const;
    const mounts = [bind('/s', 'rshared'), bind('/v', 'rslave'), bind('/p', 'rprivate')];
    const task = await host.launch(host.box(SLEEPS, { mounts, security: { privileged: true } }));
    await task.go();
    sh(`mkdir ${source}/late && mount -t tmpfs late ${source}/late && touch ${source}/late/file`);
    const seen = await execScript(
      task,
      'ls /s/late /v/late /p/late; mkdir /s/up; mount -t tmpfs up /s/up',
    );
    assert.equal(seen.out, '/p/late:\n\n/s/late:\nfile\n\n/v/late:\nfile\n', seen.err);
    assert.match(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(`${source}/up `));
    await kill(task);
    assert.doesNotMatch(
      readFileSync('/proc/self/mountinfo', 'utf8'),
      /lowerdir\+=[^ ]*coracle-runtime/,
    );
  } finally {
    sh(`umount -R ${source}`);
  }
});
