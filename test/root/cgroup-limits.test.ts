// Every limit (limit-rows.ts): set at create, read back from the kernel, its effect measured,
// changed live, taken away; where the kernel has none of a limit's controllers, the engine must say
// so. Then what a row cannot say: refusals, disks between two containers, the words of the docker
// CLI.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  canMount,
  hostMounts,
  type Json,
  type LimitedContainer,
  LimitHost,
  until,
  versionOf,
} from './limit-host.ts';
import {
  CPU_ROWS,
  count,
  type Disk,
  MIB,
  type Row,
  ROWS,
  type Stage,
  WAIT,
  withDisk,
} from './limit-rows.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root';

/** Of version 1, mounted by the engine where the host has not; others go by what is mounted. */
const ON_DEMAND = new Set(['net_cls', 'net_prio', 'hugetlb']);

let host: LimitHost;
let disk: Disk;
let folder: string;
/** A mount of hugetlbfs, where the machine has room for the pages. */
let hugePages: string | undefined;
const POOL = '/proc/sys/vm/nr_hugepages';
const POOL_PAGES = 4;
const RATIO_TRIES_MAX = 8;

before(async () => {
  if (skip) return;
  folder = mkdtempSync(join(tmpdir(), 'coracle-limits-'));
  host = await LimitHost.start(['--cpu-rt-runtime', '200000']);
  disk = makeDisk();
  if (versionOf('hugetlb') !== 0 || canMount('hugetlb')) hugePages = mountHugePages();
});

after(async () => {
  if (skip) return;
  await host?.[Symbol.asyncDispose]();
  if (disk !== undefined) execFileSync('losetup', ['-d', disk.path]);
  if (hugePages !== undefined) unmountHugePages(hugePages);
  rmSync(folder, { recursive: true, force: true });
});

/** A disk of our own, so that its throttles and weights are nobody else's. */
function makeDisk(): Disk {
  const file = join(folder, 'disk');
  writeFileSync(file, '');
  truncateSync(file, 64 * MIB);
  const path = execFileSync('losetup', ['-f', '--show', file], { encoding: 'utf8' }).trim();
  const block = `/sys/block/${path.slice('/dev/'.length)}`;
  // Of whoever had this loop device before.
  writeFileSync(`${block}/queue/scheduler`, 'none');
  return { path, numbers: readFileSync(`${block}/dev`, 'utf8').trim() };
}

function mountHugePages(): string | undefined {
  const before = Number(readFileSync(POOL, 'utf8'));
  const resize = (pages: number): void => writeFileSync(POOL, String(pages));
  resize(before + POOL_PAGES);
  // The kernel gives as many as it finds room for.
  if (Number(readFileSync(POOL, 'utf8')) < before + POOL_PAGES) {
    resize(before);
    return undefined;
  }
  const path = join(folder, 'huge');
  mkdirSync(path);
  execFileSync('mount', ['-t', 'hugetlbfs', '-o', 'pagesize=2M', 'none', path]);
  return path;
}

function unmountHugePages(path: string): void {
  execFileSync('umount', [path]);
  writeFileSync(POOL, String(Number(readFileSync(POOL, 'utf8')) - POOL_PAGES));
}

/** Which version keeps a row here; undefined when none does. */
function placeOf(row: Row): { readonly version: 1 | 2; readonly controller: string } | undefined {
  for (const version of [1, 2] as const) {
    const controller = row.controller[version];
    if (controller === undefined || row.files[version] === undefined) continue;
    const there = versionOf(controller);
    if (there === version) return { version, controller };
    const onDemand = version === 1 && there === 0 && ON_DEMAND.has(controller);
    if (onDemand && canMount(controller)) return { version, controller };
  }
  return undefined;
}

function checkFiles(
  container: LimitedContainer,
  row: Row,
  stage: Stage,
  { version, controller }: { readonly version: 1 | 2; readonly controller: string },
): void {
  for (const [file, values] of Object.entries(row.files[version] ?? {})) {
    if (row.loose?.includes(file) === true) continue;
    assert.equal(container.read(controller, file), values[stage], `${file} at stage ${stage}`);
  }
}

async function checkInspect(container: LimitedContainer, wish: Json): Promise<void> {
  const { HostConfig } = await container.inspect();
  for (const [field, value] of Object.entries(wish)) {
    if (field === 'Unset') {
      for (const name of value as readonly string[]) {
        const shown = HostConfig[name] ?? 0;
        const nothing = Array.isArray(shown) ? shown.length === 0 : !shown;
        assert.ok(nothing, `${name} is ${JSON.stringify(shown)}`);
      }
    } else if (!isNothing(value)) assert.deepEqual(HostConfig[field], value, field);
  }
}

/** What a client says to take a limit away is not shown. */
function isNothing(value: unknown): boolean {
  if (Array.isArray(value)) return value.some((each: { Rate?: number }) => each.Rate === 0);
  return value === -1 || value === false;
}

/** A limit that no hierarchy here keeps is never passed over in silence. */
async function checkRefused({ name, wishes }: Row): Promise<void> {
  const container = await host.run(WAIT, {});
  try {
    const wish = Object.values(wishes[0]).some((value) => value === false) ? wishes[1] : wishes[0];
    const said = await container.update(wish).catch((error: Error) => [error.message]);
    assert.match(said.join('\n'), /cannot be set: .*|Your kernel does not support/, name);
    const { HostConfig } = await container.inspect();
    if (/cannot be set/.test(said.join())) assert.ok(!HostConfig[Object.keys(wish)[0] ?? '']);
  } finally {
    await container.remove();
  }
}

async function checkRow(row: Row): Promise<void> {
  const place = placeOf(row);
  const [created, ...changes] = row.wishes;
  if (place === undefined) return checkRefused(row);
  const container = await host.run(row.script ?? WAIT, { ...row.host, ...created });
  try {
    for (const [stage, wish] of [created, ...changes].entries()) {
      if (stage > 0) assert.deepEqual(await container.update(wish), []);
      checkFiles(container, row, stage as Stage, place);
      await checkInspect(container, wish);
      await row.effect?.(container, stage as Stage, place.version);
    }
  } finally {
    await container.remove();
  }
}

test('every limit is set, kept by the kernel, changed live and taken away', { skip }, async (t) => {
  const rows = ROWS.map(async (make) => {
    const row = make({ disk, hugePages });
    await t.test(row.name, () => checkRow(row));
  });
  const inTurn = async (): Promise<void> => {
    for (const make of CPU_ROWS) {
      const row = make({ disk, hugePages });
      await t.test(row.name, () => checkRow(row));
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

test('weights of disks hold where the scheduler is bfq, and are refused by name where not', {
  skip: skip || (versionOf('blkio') !== 1 ? 'needs the blkio hierarchy' : false),
}, async () => {
  const scheduler = `/sys/block/${disk.path.slice(5)}/queue/scheduler`;
  const weights = (weight: number): Json => ({
    BlkioWeightDevice: [{ Path: disk.path, Weight: weight }],
  });
  const container = await host.run(WAIT, { BlkioWeight: 200 });
  const read = (file: string) => container.read('blkio', `blkio.bfq.${file}`);
  assert.equal(read('weight'), '200');
  await assert.rejects(
    () => container.update(weights(300)),
    /cannot write "\d+:\d+ 300" to \/.*\/blkio\.bfq\.weight_device: ENOTSUP/,
  );
  writeFileSync(scheduler, 'bfq');
  try {
    await container.update(weights(300));
    assert.equal(read('weight_device'), `default 200\n${disk.numbers} 300`);
    await container.update({ ...weights(0), BlkioWeight: 400 });
    assert.equal(read('weight_device'), 'default 400');
    await container.update({ Unset: ['BlkioWeight'] });
    assert.equal(read('weight'), '100');
  } finally {
    writeFileSync(scheduler, 'none');
    await container.remove();
  }
});

test('two containers share a disk by their weights, which change live', {
  skip: skip || (versionOf('blkio') !== 1 ? 'needs the blkio hierarchy' : false),
}, async () => {
  const queue = `/sys/block/${disk.path.slice(5)}/queue`;
  writeFileSync(`${queue}/scheduler`, 'bfq');
  const read = 'while :; do dd if=/dev/disk of=/dev/null bs=64k iflag=direct 2>/dev/null; done';
  const [a, b] = await Promise.all(
    [1000, 100].map((BlkioWeight) => host.run(read, { ...withDisk(disk), BlkioWeight })),
  );
  assert.ok(a && b);
  try {
    const readBytes = (container: LimitedContainer): number => {
      const text = container.read('blkio', 'blkio.throttle.io_service_bytes');
      return count(text, `${disk.numbers} Read`);
    };
    /** Where the CPU is short, the disk is not, and both have the same: looks again. */
    const checkRatio = async (what: string, isRight: (ratio: number) => boolean) => {
      const seen: number[] = [];
      while (!isRight(seen.at(-1) ?? 1)) {
        assert.ok(seen.length < RATIO_TRIES_MAX, `${what}: ${seen.join(' ')}`);
        const before = [readBytes(a), readBytes(b)];
        await sleep(500);
        seen.push((readBytes(a) - (before[0] ?? 0)) / (readBytes(b) - (before[1] ?? 0)));
      }
    };
    await until('both read', () => readBytes(a) > 0 && readBytes(b) > 0);
    await checkRatio('1000 beside 100', (ratio) => ratio > 1.7);
    await Promise.all([a.update({ BlkioWeight: 100 }), b.update({ BlkioWeight: 1000 })]);
    await checkRatio('100 beside 1000', (ratio) => ratio < 0.6);
  } finally {
    await Promise.all([a.remove(), b.remove()]);
    writeFileSync(`${queue}/scheduler`, 'none');
  }
});

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
