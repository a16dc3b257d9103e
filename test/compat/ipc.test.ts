// --ipc: System V segments by the kernel's namespace, POSIX shared memory by the files in /dev/shm.
// Both are one thing to a user, with our own runtime and with runc.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';

const skip = cannotRun();
const noRunc = skip || (spawnSync('runc', ['--version']).status === 0 ? false : 'needs runc');
let daemon: Daemon;

before(async () => {
  if (skip === false) daemon = await startDaemon();
});
after(async () => {
  await daemon?.[Symbol.asyncDispose]();
});

const SLEEP = ['busybox', 'sleep', '300'] as const;
const RUN = ['run', '--network', 'none'] as const;

function start(name: string, ...flags: readonly string[]): Promise<string> {
  return daemon.ok(...RUN, '-d', '--name', name, ...flags, ...SLEEP);
}

function sh(name: string, script: string): Promise<string> {
  return daemon.ok('exec', name, 'sh', '-c', script);
}

async function refused(...argv: readonly string[]): Promise<string> {
  const { code, stderr } = await daemon.docker(...RUN, '--rm', ...argv, 'busybox', 'true');
  assert.equal(code, 125);
  return stderr;
}

/** A segment of that size in the IPC namespace of a container, made with the host's own tool. */
async function makeSegment(name: string, bytes: number): Promise<void> {
  const pid = await daemon.ok('inspect', '-f', '{{.State.Pid}}', name);
  const argv = [`--ipc=/proc/${pid}/ns/ipc`, 'ipcmk', '-M', String(bytes)];
  const { status, stderr } = spawnSync('nsenter', argv, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

const RUNTIMES: readonly (readonly [string, string | false])[] = [
  ['coracle', skip],
  ['runc', noRunc],
];

for (const [runtime, skip] of RUNTIMES) {
  const by = ['--runtime', runtime];

  test(`${runtime}: --ipc container shares shared memory of both kinds, both ways`, {
    skip,
  }, async () => {
    const donor = `donor-${runtime}`;
    const guest = `guest-${runtime}`;
    await start(donor, '--ipc', 'shareable', '--shm-size', '1100k', ...by);
    await sh(donor, 'echo theirs > /dev/shm/a');
    await makeSegment(donor, 12_288);
    await start(guest, '--ipc', `container:${donor}`, ...by);
    assert.equal(await sh(guest, 'cat /dev/shm/a; echo ours > /dev/shm/b'), 'theirs');
    assert.equal(await sh(donor, 'cat /dev/shm/b'), 'ours');
    assert.equal(await sh(guest, 'grep -cw 12288 /proc/sysvipc/shm'), '1');
    // The donor's size counts, and the mount keeps what every /dev/shm has.
    const [line = ''] = (await sh(guest, 'grep " /dev/shm " /proc/mounts')).split('\n');
    assert.match(line, /^shm \/dev\/shm tmpfs rw,nosuid,nodev,noexec,.*size=1100k/);
    const other = await daemon.ok(...RUN, '--rm', ...by, 'busybox', 'ls', '/dev/shm');
    assert.equal(other, '');
    assert.doesNotMatch(readFileSync('/proc/self/mountinfo', 'utf8'), /size=1100k/);
    await daemon.ok('rm', '-f', guest);
    assert.equal(await sh(donor, 'cat /dev/shm/b'), 'ours');
    await daemon.ok('rm', '-f', donor);
  });

  test(`${runtime}: --ipc none has no /dev/shm, --ipc host has the host's`, { skip }, async () => {
    const script = 'ls -d /dev/shm 2>/dev/null; ls -d /dev/mqueue';
    const none = [...RUN, '--rm', '--ipc', 'none', ...by, 'busybox', 'sh', '-c', script];
    assert.equal(await daemon.ok(...none), '/dev/mqueue');
    const file = `coracle-test-${process.pid}`;
    writeFileSync(`/dev/shm/${file}`, 'of the host');
    try {
      const host = [...RUN, '--rm', '--ipc', 'host', ...by, 'busybox', 'cat', `/dev/shm/${file}`];
      assert.equal(await daemon.ok(...host), 'of the host');
    } finally {
      rmSync(`/dev/shm/${file}`);
    }
  });
}

test('a guest keeps the memory of a donor that ends, and joins the new one at its restart', {
  skip,
}, async () => {
  await start('old', '--ipc', 'shareable');
  await start('guest', '--ipc', 'container:old');
  await sh('guest', 'echo kept > /dev/shm/f');
  await daemon.ok('restart', '-t', '0', 'old');
  assert.equal(await sh('old', 'ls /dev/shm'), '');
  assert.equal(await sh('guest', 'cat /dev/shm/f'), 'kept');
  // By id: another container may have the name by then.
  await daemon.ok('rename', 'old', 'renamed');
  await sh('renamed', 'echo new > /dev/shm/g');
  await daemon.ok('restart', '-t', '0', 'guest');
  assert.equal(await sh('guest', 'ls /dev/shm'), 'g');
  const id = await daemon.ok('inspect', '-f', '{{.Id}}', 'renamed');
  const mode = await daemon.ok('inspect', '-f', '{{.HostConfig.IpcMode}}', 'guest');
  assert.equal(mode, `container:${id}`);
  await daemon.ok('stop', '-t', '0', 'renamed');
  const { code, stderr } = await daemon.docker('restart', '-t', '0', 'guest');
  assert.equal(code, 1);
  const why = `failed to join IPC namespace: container ${id} is not running`;
  assert.equal(stderr, `Error response from daemon: Cannot restart container guest: ${why}\n`);
  await daemon.ok('rm', '-f', 'guest', 'renamed');
});

test('only what is meant to be shared is joined', { skip }, async () => {
  const id = await start('private');
  const text = (of: string): string =>
    `failed to join IPC namespace: container ${of}: non-shareable IPC ` +
    '(hint: use IpcMode:shareable for the donor container)';
  assert.ok((await refused('--ipc', 'container:private')).includes(text(id)));
  const none = await start('none', '--ipc', 'none');
  assert.ok((await refused('--ipc', 'container:none')).includes(text(none)));
  const own = await start('own', '--ipc', 'shareable', '--tmpfs', '/dev/shm');
  assert.ok((await refused('--ipc', 'container:own')).includes(text(own)));
  assert.match(await refused('--ipc', 'container:nobody9'), /No such container: nobody9/);
  await daemon.ok('rm', '-f', 'private', 'none', 'own');
});

test('what was joined can be joined, also by root of a user namespace', { skip }, async () => {
  await start('first', '--ipc', 'shareable');
  await start('second', '--ipc', 'container:first');
  await sh('second', 'echo one > /dev/shm/f');
  const third = [...RUN, '--rm', '--ipc', 'container:second'];
  const show = ['busybox', 'cat', '/dev/shm/f'];
  assert.equal(await daemon.ok(...third, ...show), 'one');
  // The docker CLI checks the mode itself, and knows only "host".
  const ours = [join(ROOT, 'bin/coracle'), ...third, '--userns', 'auto', ...show];
  const mapped = await daemon.run(ours);
  assert.deepEqual(mapped, { code: 0, stdout: 'one\n', stderr: '' });
  // A mount of the user's own takes the place of the donor's.
  const own = [...third, '--tmpfs', '/dev/shm', 'busybox', 'ls', '/dev/shm'];
  assert.equal(await daemon.ok(...own), '');
  await daemon.ok('rm', '-f', 'first', 'second');
});

test('a donor that has taken its /dev/shm away has nothing to give', { skip }, async () => {
  await start('bare', '--ipc', 'shareable', '--privileged');
  await sh('bare', 'umount /dev/shm && ln -s /etc /dev/link && rmdir /dev/shm && mkdir /dev/shm');
  assert.match(await refused('--ipc', 'container:bare'), /cannot join the \/dev\/shm of /);
  await sh('bare', 'rmdir /dev/shm && ln -s /proc /dev/shm');
  assert.match(await refused('--ipc', 'container:bare'), /cannot join the \/dev\/shm of /);
  await daemon.ok('rm', '-f', 'bare');
});

test('explain tells of the join', { skip }, async () => {
  await start('told', '--ipc', 'shareable');
  await start('teller', '--ipc', 'container:told');
  const { json } = await daemon.api('GET', '/coracle/containers/teller/explain');
  assert.match(JSON.stringify(json), /setns\(open\([^;]*ns\/mnt.*CLONE_NEWNS\); open_tree/);
  assert.match(JSON.stringify(json), /The shared memory of the container whose ipc namespace/);
  await daemon.ok('rm', '-f', 'told', 'teller');
});
