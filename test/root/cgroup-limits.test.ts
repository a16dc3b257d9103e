// Every limit (limit-rows.ts): set at create, read back from the kernel, its effect measured,
// changed live, taken away; where the kernel has none of a limit's controllers, the engine must say
// so. Then what a row cannot say: refusals, disks between two containers, the words of the docker
// CLI.
// Alone: what a limit leaves of the processor and of a disk is measured.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkRow, makeDisk, mountHugePages, unmountHugePages } from './limit-check.ts';
import {
  canMount,
  hostMounts,
  type Json,
  type LimitedContainer,
  LimitHost,
  until,
  versionOf,
} from './limit-host.ts';
import { CPU_ROWS, type Disk, MIB, ROWS, WAIT } from './limit-rows.ts';
import { checkDeviceWeights, checkSharing } from './limit-weights.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root';
/** Of version 2, weights are tried in the kernel that has bfq (test/cgroup2/debian-rows.ts). */
const noBlkio = versionOf('blkio') !== 1 ? 'needs the blkio hierarchy' : false;

let host: LimitHost;
let disk: Disk;
let folder: string;
/** A mount of hugetlbfs, where the machine has room for the pages. */
let hugePages: string | undefined;

before(async () => {
  if (skip) return;
  folder = mkdtempSync(join(tmpdir(), 'coracle-limits-'));
  host = await LimitHost.start(['--cpu-rt-runtime', '200000']);
  disk = makeDisk(folder);
  if (versionOf('hugetlb') !== 0 || canMount('hugetlb')) hugePages = mountHugePages(folder);
});

after(async () => {
  if (skip) return;
  await host?.[Symbol.asyncDispose]();
  if (disk !== undefined) execFileSync('losetup', ['-d', disk.path]);
  if (hugePages !== undefined) unmountHugePages(hugePages);
  rmSync(folder, { recursive: true, force: true });
});

test('every limit is set, kept by the kernel, changed live and taken away', { skip }, async (t) => {
  const rows = ROWS.map(async (make) => {
    const row = make({ disk, hugePages });
    await t.test(row.name, () => checkRow(host, row));
  });
  const inTurn = async (): Promise<void> => {
    for (const make of CPU_ROWS) {
      const row = make({ disk, hugePages });
      await t.test(row.name, () => checkRow(host, row));
    }
  };
  await Promise.all([...rows, inTurn()]);
});

test('an update is whole or nothing: what was written before a refusal is taken back', {
  skip: skip || (versionOf('cpu') !== 1 ? 'needs real-time groups, which are of version 1' : false),
}, async () => {
  const limits = { Memory: 64 * MIB, MemorySwap: 64 * MIB, CpuShares: 300, PidsLimit: 50 };
  const container = await host.run(WAIT, { ...limits, NetClassId: 5 });
  const kept = () => [
    container.read('memory', 'memory.limit_in_bytes'),
    container.read('memory', 'memory.memsw.limit_in_bytes'),
    container.read('cpu', 'cpu.shares'),
    container.read('pids', 'pids.max'),
    container.read('devices', 'devices.list'),
    container.read('net_cls', 'net_cls.classid'),
  ];
  const [before, shown] = [kept(), (await container.inspect()).HostConfig];
  // More real-time than all containers together have: the last of the writes.
  const wish = {
    Memory: 32 * MIB,
    MemorySwap: 128 * MIB,
    CpuShares: 700,
    PidsLimit: 70,
    DeviceCgroupRules: ['c 10:229 rw'],
    NetClassId: 6,
    Unset: ['BlkioWeight'],
    CpuRealtimeRuntime: 900_000,
  };
  await assert.rejects(
    () => container.update(wish),
    /cannot write "900000" to \/.*\/cpu\.rt_runtime_us: EINVAL/,
  );
  assert.deepEqual(kept(), before);
  assert.deepEqual((await container.inspect()).HostConfig, shown);
  // The same, without what was refused.
  await container.update({ ...wish, CpuRealtimeRuntime: 0 });
  assert.deepEqual(kept().slice(0, 4), [`${32 * MIB}`, `${128 * MIB}`, '700', '70']);
  await container.remove();
});

test('what no kernel keeps is told of, and a runtime that passes over a limit is helped', {
  skip,
}, async (t) => {
  const make = async (limits: Json): Promise<string> => {
    const made = await host.call('POST', '/containers/create', {
      Image: 'busybox',
      HostConfig: limits,
    });
    await host.call('DELETE', `/containers/${String(made['Id'])}`);
    return (made['Warnings'] as string[]).join();
  };
  const kernel = await make({ KernelMemory: 32 * MIB, KernelMemoryTCP: 32 * MIB });
  assert.match(kernel, /kernel memory limit capabilities.* discarded.*kernel memory TCP limit/);
  assert.equal(
    await make({ CpuPercent: 50 }),
    'linux does not support CPU percent. Percent discarded.',
  );
  const bad = { Memory: 64 * MIB, MemorySwap: -5 };
  await assert.rejects(() => make(bad), /Invalid value: -5, memoryswap is -1 for no limit/);
  if (spawnSync('runc', ['--version']).status !== 0) return t.skip('needs runc');
  // Debian's runc 1.1 knows neither.
  const burst = versionOf('cpu') === 1 ? 'cpu.cfs_burst_us' : 'cpu.max.burst';
  const other = { Runtime: 'runc', CpuQuota: 50_000, CpuBurst: 1000, CpuIdle: true };
  const container = await host.run(WAIT, other);
  try {
    assert.equal(container.read('cpu', burst), '1000');
    assert.equal(container.read('cpu', 'cpu.idle'), '1');
  } finally {
    await container.remove();
  }
});

test('a limit below what is used is refused, and nobody is killed for it', {
  skip: skip || (versionOf('memory') === 0 ? 'needs the memory controller' : false),
}, async () => {
  const limits = { Memory: 64 * MIB, MemorySwap: 64 * MIB };
  const container = await host.run(WAIT, limits);
  const version = versionOf('memory');
  const file = version === 1 ? 'memory.limit_in_bytes' : 'memory.max';
  // Shared memory cannot be reclaimed without swap.
  assert.equal((await container.shell('dd if=/dev/zero of=/dev/shm/x bs=1M count=32')).code, 0);
  await assert.rejects(
    () => container.update({ Memory: 16 * MIB, MemorySwap: 16 * MIB }),
    new RegExp(`cannot write "${16 * MIB}" to /.*/${file}: EBUSY`),
  );
  assert.equal(container.read('memory', file), String(64 * MIB));
  const { HostConfig, State } = await container.inspect();
  assert.deepEqual(
    [HostConfig['Memory'], State['OOMKilled'], State['Running']],
    [64 * MIB, false, true],
  );
  await container.shell('rm /dev/shm/x');
  await container.update({ Memory: 16 * MIB, MemorySwap: 16 * MIB });
  assert.equal(container.read('memory', file), String(16 * MIB));
  await container.remove();
});

test(
  'weights of disks hold where the scheduler is bfq, and are refused by name where not',
  {
    skip: skip || noBlkio,
  },
  () => checkDeviceWeights(host, disk),
);

test(
  'two containers share a disk by their weights, which change live',
  {
    skip: skip || noBlkio,
  },
  () => checkSharing(host, disk),
);

test('packets have the priority of their interface, for containers in the network of the host', {
  skip: skip || (versionOf('net_prio') === 1 || canMount('net_prio') ? false : 'needs net_prio'),
}, async () => {
  // ifpriomap knows the interfaces of the first network namespace alone, which is not the host of
  // this test's engine: so the packets come from a process of ours in the cgroup of the container.
  const name = `prio${process.pid % 100_000}`;
  const run = (command: string): string =>
    execFileSync('sh', ['-c', command], { encoding: 'utf8' });
  run(`ip link add ${name} type veth peer name ${name}p && ip link set ${name}p up`);
  try {
    run(
      `ip address add 10.251.7.1/24 dev ${name}; ip link set ${name} up; ` +
        `ip neighbour add 10.251.7.2 lladdr 02:00:00:00:00:02 dev ${name}; ` +
        `tc qdisc add dev ${name} root handle 10: htb default 1; ` +
        `tc class add dev ${name} parent 10: classid 10:1 htb rate 10mbit; ` +
        `tc class add dev ${name} parent 10: classid 10:5 htb rate 10mbit`,
    );
    // A priority that is a class of the queue goes there (tc-htb(8), "CLASSIFICATION").
    const [other, wanted] = [3, 0x10_0005];
    const container = await host.run(WAIT, { NetworkMode: 'host', NetPrio: { [name]: other } });
    const map = () => container.read('net_prio', 'net_prio.ifpriomap').split('\n');
    const counted = (): number => {
      const shown = run(`tc -s class show dev ${name} classid 10:5`);
      return Number(/Sent \d+ bytes (\d+) pkt/.exec(shown)?.[1]);
    };
    const send = (): string =>
      run(
        `echo 0 > ${container.directory('net_prio')}/tasks; ` +
          'busybox ping -c 1 -W 1 10.251.7.2 > /dev/null; :',
      );
    assert.ok(map().includes(`${name} ${other}`));
    await container.update({ NetPrio: { [name]: wanted } });
    assert.ok(map().includes(`${name} ${wanted}`));
    const before = counted();
    send();
    assert.equal(counted(), before + 1);
    await container.update({ Unset: ['NetPrio'] });
    assert.ok(map().includes(`${name} 0`));
    send();
    assert.equal(counted(), before + 1);
    await assert.rejects(
      () => container.update({ NetPrio: { 'no-such-if': 1 } }),
      /cannot write "no-such-if 1" to \/.*\/net_prio\.ifpriomap: ENODEV/,
    );
    await container.remove();
    await assert.rejects(
      () => host.run(WAIT, { NetPrio: { [name]: 3 } }),
      /conflicting options: NetPrio names interfaces of the host/,
    );
  } finally {
    execFileSync('ip', ['link', 'delete', `${name}p`]);
  }
});

test('disks are named by any path of theirs, and what is no disk is refused by name', {
  skip,
}, async () => {
  if (versionOf('blkio') !== 1 && versionOf('io') !== 2) return;
  const rate = (path: string): Json => ({ BlkioDeviceReadBps: [{ Path: path, Rate: MIB }] });
  const container = await host.run(WAIT, {});
  const missing = join(folder, 'none');
  await assert.rejects(
    () => container.update(rate(missing)),
    new RegExp(`stat ${missing}: no such file or directory`),
  );
  await assert.rejects(() => container.update(rate('/dev/null')), /\/dev\/null is no block device/);
  const link = join(folder, 'link');
  symlinkSync(disk.path, link);
  await container.update(rate(link));
  const version = versionOf('blkio') === 1 ? 1 : 2;
  const file = version === 1 ? 'blkio.throttle.read_bps_device' : 'io.max';
  assert.ok(container.read(version === 1 ? 'blkio' : 'io', file).startsWith(disk.numbers));
  await container.remove();
  // As Docker: made without a word, refused at the start.
  await assert.rejects(() => host.run(WAIT, rate(missing)), /no such file or directory/);
});

test('the docker CLI sets, shows and changes what it has words for', { skip }, async (t) => {
  if (spawnSync('docker', ['--version']).status !== 0) return t.skip('needs the docker CLI');
  const { daemon } = host;
  const rates = ['--device-read-bps', `${disk.path}:1mb`, '--device-write-iops', `${disk.path}:50`];
  await daemon.ok(
    ...['run', '-d', '--name', 'limited', '--network', 'none', '-m', '64m', '--cpus', '0.5'],
    ...['--memory-reservation', '32m', '--pids-limit', '20', ...rates, 'busybox', 'sleep', '1000'],
  );
  const show = async (...fields: readonly string[]): Promise<readonly unknown[]> => {
    const format = fields.map((field) => `{{json .HostConfig.${field}}}`).join('\n');
    const text = await daemon.ok('inspect', '--format', format, 'limited');
    return text.split('\n').map((line) => JSON.parse(line) as unknown);
  };
  assert.deepEqual(
    await show('Memory', 'MemorySwap', 'NanoCpus', 'BlkioDeviceReadBps', 'BlkioDeviceWriteIOps'),
    [64 * MIB, 128 * MIB, 5e8, [{ Path: disk.path, Rate: MIB }], [{ Path: disk.path, Rate: 50 }]],
  );
  const update = (...argv: readonly string[]) => daemon.docker('update', ...argv, 'limited');
  assert.deepEqual(await update('--cpus', '1', '--pids-limit', '30', '--cpu-shares', '300'), {
    code: 0,
    stdout: 'limited\n',
    stderr: '',
  });
  await daemon.ok('update', '-m', '96m', '--memory-swap', '-1', '--restart', 'no', 'limited');
  // What it was warned of when it was made is no news.
  const made = await daemon.docker('create', '--name', 'warned', '--oom-kill-disable', 'busybox');
  assert.match(made.stderr, /OOM killer is disabled|OomKillDisable discarded/);
  const { stdout, stderr } = await daemon.docker('update', '--cpu-shares', '300', 'warned');
  assert.deepEqual([stdout, stderr], ['warned\n', '']);
  await daemon.ok('rm', 'warned');
  const fields = ['NanoCpus', 'PidsLimit', 'CpuShares', 'Memory', 'MemorySwap'];
  assert.deepEqual(await show(...fields), [1e9, 30, 300, 96 * MIB, -1]);
  const id = await daemon.ok('inspect', '--format', '{{.Id}}', 'limited');
  for (const [argv, text] of [
    [
      ['--cpu-quota', '50000'],
      `Cannot update container ${id}: Conflicting options: CPU Quota cannot be updated as NanoCPUs ` +
        'has already been set',
    ],
    [['-m', '4m'], 'Minimum memory limit allowed is 6MB'],
    [['--cpus', '500'], `Range of CPUs is from 0.01 to`],
  ] as const) {
    const { code, stderr } = await update(...argv);
    assert.deepEqual(
      [code, stderr.includes(`Error response from daemon: ${text}`)],
      [1, true],
      stderr,
    );
  }
  assert.deepEqual(await show(...fields), [1e9, 30, 300, 96 * MIB, -1]);
  // Below the reservation of before, which dockerd takes too, but could not start again.
  await daemon.ok('update', '-m', '24m', '--memory-swap', '24m', 'limited');
  await daemon.ok('restart', '-t', '0', 'limited');
  assert.deepEqual(await show('Memory', 'MemoryReservation'), [24 * MIB, 32 * MIB]);
  await daemon.ok('rm', '-f', 'limited');
});

test('a paused container makes no progress, and its limits can be changed meanwhile', {
  skip,
}, async () => {
  const container = await host.run('n=0; while :; do n=$((n+1)); echo $n > /tmp/n; done', {});
  const file = `/proc/${container.pid}/root/tmp/n`;
  const progress = () => readFileSync(file, 'utf8');
  await until('it counts', () => existsSync(file) && Number(progress()) > 10);
  await host.call('POST', `/containers/${container.id}/pause`);
  const frozen = progress();
  await container.update({ PidsLimit: 17 });
  await sleep(100);
  assert.equal(progress(), frozen);
  await host.call('POST', `/containers/${container.id}/unpause`);
  await until('it counts on', () => Number(progress()) > Number(frozen) + 10);
  await container.remove();
});

test('a cgroup namespace of its own shows the container the root of each hierarchy', {
  skip,
}, async () => {
  const own = await host.run(WAIT, { CgroupnsMode: 'private' });
  const inside = async (container: LimitedContainer): Promise<string[]> => {
    const { out } = await container.shell('cat /proc/self/cgroup');
    return out
      .trim()
      .split('\n')
      .map((line) => line.replace(/^\d+:[^:]*:/, ''));
  };
  assert.deepEqual([...new Set(await inside(own))], ['/']);
  const shared = await host.run(WAIT, { CgroupnsMode: 'host' });
  const parent = host.daemon.engine.cgroupParent;
  assert.ok((await inside(shared)).includes(`${parent}/${shared.id}`));
  await Promise.all([own.remove(), shared.remove()]);
});

test('a hierarchy that was mounted for one container is left by it and goes with the daemon', {
  skip:
    skip || (canMount('net_cls') && !hostMounts('net_cls') ? false : 'needs net_cls, not mounted'),
}, async () => {
  const own = await LimitHost.start();
  const mounted = () =>
    readFileSync('/proc/self/mountinfo', 'utf8').includes(
      `${own.daemon.engine.directory}/run/cgroup`,
    );
  try {
    const plain = await own.run(WAIT, {});
    assert.equal(mounted(), false);
    // Live, for processes that run already, and for those that come later.
    await plain.update({ NetClassId: 7 });
    assert.equal(mounted(), true);
    const members = () => plain.read('net_cls', 'tasks').split('\n');
    assert.ok(members().includes(String(plain.pid)));
    assert.match((await plain.shell('cat /proc/self/cgroup')).out, /net_cls:\/.*[0-9a-f]{64}/);
    const directory = plain.directory('net_cls');
    await plain.remove();
    await until('the cgroup is removed', () => !existsSync(directory));
  } finally {
    await own[Symbol.asyncDispose]();
  }
  assert.equal(mounted(), false);
});
