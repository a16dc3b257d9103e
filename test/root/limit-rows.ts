// The limits, one row a limit, for cgroup-limits.test.ts. A row has the files of both versions of
// cgroups and is run on whichever a controller is bound to.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Json, type LimitedContainer, until, versionOf } from './limit-host.ts';

export const MIB = 1 << 20;
const SPIN = 'while :; do :; done';
export const WAIT = 'while :; do sleep 1000; done';
const TRIES_MAX = 3;

/** At create, after an update, and after the limit was taken away. */
export type Stage = 0 | 1 | 2;
type Values = readonly [created: string, updated: string, removed: string];

export type Row = {
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

export type Disk = { readonly path: string; readonly numbers: string };

/** What of the machine the rows need: a disk, and a mount of hugetlbfs where there is one. */
export type Machine = { readonly disk: Disk; readonly hugePages: string | undefined };

type MakeRow = (machine: Machine) => Row;

const UNLIMITED_1 = '9223372036854771712';

/** Nanoseconds of CPU since the cgroup was made. */
function cpuUsage(container: LimitedContainer): number {
  if (versionOf('cpuacct') === 1) return Number(container.read('cpuacct', 'cpuacct.usage'));
  return 1000 * count(container.read('cpu', 'cpu.stat'), 'usage_usec');
}

export function count(text: string, key: string): number {
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
  const plain = await container.host.run(SPIN, pinned);
  try {
    const [ours = 0, theirs = 1] = await cpuShares(600, container, plain);
    return ours / theirs;
  } finally {
    await plain.remove();
  }
}

/**
 * Throttled reads or writes, in bytes per second; the exec itself takes some milliseconds of it.
 */
async function rate(container: LimitedContainer, dd: string, bytes: number): Promise<number> {
  const { out, code, ms } = await container.shell(`dd ${dd}`);
  assert.equal(code, 0, out);
  return (bytes / ms) * 1000;
}

function assertBetween(value: number, low: number, high: number, what: string): void {
  assert.ok(value >= low && value <= high, `${what}: ${value} is not in ${low}..${high}`);
}

export const withDisk = (disk: Disk): Json => ({
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
): MakeRow {
  return ({ disk }) => {
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
      host: withDisk(disk),
      effect: async (container, stage) => {
        const limit = [slow, fast, fast][stage] ?? fast;
        // Half a second at the limit. That it is gone is shown by more, of which a slow start of
        // the program takes little.
        const seconds = stage === 2 ? 2 : 0.4;
        const blocks = Math.max(2, Math.round((limit * unit * seconds) / block));
        const isRight = (got: number): boolean =>
          stage === 2
            ? got > limit * unit * 1.6
            : got > limit * unit * 0.4 && got < limit * unit * 1.6;
        // A machine that had no time for it once tells nothing.
        let got = 0;
        for (let tries = 0; tries < TRIES_MAX && !isRight(got); tries += 1) {
          got = await rate(container, dd(blocks), blocks * block);
        }
        assert.ok(isRight(got), `${field} of ${limit * unit} at stage ${stage}: ${got}`);
      },
    };
  };
}

const K64 = 64 * 1024;
const READ = (n: number): string => `if=/dev/disk of=/dev/null bs=64k count=${n} iflag=direct`;
const WRITE = (n: number): string => `if=/dev/zero of=/dev/disk bs=64k count=${n} oflag=direct`;

export const ROWS: readonly MakeRow[] = [
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
      // A cgroup with processes may have no empty list again.
      2: { 'cpuset.cpus': ['0', '1', allCpus()], 'cpuset.mems': ['0', '0', '0'] },
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
  ({ hugePages }) => ({
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

export function allCpus(): string {
  return readFileSync('/sys/devices/system/cpu/online', 'utf8').trim();
}

function hostSwappiness(): string {
  return readFileSync('/proc/sys/vm/swappiness', 'utf8').trim();
}

/** Rows whose effect is a share of the CPU: one after the other, all on the first one. */
export const CPU_ROWS: readonly MakeRow[] = [
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
      // A machine that had no time for half a CPU tells nothing of what happens above it.
      for (let tries = 0; tries < TRIES_MAX; tries += 1) {
        const [share = 0] = await cpuShares(500, container);
        if (stage === 0) assertBetween(share, 0.02, 0.27, 'share of a CPU at 0.2');
        if (stage === 1) assertBetween(share, 0.03, 0.6, 'share of a CPU at 0.5');
        if (throttled() > before === stage < 2) return;
      }
      assert.fail(`at stage ${stage} throttled ${before} → ${throttled()}`);
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
