import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '#base/error.ts';
import type { CgroupFeatures } from './features.ts';
import type { CgroupHost } from './host.ts';
import type { Resources } from './resources.ts';
import { weightFromShares } from './v2/cpu.ts';
import { validateResources } from './validate.ts';

const ALL: CgroupFeatures = {
  memory: true,
  memorySwap: true,
  memoryReservation: true,
  memorySwappiness: true,
  oomKillDisable: true,
  cpuShares: true,
  cpuQuota: true,
  cpuRtRuntime: true,
  cpusetCpus: true,
  pidsLimit: true,
  blkioWeight: true,
  blkioWeightDevices: true,
  blkioRates: true,
};
const V2: CgroupHost = {
  version: 2,
  hierarchies: [],
  unified: {
    controllers: ['cpu', 'cpuset', 'io', 'memory', 'pids', 'hugetlb'],
    mountpoint: '/cg',
    root: '/',
    own: '/',
  },
  files: new Set([
    'memory.high',
    'memory.min',
    'cpu.max.burst',
    'cpu.idle',
    'cpuset.cpus.partition',
  ]),
};
const V1: CgroupHost = {
  version: 1,
  hierarchies: ['cpu', 'memory'].map((name) => ({
    controllers: [name],
    mountpoint: `/cg/${name}`,
    root: '/',
    own: '/',
  })),
  files: new Set(['cpu.cfs_burst_us', 'cpu.idle']),
};
const MIB = 1 << 20;

function validate(
  resources: Resources,
  features: Partial<CgroupFeatures> = {},
  host: CgroupHost = V2,
) {
  const known = { cpuCount: 2, cpus: '0-1', mems: '0', hugePages: ['2MB'] };
  const facts = { ...known, host, features: { ...ALL, ...features } };
  return validateResources(resources, facts);
}

test('validateResources() refuses with the words of Docker', () => {
  const cases: readonly (readonly [Resources, string])[] = [
    [{ memory: 5 * MIB }, 'Minimum memory limit allowed is 6MB'],
    [{ memory: -1 }, 'Minimum memory limit allowed is 6MB'],
    [
      { memory: 64 * MIB, memorySwap: 32 * MIB },
      'Minimum memoryswap limit should be larger than memory limit, see usage',
    ],
    [
      { memorySwap: 32 * MIB },
      'You should always set the Memory limit when using Memoryswap limit, see usage',
    ],
    [{ memorySwappiness: 101 }, 'Invalid value: 101, valid memory swappiness range is 0-100'],
    [
      { memory: 8 * MIB, memorySwap: -5 },
      'Invalid value: -5, memoryswap is -1 for no limit, or bytes',
    ],
    [{ memoryReservation: MIB }, 'Minimum memory reservation allowed is 6MB'],
    [{ nanoCpus: 3e9 }, 'Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available'],
    [{ nanoCpus: 9e6 }, 'Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available'],
    [
      { nanoCpus: 1e9, cpuQuota: 5000 },
      'Conflicting options: Nano CPUs and CPU Quota cannot both be set',
    ],
    [
      { cpuPeriod: 10 },
      'CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)',
    ],
    [{ cpuQuota: 10 }, 'CPU cfs quota can not be less than 1ms (i.e. 1000)'],
    [{ cpusetCpus: '0-x' }, 'Invalid value 0-x for cpuset cpus: invalid format: 0-x'],
    [{ cpusetCpus: '0,2' }, 'Requested CPUs are not available - requested 0,2, available: 0-1'],
    [{ cpusetMems: '1' }, 'Requested memory nodes are not available - requested 1, available: 0'],
    [{ blkioWeight: 5 }, 'Range of blkio weight is from 10 to 1000'],
    [
      { cpuRtRuntime: 2000, cpuRtPeriod: 1000 },
      'cpu real-time runtime cannot be higher than cpu real-time period',
    ],
  ];
  for (const [resources, message] of cases) {
    assert.throws(
      () => validate(resources),
      (error) => isEngineError(error, 'invalid_argument') && error.message === message,
      message,
    );
  }
});

test('a quota that is taken away is in no conflict with --cpus', () => {
  assert.equal(validate({ nanoCpus: 1e9, cpuQuota: -1 }).resources.nanoCpus, 1e9);
});

test('-m alone allows as much swap again', () => {
  assert.equal(validate({ memory: 64 * MIB }).resources.memorySwap, 128 * MIB);
  assert.equal(validate({ memory: 64 * MIB, memorySwap: -1 }).resources.memorySwap, -1);
});

test('what the kernel lacks is discarded with a warning', () => {
  const swap = validate({ memory: 64 * MIB }, { memorySwap: false });
  assert.deepEqual(swap.resources, { memory: 64 * MIB, memorySwap: -1 });
  assert.deepEqual(swap.warnings, [
    'Your kernel does not support swap limit capabilities or the cgroup is not mounted. ' +
      'Memory limited without swap.',
  ]);
  const oom = validate({ memory: 64 * MIB, oomKillDisable: true }, { oomKillDisable: false });
  assert.deepEqual(oom.warnings, [
    'Your kernel does not support OomKillDisable. OomKillDisable discarded.',
  ]);
  const weight = validate({ blkioWeight: 100 }, { blkioWeight: false });
  assert.deepEqual(weight.warnings, [
    'Your kernel does not support Block I/O weight or the cgroup is not mounted. ' +
      'Weight discarded.',
  ]);
});

test("Docker's zeros and empty texts mean no limit, but swappiness 0 is a value", () => {
  const odd = { memory: 0, cpuShares: 0, cpusetCpus: '', pidsLimit: -1, memorySwappiness: 0 };
  assert.deepEqual(validate(odd).resources, { memorySwappiness: 0 });
});

test('weightFromShares() keeps least, default and most', () => {
  assert.equal(weightFromShares(2), 1);
  assert.equal(weightFromShares(1024), 100);
  assert.equal(weightFromShares(262_144), 10_000);
});

test('limits of devices that the kernel lacks are discarded one warning a kind, as by Docker', () => {
  const disk = { major: 254, minor: 0 };
  const blkioRates = [{ ...disk, readBps: 1024, writeIops: 5 }];
  const { resources, warnings } = validate(
    { blkioRates, blkioWeightDevices: [{ ...disk, weight: 10 }] },
    { blkioRates: false, blkioWeightDevices: false },
  );
  assert.deepEqual(resources, {});
  assert.deepEqual(warnings, [
    'Your kernel does not support Block I/O weight_device or the cgroup is not mounted. ' +
      'Weight-device discarded.',
    'Your kernel does not support BPS Block I/O read limit or the cgroup is not mounted. ' +
      'Block I/O BPS read limit discarded.',
    'Your kernel does not support IOPS Block write limit or the cgroup is not mounted. ' +
      'Block I/O IOPS write limit discarded.',
  ]);
  assert.throws(
    () => validate({ cpuRtRuntime: 1000 }, { cpuRtRuntime: false }),
    /^EngineError: Your kernel does not support CPU real-time scheduler$/,
  );
});

test('a limit of ours that this host cannot keep is an error that names the file', () => {
  const cases: readonly (readonly [Resources, CgroupHost, RegExp])[] = [
    [
      { memoryHigh: 64 * MIB },
      V1,
      /^MemoryHigh cannot be set: it is memory.high of cgroup v2, and the memory controller of this host is on v1 \(\/cg\/memory\)$/,
    ],
    [
      { memorySwapHigh: 1 },
      V2,
      /^MemorySwapHigh cannot be set: this kernel has no memory.swap.high$/,
    ],
    [{ netClassId: 1 }, V2, /^NetClassId cannot be set: the net_cls controller is not there/],
    [{ misc: { sev: 1 } }, V2, /^MiscLimits cannot be set: the misc controller is not there/],
    [{ hugetlb: { '1GB': 0 } }, V2, /no huge pages of '1GB'; it has 2MB$/],
    [{ cpuBurst: 1000 }, V1, /^CpuBurst 1000 needs a CPU quota/],
    [{ cpuBurst: 60_000, nanoCpus: 5e8 }, V1, /has 50000$/],
    [{ cpuIdle: true, cpuShares: 10 }, V1, /CpuIdle and CpuShares cannot both be set/],
    [{ cpusetPartition: 'root' }, V2, /needs CPUs of its own/],
    [{ memory: 64 * MIB, memoryHigh: 65 * MIB }, V2, /would never be reached/],
  ];
  for (const [resources, host, message] of cases) {
    assert.throws(
      () => validate(resources, {}, host),
      (error) => isEngineError(error, 'invalid_argument') && message.test(error.message),
      String(message),
    );
  }
  const kept = { cpuBurst: 50_000, nanoCpus: 5e8, hugetlb: { '2MB': 0 } };
  assert.deepEqual(validate(kept).resources, kept);
});

test('shares that version 1 would clamp in silence are refused there', () => {
  for (const [cpuShares, message] of [
    [1, 'the minimum allowed cpu-shares is 2'],
    [262_145, 'the maximum allowed cpu-shares is 262144'],
  ] as const) {
    assert.throws(() => validate({ cpuShares }, {}, V1), { code: 'invalid_argument', message });
    assert.equal(validate({ cpuShares }, {}, V2).resources.cpuShares, cpuShares);
  }
});
