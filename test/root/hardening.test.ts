// The default-hardening baseline, audited from inside a container (reference/hardening.md B01-B20).
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readlinkSync as readlinkOf, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { BusyboxHost } from './busybox.ts';

let host: BusyboxHost;
before(() => {
  host = new BusyboxHost();
});
after(async () => {
  await host[Symbol.asyncDispose]();
});

/** "Name: value" lines of /proc/self/status. */
function statusOf(text: string): Map<string, string> {
  return new Map(
    text.split('\n').flatMap((line) => {
      const match = /^(\w+):\s*(.*)$/.exec(line);
      return match === null ? [] : [[match[1] ?? '', match[2] ?? ''] as const];
    }),
  );
}

const STATUS = 'cat /proc/self/status';

test('root has the fourteen default capabilities and no inheritable or ambient ones', async () => {
  const status = statusOf((await host.run(STATUS)).out);
  for (const name of ['CapPrm', 'CapEff', 'CapBnd']) {
    assert.equal(status.get(name), '00000000a80425fb', name);
  }
  assert.equal(status.get('CapInh'), '0000000000000000');
  assert.equal(status.get('CapAmb'), '0000000000000000');
});

test('another user has none, and the bounding set stays', async () => {
  for (const user of ['1000', 'app', '1000:1000']) {
    const status = statusOf((await host.run(STATUS, { process: { user } })).out);
    assert.equal(status.get('CapEff'), '0000000000000000', user);
    assert.equal(status.get('CapPrm'), '0000000000000000', user);
    assert.equal(status.get('CapBnd'), '00000000a80425fb', user);
  }
});

test('capabilities are added and dropped', async () => {
  const added = statusOf((await host.run(STATUS, { security: { capAdd: ['NET_ADMIN'] } })).out);
  assert.equal(added.get('CapEff'), '00000000a80435fb');
  const none = statusOf((await host.run(STATUS, { security: { capDrop: ['ALL'] } })).out);
  assert.equal(none.get('CapEff'), '0000000000000000');
  assert.equal(none.get('CapBnd'), '0000000000000000');
});

test('a filter is loaded, and no_new_privs is off until asked for', async () => {
  const plain = statusOf((await host.run(STATUS)).out);
  assert.equal(plain.get('Seccomp'), '2');
  assert.equal(plain.get('Seccomp_filters'), '1');
  assert.equal(plain.get('NoNewPrivs'), '0');
  const strict = statusOf(
    (await host.run(STATUS, { security: { noNewPrivileges: true }, process: { user: '1000' } }))
      .out,
  );
  assert.equal(strict.get('Seccomp'), '2');
  assert.equal(strict.get('NoNewPrivs'), '1');
  const open = statusOf((await host.run(STATUS, { security: { seccomp: 'unconfined' } })).out);
  assert.equal(open.get('Seccomp'), '0');
});

test('mount, unshare and setns are refused', async () => {
  const { out } = await host.run(
    'mount -t tmpfs x /tmp 2>&1; unshare -n true 2>&1; umount /proc/kcore 2>&1; echo done',
  );
  assert.match(out, /mount: .*(permission denied|Operation not permitted)/i);
  assert.match(out, /unshare.*Operation not permitted/);
  assert.match(out, /done/);
});

test('a custom profile is used', async () => {
  const profile = {
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 1 }],
  };
  const { out, exit } = await host.run('mkdir /tmp/x 2>&1', { security: { seccomp: { profile } } });
  assert.match(out, /Operation not permitted/);
  assert.equal(exit.exitCode, 1);
});

test('masked files are empty, masked directories are empty and cannot be written', async () => {
  const { out } = await host.run(
    'for f in /proc/acpi /proc/asound /proc/scsi /sys/firmware /sys/devices/virtual/powercap; do' +
      ' test -d $f && echo "dir $f $(ls -A $f | wc -l)" && touch $f/x 2>&1; done;' +
      'for f in /proc/kcore /proc/keys /proc/timer_list /proc/interrupts /proc/sched_debug; do' +
      ' test -e $f && echo "file $f $(head -c 10 $f | wc -c)"; done; true',
  );
  const lines = out.trim().split('\n');
  assert.ok(
    lines.some((line) => line.startsWith('file /proc/keys')),
    out,
  );
  for (const line of lines) {
    if (line.startsWith('dir') || line.startsWith('file')) assert.match(line, / 0$/);
    else assert.match(line, /Read-only file system|No space left/);
  }
});

test('kernel settings can be read and not written', async () => {
  const { out } = await host.run(
    'cat /proc/sys/kernel/hostname; echo x > /proc/sys/kernel/hostname; ' +
      'echo x > /proc/sys/kernel/core_pattern; echo b > /proc/sysrq-trigger; true',
  );
  assert.equal(out, 'c0ffee\n');
  const { err } = await host.run('echo x > /proc/sys/kernel/core_pattern');
  assert.match(err, /Read-only file system/);
});

test('the mounts are those of the baseline, with no path of the host beyond three files', async () => {
  const { out } = await host.run('cat /proc/self/mountinfo');
  const mounts = out
    .trim()
    .split('\n')
    .map((line) => {
      const [left = '', right = ''] = line.split(' - ');
      const [, , , root = '', target = '', options = '', ...tags] = left.split(' ');
      return { root, target, options, tags, type: right.split(' ')[0] ?? '', super: right };
    });
  const find = (target: string) => mounts.findLast((mount) => mount.target === target);
  assert.equal(find('/')?.type, 'overlay');
  assert.match(find('/')?.options ?? '', /^rw/);
  assert.equal(find('/proc')?.options, 'rw,nosuid,nodev,noexec,relatime');
  assert.match(find('/dev')?.options ?? '', /^rw,nosuid/);
  assert.match(find('/dev')?.super ?? '', /size=65536k,mode=755/);
  assert.match(find('/dev/pts')?.options ?? '', /^rw,nosuid,noexec/);
  assert.match(find('/dev/pts')?.super ?? '', /gid=5,mode=620,ptmxmode=666/);
  assert.match(find('/dev/shm')?.options ?? '', /^rw,nosuid,nodev,noexec/);
  assert.match(find('/dev/shm')?.super ?? '', /size=65536k/);
  assert.match(find('/dev/mqueue')?.options ?? '', /^rw,nosuid,nodev,noexec/);
  assert.match(find('/sys')?.options ?? '', /^ro,nosuid,nodev,noexec/);
  assert.match(find('/sys/fs/cgroup')?.options ?? '', /^ro,nosuid,nodev,noexec/);
  for (const path of ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys']) {
    assert.match(find(path)?.options ?? '', /^ro,nosuid,nodev,noexec/, path);
  }
  for (const mount of mounts) {
    assert.ok(!mount.tags.some((tag) => tag.startsWith('shared:')), `${mount.target} is shared`);
    const bound = mount.type !== 'proc' && mount.type !== 'cgroup' && mount.root !== '/';
    if (!bound) continue;
    const known =
      ['/etc/hosts', '/etc/hostname', '/etc/resolv.conf'].includes(mount.target) ||
      mount.root === '/null';
    assert.ok(known, `${mount.root} is mounted at ${mount.target}`);
  }
  const targets = mounts.map((mount) => mount.target);
  assert.equal(new Set(targets).size, targets.length, 'nothing is mounted twice');
});

test('/dev has the harmless devices and links, and no console without a terminal', async () => {
  const { out } = await host.run('cd /dev; for f in *; do stat -c "%n %F %t:%T %a" $f; done');
  const lines = out
    .trim()
    .split('\n')
    .filter((line) => !line.startsWith('core '));
  assert.deepEqual(
    lines.map((line) => line.split(' ')[0]),
    [
      'fd',
      'full',
      'mqueue',
      'null',
      'ptmx',
      'pts',
      'random',
      'shm',
      'stderr',
      'stdin',
      'stdout',
      'tty',
      'urandom',
      'zero',
    ],
  );
  assert.ok(out.includes('null character special file 1:3 666'), out);
  assert.ok(out.includes('tty character special file 5:0 666'), out);
});

test('the device cgroup allows making any node and opening none of the host', async () => {
  const { out } = await host.run(
    'mknod /tmp/sda b 8 0 && echo made; head -c 1 /tmp/sda 2>&1; ' +
      'mknod /tmp/fuse c 10 229; cat /tmp/fuse; head -c 4 /dev/zero | wc -c',
  );
  assert.match(out, /^made\n/);
  assert.match(out, /sda: Operation not permitted/);
  assert.match(out, /\n4\n$/);
});

test("each namespace is the container's own", async () => {
  const { out } = await host.run(
    'for n in mnt pid net ipc uts time cgroup user; do readlink /proc/self/ns/$n; done',
  );
  const inside = new Map(
    out
      .trim()
      .split('\n')
      .map((line) => {
        const [type = '', id = ''] = line.split(':');
        return [type, id] as const;
      }),
  );
  for (const name of ['mnt', 'pid', 'net', 'ipc', 'uts', 'time']) {
    assert.notEqual(inside.get(name), hostNamespace(name), name);
  }
  for (const name of ['cgroup', 'user']) assert.equal(inside.get(name), hostNamespace(name), name);
});

function hostNamespace(name: string): string {
  return readlinkOf(`/proc/self/ns/${name}`).split(':')[1] ?? '';
}

test('the process is in its own cgroups', async () => {
  const { out } = await host.run('cat /proc/self/cgroup');
  // An engine may have mounted one more, which stays for as long as anything of it is in use.
  const known = new Set(host.facts.cgroups.hierarchies.flatMap(({ controllers }) => controllers));
  const lines = out.trim().split('\n');
  const ours = lines.filter((line) => {
    const [, controllers = ''] = line.split(':');
    return controllers === '' || controllers.split(',').some((each) => known.has(each));
  });
  assert.ok(ours.length > 0);
  for (const line of ours) assert.match(line, /:\/coracle-runtime-\w+\/t\d+x\d+$/);
});

test('with a cgroup namespace its cgroup is the root', async () => {
  const private_ = { namespaces: { cgroup: { mode: 'private' } } } as const;
  const { out } = await host.run('cat /proc/self/cgroup; ls /sys/fs/cgroup', private_);
  for (const line of out.split('\n').filter((each) => /^\d/.test(each))) assert.match(line, /:\/$/);
});

test('limits are applied, and the kernel says so', async () => {
  const resources = { memory: 64 * 1024 * 1024, pidsLimit: 20, nanoCpus: 500_000_000 };
  const { out } = await host.run(
    'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max;' +
      'cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max;' +
      'cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max; true',
    { cgroup: { parent: '', resources } },
  );
  assert.match(out, /^67108864\n20\n50000/);
});

test('a process that takes too much memory is killed, and the exit says so', async () => {
  const { exit } = await host.run('exec dd if=/dev/zero of=/dev/null bs=64M count=1', {
    cgroup: { parent: '', resources: { memory: 8 * 1024 * 1024, memorySwap: 8 * 1024 * 1024 } },
  });
  assert.equal(exit.exitCode, 137);
  assert.equal(exit.oomKilled, true);
});

test('uid, umask, cwd, environment and descriptors are the plain ones', async () => {
  const { out } = await host.run(
    'id -u; umask; pwd; env | sort; ls /proc/self/fd | wc -l; ls -l /proc/self/fd',
  );
  assert.match(out, /^0\n0022\n\/\nHOME=\/root\nHOSTNAME=c0ffee\nPATH=[^\n]*\n/);
  assert.match(out, /0 -> \/dev\/null/);
});

test('no signal is blocked or ignored, and oom_score_adj is 0', async () => {
  // Not by a shell, which ignores SIGQUIT itself.
  const argv = ['cat', '/proc/self/status', '/proc/self/oom_score_adj'];
  for (const init of [false, true]) {
    const { out } = await host.run('', { process: { argv, init } });
    const status = statusOf(out);
    assert.equal(status.get('SigBlk'), '0000000000000000');
    assert.equal(status.get('SigIgn'), '0000000000000000');
    assert.match(out, /\n0\n$/);
  }
});

test('unprivileged users may ping and bind low ports in a network of their own', async () => {
  const { out } = await host.run(
    'cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range',
  );
  assert.equal(out, '0\n0\t2147483647\n');
});

test('--read-only: the root and the files in /etc are read-only, the rest stays writable', async () => {
  const { out } = await host.run(
    'for f in /x /etc/hosts /tmp/x /dev/shm/x /dev/x /t/x; do echo > $f 2>/dev/null && echo "rw $f"; done; pwd',
    {
      root: { readonly: true },
      mounts: [{ kind: 'tmpfs', target: '/t', options: [] }],
      process: { cwd: '/made/here' },
    },
  );
  assert.equal(out, 'rw /dev/shm/x\nrw /dev/x\nrw /t/x\n/made/here\n');
});

test('--privileged: all capabilities, no filter, no masks, writable /sys, own namespaces', async () => {
  const { out } = await host.run(
    'cat /proc/self/status; mount -t tmpfs x /tmp && echo mounted; cat /proc/self/mountinfo',
    { security: { privileged: true } },
  );
  const status = statusOf(out);
  const own = statusOf(readFileSync('/proc/self/status', 'utf8'));
  assert.equal(status.get('CapEff'), own.get('CapBnd'));
  assert.equal(status.get('Seccomp'), '0');
  assert.match(out, /mounted/);
  assert.doesNotMatch(out, / \/proc\/sys /);
  assert.match(out, / \/sys rw,/);
});

test('nothing is left of a container that has ended', async () => {
  await host.run('true');
  const left = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(host.directory));
  assert.deepEqual(left, []);
  for (const { mountpoint } of host.facts.cgroups.hierarchies) {
    assert.ok(!existsSync(join(mountpoint, host.parent, `t${process.pid}x1`)), mountpoint);
  }
});

test('a bind is read-only, all below it too, and a file is bound as a file', async () => {
  const file = join(host.directory, 'shared-file');
  writeFileSync(file, 'content\n');
  const { out, err } = await host.run('cat /h; echo > /h', {
    mounts: [
      {
        kind: 'bind',
        source: file,
        target: '/h',
        file: true,
        readonly: true,
        recursive: true,
        recursiveReadonly: 'yes',
        propagation: 'rprivate',
      },
    ],
  });
  assert.equal(out, 'content\n');
  assert.match(err, /Read-only file system/);
});
