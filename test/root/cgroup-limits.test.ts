// Every limit, one row a limit: set at create, read back from the kernel, its effect measured,
// changed live, taken away. A row has the files of both versions of cgroups and is run on whichever
// a controller is bound to; where the kernel has neither, the engine must say so.
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

const MIB = 1 << 20;
const SPIN = 'while :; do :; done';
const WAIT = 'while :; do sleep 1000; done';
const skip = process.getuid?.() === 0 ? false : 'needs root';

/** At create, after an update, and after the limit was taken away. */
/** Of version 1, mounted by the engine where the host has not; others go by what is mounted. */
const ON_DEMAND = new Set(['net_cls', 'net_prio', 'hugetlb']);

type Stage = 0 | 1 | 2;
type Values = readonly [created: string, updated: string, removed: string];

type Row = {
  readonly name: string;
  readonly controller: { readonly 1?: string; readonly 2?: string };
  readonly files: {
    readonly 1?: Readonly<Record<string, Values>>;
    readonly 2?: Readonly<Record<string, Values>>;
  };
  /** Bodies: of HostConfig, of the update, and of the one that takes away. */
  readonly wishes: readonly [Json, Json, Json];
  /** What else the container is made with. */
  readonly host?: Json;
  readonly script?: string;
  readonly effect?: (container: LimitedContainer, stage: Stage, version: 1 | 2) => Promise<void>;
  /** A value that the kernel changes by itself at times. */
  readonly loose?: readonly string[];
};

const UNLIMITED_1 = '9223372036854771712';

let host: LimitHost;
let disk: { readonly path: string; readonly numbers: string };
let folder: string;
/** A mount of hugetlbfs, where the machine has room for the pages. */
let hugePages: string | undefined;
const POOL = '/proc/sys/vm/nr_hugepages';
const POOL_PAGES = 4;

before(async () => {
  if (skip) return;
  folder = mkdtempSync(join(tmpdir(), 'coracle-limits-'));
  host = await LimitHost.start(['--cpu-rt-runtime', '200000']);
  disk = makeDisk();
  if (versionOf('hugetlb') !== 0 || canMount('hugetlb')) hugePages = mountHugePages();
});

after(async () => {
  if (skip) return;
  await host[Symbol.asyncDispose]();
  execFileSync('losetup', ['-d', disk.path]);
  if (hugePages !== undefined) unmountHugePages(hugePages);
  rmSync(folder, { recursive: true, force: true });
});

/** A disk of our own, so that its throttles and weights are nobody else's. */
function makeDisk(): typeof disk {
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

/** Nanoseconds of CPU since the cgroup was made. */
function cpuUsage(container: LimitedContainer): number {
  if (versionOf('cpuacct') === 1) return Number(container.read('cpuacct', 'cpuacct.usage'));
  return 1000 * count(container.read('cpu', 'cpu.stat'), 'usage_usec');
}

function count(text: string, key: string): number {
  return Number(new RegExp(`^${key} (\\d+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
}

/** CPUs that each of the containers had meanwhile. */
async function cpuShares(ms: number, ...containers: readonly LimitedContainer[]) {
  const startedAt = process.hrtime.bigint();
  const before = containers.map(cpuUsage);
  await sleep(ms);
  const used = containers.map((each, index) => cpuUsage(each) - (before[index] ?? 0));
  return used.map((each) => each / Number(process.hrtime.bigint() - startedAt));
}

const pinned = versionOf('cpuset') === 0 ? {} : { CpusetCpus: '0' };

/** How much more CPU the container gets than one without a word on it, on the same CPU. */
async function ratioToPlain(container: LimitedContainer): Promise<number> {
  const plain = await host.run(SPIN, pinned);
  try {
    const [ours = 0, theirs = 1] = await cpuShares(600, container, plain);
    return ours / theirs;
  } finally {
    await plain.remove();
  }
}

/** Throttled reads or writes, in bytes per second; the exec itself takes some milliseconds of it. */
async function rate(container: LimitedContainer, dd: string, bytes: number): Promise<number> {
  const { out, code, ms } = await container.shell(`dd ${dd}`);
  assert.equal(code, 0, out);
  return (bytes / ms) * 1000;
}

function assertBetween(value: number, low: number, high: number, what: string): void {
  assert.ok(value >= low && value <= high, `${what}: ${value} is not in ${low}..${high}`);
}

const withDisk = (): Json => ({
  Devices: [{ PathOnHost: disk.path, PathInContainer: '/dev/disk', CgroupPermissions: 'rwm' }],
});

/** One of the four throttles: created with `slow`, then `fast`, both in bytes per second. */
function throttle(
  field: string,
  v1: string,
  v2: string,
  dd: (count: number) => string,
  block: number,
  [slow, fast]: readonly [number, number],
): () => Row {
  return () => {
    const of = (amount: number): Json => ({ [field]: [{ Path: disk.path, Rate: amount }] });
    const max = (amount: number): string => {
      const words = ['rbps', 'wbps', 'riops', 'wiops'];
      return `${disk.numbers} ${words.map((w) => `${w}=${w === v2 ? amount : 'max'}`).join(' ')}`;
    };
    const unit = /ops$/.test(v2) ? block : 1;
    return {
      name: field,
      controller: { 1: 'blkio', 2: 'io' },
      files: {
        1: { [v1]: [`${disk.numbers} ${slow}`, `${disk.numbers} ${fast}`, ''] },
        2: { 'io.max': [max(slow), max(fast), ''] },
      },
      wishes: [of(slow), of(fast), of(0)],
      host: withDisk(),
      effect: async (container, stage) => {
        const limit = [slow, fast, fast][stage] ?? fast;
        // Half a second at the limit; twice as much as in the first stage shows that it is gone.
        const blocks = Math.max(2, Math.round((limit * unit * 0.4) / block));
        const got = await rate(container, dd(blocks), blocks * block);
        if (stage < 2) assertBetween(got, limit * unit * 0.4, limit * unit * 1.6, field);
        else assert.ok(got > limit * unit * 1.6, `${field} is gone: ${got}`);
      },
    };
  };
}

const K64 = 64 * 1024;
const READ = (n: number): string => `if=/dev/disk of=/dev/null bs=64k count=${n} iflag=direct`;
const WRITE = (n: number): string => `if=/dev/zero of=/dev/disk bs=64k count=${n} oflag=direct`;

const ROWS: readonly (() => Row)[] = [
  () => ({
    name: 'CpuRealtimeRuntime',
    controller: { 1: 'cpu' },
    files: {
      1: {
        'cpu.rt_runtime_us': ['0', '20000', '0'],
        'cpu.rt_period_us': ['500000', '500000', '1000000'],
      },
    },
    wishes: [
      { CpuRealtimePeriod: 500_000 },
      { CpuRealtimeRuntime: 20_000 },
      { Unset: ['CpuRealtimeRuntime', 'CpuRealtimePeriod'] },
    ],
    effect: async (container, stage) => {
      const toRealtime = () =>
        execFileSync('chrt', ['-f', '-p', '1', String(container.pid)], { stdio: 'pipe' });
      if (stage !== 1) assert.throws(toRealtime, /Operation not permitted/);
      else {
        toRealtime();
        execFileSync('chrt', ['-o', '-p', '0', String(container.pid)]);
      }
    },
  }),
  () => ({
    name: 'CpusetCpus and CpusetMems',
    controller: { 1: 'cpuset', 2: 'cpuset' },
    files: {
      1: { 'cpuset.cpus': ['0', '1', allCpus()], 'cpuset.mems': ['0', '0', '0'] },
      2: { 'cpuset.cpus': ['0', '1', ''], 'cpuset.mems': ['0', '0', ''] },
    },
    wishes: [
      { CpusetCpus: '0', CpusetMems: '0' },
      { CpusetCpus: '1' },
      { Unset: ['CpusetCpus', 'CpusetMems'] },
    ],
    effect: async (container, stage) => {
      const wanted = ['0', '1', allCpus()][stage];
      const status = readFileSync(`/proc/${container.pid}/status`, 'utf8');
      assert.match(status, new RegExp(`^Cpus_allowed_list:\\t${wanted}$`, 'm'));
      const { out } = await container.shell('grep Cpus_allowed_list /proc/self/status');
      assert.equal(out, `Cpus_allowed_list:\t${wanted}\n`);
    },
  }),
  () => ({
    name: 'Memory and MemorySwap',
    controller: { 1: 'memory', 2: 'memory' },
    files: {
      1: {
        'memory.limit_in_bytes': [`${32 * MIB}`, `${128 * MIB}`, UNLIMITED_1],
        'memory.memsw.limit_in_bytes': [`${32 * MIB}`, `${160 * MIB}`, UNLIMITED_1],
      },
      2: {
        'memory.max': [`${32 * MIB}`, `${128 * MIB}`, 'max'],
        'memory.swap.max': ['0', `${32 * MIB}`, 'max'],
      },
    },
    wishes: [
      { Memory: 32 * MIB, MemorySwap: 32 * MIB },
      { Memory: 128 * MIB, MemorySwap: 160 * MIB },
      { Unset: ['Memory'] },
    ],
    effect: async (container, stage) => {
      // One block is one buffer, all of which is written.
      const { code } = await container.shell('dd if=/dev/zero of=/dev/null bs=64M count=1');
      assert.equal(code, stage === 0 ? 137 : 0);
    },
  }),
  () => ({
    name: 'MemoryReservation',
    controller: { 1: 'memory', 2: 'memory' },
    files: {
      1: { 'memory.soft_limit_in_bytes': [`${16 * MIB}`, `${24 * MIB}`, UNLIMITED_1] },
      2: { 'memory.low': [`${16 * MIB}`, `${24 * MIB}`, '0'] },
    },
    wishes: [
      { MemoryReservation: 16 * MIB },
      { MemoryReservation: 24 * MIB },
      { Unset: ['MemoryReservation'] },
    ],
  }),
  () => ({
    name: 'MemorySwappiness',
    controller: { 1: 'memory' },
    files: { 1: { 'memory.swappiness': ['7', '9', hostSwappiness()] } },
    wishes: [{ MemorySwappiness: 7 }, { MemorySwappiness: 9 }, { Unset: ['MemorySwappiness'] }],
  }),
  () => ({
    name: 'OomKillDisable',
    controller: { 1: 'memory' },
    files: {
      1: {
        'memory.oom_control': [
          'oom_kill_disable 1\nunder_oom 0\noom_kill 0',
          'oom_kill_disable 0\nunder_oom 0\noom_kill 0',
          'oom_kill_disable 0\nunder_oom 0\noom_kill 0',
        ],
      },
    },
    loose: ['memory.oom_control'],
    wishes: [
      { OomKillDisable: true, Memory: 32 * MIB, MemorySwap: 32 * MIB },
      { OomKillDisable: false, Memory: 128 * MIB, MemorySwap: 128 * MIB },
      { Unset: ['OomKillDisable', 'Memory'] },
    ],
    effect: async (container, stage) => {
      if (stage !== 0) return;
      // Who touches too much memory waits there, and goes on when there is room.
      const grow = 'x=0123456789abcdef; i=0; while [ $i -lt 21 ]; do x=$x$x; i=$((i+1)); done';
      const asking = container.shell(grow);
      const oom = () => container.read('memory', 'memory.oom_control');
      await until('under_oom 1', () => count(oom(), 'under_oom') === 1);
      await container.update({ Memory: 256 * MIB, MemorySwap: 256 * MIB });
      assert.equal((await asking).code, 0);
      assert.equal(count(oom(), 'oom_kill'), 0);
    },
  }),
  () => ({
    name: 'MemoryHigh',
    controller: { 2: 'memory' },
    files: { 2: { 'memory.high': [`${16 * MIB}`, `${96 * MIB}`, 'max'] } },
    wishes: [{ MemoryHigh: 16 * MIB }, { MemoryHigh: 96 * MIB }, { Unset: ['MemoryHigh'] }],
    effect: async (container, stage) => {
      const events = () => count(container.read('memory', 'memory.events'), 'high');
      const before = events();
      // The page cache can be reclaimed, so the writer is slowed down but comes to its end.
      const { code } = await container.shell('dd if=/dev/zero of=/tmp/x bs=1M count=24');
      assert.equal(code, 0);
      assert.equal(events() > before, stage === 0, `${before} → ${events()}`);
    },
  }),
  () => ({
    name: 'MemoryMin',
    controller: { 2: 'memory' },
    files: { 2: { 'memory.min': [`${4 * MIB}`, `${8 * MIB}`, '0'] } },
    wishes: [{ MemoryMin: 4 * MIB }, { MemoryMin: 8 * MIB }, { Unset: ['MemoryMin'] }],
  }),
  () => ({
    name: 'MemoryOomGroup',
    controller: { 2: 'memory' },
    files: { 2: { 'memory.oom.group': ['1', '0', '0'] } },
    wishes: [
      { MemoryOomGroup: true, Memory: 32 * MIB, MemorySwap: 32 * MIB },
      { MemoryOomGroup: false },
      { Unset: ['MemoryOomGroup'] },
    ],
    effect: async (container, stage) => {
      if (stage === 0) return; // the next stages need the container
      const { code } = await container.shell('dd if=/dev/zero of=/dev/null bs=64M count=1');
      assert.equal(code, 137);
      assert.equal((await container.inspect()).State['Running'], true);
      if (stage !== 2) return;
      await container.update({ MemoryOomGroup: true });
      await container.shell('dd if=/dev/zero of=/dev/null bs=64M count=1');
      await until('the whole container is killed', async () => {
        const { State } = await container.inspect();
        return State['Running'] === false && State['OOMKilled'] === true;
      });
    },
  }),
  () => ({
    name: 'PidsLimit',
    controller: { 1: 'pids', 2: 'pids' },
    files: {
      1: { 'pids.max': ['8', '32', 'max'] },
      2: { 'pids.max': ['8', '32', 'max'] },
    },
    wishes: [{ PidsLimit: 8 }, { PidsLimit: 32 }, { PidsLimit: -1 }],
    effect: async (container, stage) => {
      const script = 'for i in 1 2 3 4 5 6 7 8 9 10; do sleep .05 & done; wait';
      const { out } = await container.shell(script);
      if (stage === 0) assert.match(out, /can't fork: Resource temporarily unavailable/);
      else assert.equal(out, '');
    },
  }),
  throttle('BlkioDeviceReadBps', 'blkio.throttle.read_bps_device', 'rbps', READ, K64, [
    MIB,
    4 * MIB,
  ]),
  throttle('BlkioDeviceWriteBps', 'blkio.throttle.write_bps_device', 'wbps', WRITE, K64, [
    MIB,
    4 * MIB,
  ]),
  throttle('BlkioDeviceReadIOps', 'blkio.throttle.read_iops_device', 'riops', READ, K64, [20, 60]),
  throttle(
    'BlkioDeviceWriteIOps',
    'blkio.throttle.write_iops_device',
    'wiops',
    WRITE,
    K64,
    [20, 60],
  ),
  () => ({
    name: 'DeviceCgroupRules',
    // Of version 2 it is a program, which is no controller: any that is there will do.
    controller: { 1: 'devices', 2: 'memory' },
    files: { 1: { 'devices.list': ['', '', ''] }, 2: {} },
    loose: ['devices.list'],
    host: { CapAdd: ['SYSLOG'] },
    wishes: [
      { DeviceCgroupRules: ['c 1:11 w'] },
      { DeviceCgroupRules: ['c 1:11 r'] },
      { Unset: ['DeviceCgroupRules'] },
    ],
    effect: async (container, stage, version) => {
      const open = 'test -e /tmp/k || mknod /tmp/k c 1 11; dd if=/tmp/k of=/dev/null count=0 2>&1';
      const { out, code } = await container.shell(open);
      if (stage === 1) assert.equal(code, 0, out);
      else assert.match(out, /Operation not permitted/);
      if (version !== 1) return;
      const list = container.read('devices', 'devices.list').split('\n');
      assert.deepEqual(
        ['c 1:11 w', 'c 1:11 r'].map((rule) => list.includes(rule)),
        [stage === 0, stage === 1],
      );
      assert.ok(list.includes('c 1:3 rwm'), 'what every container may use');
    },
  }),
  () => ({
    name: 'NetClassId',
    controller: { 1: 'net_cls' },
    files: { 1: { 'net_cls.classid': ['1048577', '1048578', '0'] } },
    wishes: [{ NetClassId: 0x100001 }, { NetClassId: 0x100002 }, { Unset: ['NetClassId'] }],
    effect: async (container, stage) => {
      const nft = (...words: readonly string[]) =>
        execFileSync('nsenter', [`--net=/proc/${container.pid}/ns/net`, 'nft', ...words], {
          encoding: 'utf8',
        });
      // The class is kept all the same by a kernel whose packets nobody can ask for it.
      if (spawnSync('nft', ['--check', 'add table inet c']).status !== 0) return;
      if (stage === 0) {
        nft(
          'add table inet c; add chain inet c o { type filter hook output priority 0; }; ' +
            'add rule inet c o meta cgroup 0x100001 counter; ' +
            'add rule inet c o meta cgroup 0x100002 counter',
        );
      }
      const { out, code } = await container.shell('ping -c 2 -i 0.1 127.0.0.1');
      assert.equal(code, 0, out);
      const rules = nft('list', 'table', 'inet', 'c');
      const counts = [...rules.matchAll(/counter packets (\d+)/g)].map(([, n]) => Number(n));
      const [first = 0, second = 0] = counts;
      // Requests and answers; the packets of a stage are counted for the class of that stage.
      assert.deepEqual([first > 0, second > 0], [true, stage > 0], rules);
      if (stage === 2) assert.equal(first + second <= 8, true, rules);
    },
  }),
  () => ({
    name: 'HugetlbLimits',
    controller: { 1: 'hugetlb', 2: 'hugetlb' },
    files: {
      1: { 'hugetlb.2MB.limit_in_bytes': [`${2 * MIB}`, `${6 * MIB}`, '9223372036852678656'] },
      2: { 'hugetlb.2MB.max': [`${2 * MIB}`, `${6 * MIB}`, 'max'] },
    },
    wishes: [
      { HugetlbLimits: [{ PageSize: '2MB', Limit: 2 * MIB }] },
      { HugetlbLimits: [{ PageSize: '2MB', Limit: 6 * MIB }] },
      { Unset: ['HugetlbLimits'] },
    ],
    host: hugePages === undefined ? {} : { Binds: [`${hugePages}:/huge`] },
    effect: async (container, stage) => {
      if (hugePages === undefined) return;
      const { out, code } = await container.shell(
        'fallocate -l 4M /huge/x; e=$?; rm /huge/x; exit $e',
      );
      if (stage === 0) assert.match(out, /No space left on device/);
      else assert.equal(code, 0, out);
    },
  }),
];

function allCpus(): string {
  return readFileSync('/sys/devices/system/cpu/online', 'utf8').trim();
}

function hostSwappiness(): string {
  return readFileSync('/proc/sys/vm/swappiness', 'utf8').trim();
}

/** Rows whose effect is a share of the CPU: one after the other, all on the first one. */
const CPU_ROWS: readonly (() => Row)[] = [
  () => ({
    name: 'NanoCpus',
    controller: { 1: 'cpu', 2: 'cpu' },
    files: {
      1: {
        'cpu.cfs_quota_us': ['20000', '50000', '-1'],
        'cpu.cfs_period_us': ['100000', '100000', '100000'],
      },
      2: { 'cpu.max': ['20000 100000', '50000 100000', 'max 100000'] },
    },
    wishes: [{ NanoCpus: 2e8 }, { NanoCpus: 5e8 }, { Unset: ['NanoCpus'] }],
    script: SPIN,
    effect: async (container, stage) => {
      const throttled = () => count(container.read('cpu', 'cpu.stat'), 'nr_throttled');
      const before = throttled();
      const [share = 0] = await cpuShares(500, container);
      if (stage === 0) assertBetween(share, 0.05, 0.27, 'share of a CPU at 0.2');
      if (stage === 1) assertBetween(share, 0.12, 0.6, 'share of a CPU at 0.5');
      assert.equal(throttled() > before, stage < 2, `throttled ${before} → ${throttled()}`);
    },
  }),
  () => ({
    name: 'CpuQuota, CpuPeriod and CpuBurst',
    controller: { 1: 'cpu', 2: 'cpu' },
    files: {
      1: {
        'cpu.cfs_quota_us': ['10000', '30000', '-1'],
        'cpu.cfs_period_us': ['100000', '50000', '100000'],
        'cpu.cfs_burst_us': ['10000', '20000', '0'],
      },
      2: {
        'cpu.max': ['10000 100000', '30000 50000', 'max 100000'],
        'cpu.max.burst': ['10000', '20000', '0'],
      },
    },
    wishes: [
      { CpuQuota: 10_000, CpuPeriod: 100_000, CpuBurst: 10_000 },
      { CpuQuota: 30_000, CpuPeriod: 50_000, CpuBurst: 20_000 },
      { Unset: ['CpuQuota', 'CpuPeriod', 'CpuBurst'] },
    ],
    effect: async (container, stage) => {
      if (stage === 2) return;
      const bursts = () => count(container.read('cpu', 'cpu.stat'), 'nr_bursts');
      const before = bursts();
      // It saves up while it sleeps; then it wants more at once than its quota.
      const spin = `i=0; while [ $i -lt ${stage === 0 ? 30_000 : 120_000} ]; do i=$((i+1)); done`;
      const { code } = await container.shell(`for k in 1 2 3 4; do sleep .15; ${spin}; done`);
      assert.equal(code, 0);
      assert.ok(bursts() > before, container.read('cpu', 'cpu.stat'));
    },
  }),
  () => ({
    name: 'CpuShares',
    controller: { 1: 'cpu', 2: 'cpu' },
    files: {
      1: { 'cpu.shares': ['4096', '256', '1024'] },
      2: { 'cpu.weight': ['303', '35', '100'] },
    },
    wishes: [{ CpuShares: 4096 }, { CpuShares: 256 }, { Unset: ['CpuShares'] }],
    host: pinned,
    script: SPIN,
    effect: async (container, stage) => {
      const ratio = await ratioToPlain(container);
      const [low = 0, high = 0] = [
        [1.7, 8],
        [0.1, 0.65],
        [0.65, 1.5],
      ][stage] as [number, number];
      assertBetween(ratio, low, high, 'CPU beside a plain container');
    },
  }),
  () => ({
    name: 'CpuIdle',
    controller: { 1: 'cpu', 2: 'cpu' },
    files: {
      1: { 'cpu.idle': ['1', '0', '0'], 'cpu.shares': ['3', '2048', '2048'] },
      2: { 'cpu.idle': ['1', '0', '0'] },
    },
    wishes: [{ CpuIdle: true }, { CpuIdle: false, CpuShares: 2048 }, { Unset: ['CpuIdle'] }],
    host: pinned,
    script: SPIN,
    effect: async (container, stage) => {
      const ratio = await ratioToPlain(container);
      if (stage === 0) assertBetween(ratio, 0, 0.1, 'CPU beside a plain container');
      else assertBetween(ratio, 1.1, 4, 'CPU beside a plain container');
    },
  }),
];

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
    const row = make();
    await t.test(row.name, () => checkRow(row));
  });
  const inTurn = async (): Promise<void> => {
    for (const make of CPU_ROWS) {
      const row = make();
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
    [1000, 100].map((BlkioWeight) => host.run(read, { ...withDisk(), BlkioWeight })),
  );
  assert.ok(a && b);
  try {
    const readBytes = (container: LimitedContainer): number => {
      const text = container.read('blkio', 'blkio.throttle.io_service_bytes');
      return count(text, `${disk.numbers} Read`);
    };
    const ratio = async (): Promise<number> => {
      const before = [readBytes(a), readBytes(b)];
      await sleep(500);
      return (readBytes(a) - (before[0] ?? 0)) / (readBytes(b) - (before[1] ?? 0));
    };
    await until('both read', () => readBytes(a) > 0 && readBytes(b) > 0);
    const first = await ratio();
    assert.ok(first > 1.7, `1000 beside 100: ${first}`);
    await Promise.all([a.update({ BlkioWeight: 100 }), b.update({ BlkioWeight: 1000 })]);
    const second = await ratio();
    assert.ok(second < 0.6, `100 beside 1000: ${second}`);
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
