// The same boxes run by an external OCI runtime, Debian's runc: `docker run --runtime runc`.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { EngineError } from '#base/error.ts';
import { BusyboxHost, collect, execScript, readUntil } from './busybox.ts';

let host: BusyboxHost;
before(() => {
  host = new BusyboxHost();
});
after(async () => {
  await host[Symbol.asyncDispose]();
});

const RUNC = { runtime: 'runc' } as const;
const LOOP = 'trap "exit 7" TERM; while :; do sleep 0.05; done';

test('runc runs the bundle: output, exit code, user by name, limits, hostname', async () => {
  const { out, exit } = await host.run(
    'hostname; id -u; grep -E "CapBnd|CapEff|Seccomp:" /proc/self/status; ' +
      'cat /sys/fs/cgroup/pids/pids.max; cat /etc/hostname; exit 3',
    { ...RUNC, process: { user: 'app' }, cgroup: { parent: '', resources: { pidsLimit: 20 } } },
  );
  assert.match(
    out,
    /^c0ffee\n1000\nCapEff:\t0{16}\nCapBnd:\t00000000a80425fb\nSeccomp:\t2\n20\nhostname\n/,
  );
  assert.equal(exit.exitCode, 3);
});

test('nothing is left of a container that runc made', async () => {
  const box = host.box('true', RUNC);
  const task = await host.launch(box);
  await task.go();
  await task.exited;
  await task.close();
  await host.runtime.sweep({ parent: host.parent, name: box.id }, host.runDirectory(box));
  for (const { mountpoint } of host.facts.cgroups.hierarchies) {
    assert.ok(!existsSync(join(mountpoint, host.parent, box.id)), mountpoint);
  }
  assert.ok(!existsSync(host.runDirectory(box)));
  assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(box.id));
});

test('exec, signals, pause, pids and find work as with our own runtime', async () => {
  const box = host.box(LOOP, RUNC);
  const task = await host.launch(box);
  await task.go();
  const ran = await execScript(task, 'id; hostname; exit 4', { user: 'app' });
  assert.match(
    ran.out,
    /^uid=1000\(app\) gid=1000\(app\) groups=29\(audio\),1000\(app\)\nc0ffee\n/,
  );
  assert.equal(ran.exitCode, 4);
  assert.equal(readFileSync(`/proc/${task.pid}/comm`, 'utf8'), 'sh\n');
  assert.ok((await task.pids()).includes(task.pid));
  await task.pause();
  await task.resume();
  await task.close();
  const found = await host.runtime.find(box, host.runDirectory(box));
  assert.equal(found.kind, 'running');
  if (found.kind !== 'running') return;
  assert.equal(found.task.pid, task.pid);
  await found.task.signal('', 15);
  assert.equal((await found.task.exited).exitCode, 7);
  await found.task.close();
  const left = readdirSync(host.runDirectory(box)).filter((name) => name.startsWith('exec-'));
  assert.deepEqual(left, []);
});

test('a command that is not there is told in the words of runc, for run and for exec', async () => {
  const task = await host.launch(host.box('', { ...RUNC, process: { argv: ['nothere'] } }));
  await assert.rejects(task.go(), (error: EngineError) => {
    assert.match(
      error.message,
      /OCI runtime create failed: .*exec: "nothere": executable file not found in \$PATH/,
    );
    assert.equal(error.facts['exitCode'], 127);
    return true;
  });
  await task.close();
  const other = await host.launch(host.box(LOOP, RUNC));
  await other.go();
  await assert.rejects(
    execScript(other, '', { argv: ['nothere'] }),
    /OCI runtime exec failed: .*executable file not found/,
  );
  await other.signal('', 9);
  assert.equal((await other.exited).exitCode, 137);
  await other.close();
});

test('a terminal under runc', async () => {
  // runc has a terminal of its own between, and passes a size on when it gets to it.
  const until = 'until test "$(stty size)" = "12 34"; do sleep 0.01; done';
  const box = host.box(`tty; stty size; echo ready; cat > /dev/null; ${until}; stty size`, {
    ...RUNC,
    process: { stdio: { tty: true, stdin: 'open' }, consoleSize: { height: 30, width: 90 } },
  });
  const task = await host.launch(box);
  const stream = await task.attach({ stdin: true, stdout: true, stderr: true });
  await task.go();
  const first = await readUntil(stream, 'ready\r\n');
  const output = collect(stream, true);
  const ran = await execScript(task, 'tty', { stdio: { tty: true, stdin: 'open' } });
  assert.match(ran.out, /\/dev\/pts\/1/);
  await task.resize('', { height: 12, width: 34 });
  stream.write('\u0004');
  const out = first + (await output).out;
  assert.match(out, /\/dev\/pts\/0\r\n30 90\r\n/);
  assert.match(out, /12 34\r\n/);
  await task.exited;
  await task.close();
});
