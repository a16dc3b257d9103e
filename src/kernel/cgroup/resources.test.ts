import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '#base/error.ts';
import { type CgroupFeatures, type Resources, validateResources } from './resources.ts';
import { weightFromShares } from './v2/cpu.ts';

const ALL: CgroupFeatures = {
  memory: true,
  swap: true,
  memoryReservation: true,
  swappiness: true,
  oomKillDisable: true,
  cpuShares: true,
  cpuCfs: true,
  cpuset: true,
  pids: true,
  blkioWeight: true,
};
const MIB = 1 << 20;

function validate(resources: Resources, features: Partial<CgroupFeatures> = {}) {
  const facts = { features: { ...ALL, ...features }, cpuCount: 2, cpus: '0-1', mems: '0' };
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
    [{ memoryReservation: MIB }, 'Minimum memory reservation allowed is 6MB'],
    [
      { memory: 8 * MIB, memoryReservation: 16 * MIB },
      'Minimum memory limit can not be less than memory reservation limit, see usage',
    ],
    [{ nanoCpus: 3e9 }, 'Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available'],
    [
      { nanoCpus: 1e9, cpuQuota: 5000 },
      'Conflicting options: Nano CPUs and CPU Quota cannot both be set',
    ],
    [
      { cpuPeriod: 10 },
      'CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)',
    ],
    [{ cpuQuota: 10 }, 'CPU cfs quota can not be less than 1ms (i.e. 1000)'],
    [{ cpusetCpus: '0-x' }, 'Invalid value 0-x for cpuset cpus'],
    [{ cpusetCpus: '0,2' }, 'Requested CPUs are not available - requested 0,2, available: 0-1'],
    [{ cpusetMems: '1' }, 'Requested memory nodes are not available - requested 1, available: 0'],
    [{ blkioWeight: 5 }, 'Range of blkio weight is from 10 to 1000'],
  ];
  for (const [resources, message] of cases) {
    assert.throws(
      () => validate(resources),
      (error) => isEngineError(error, 'invalid_argument') && error.message === message,
      message,
    );
  }
});

test('-m alone allows as much swap again', () => {
  assert.equal(validate({ memory: 64 * MIB }).resources.memorySwap, 128 * MIB);
  assert.equal(validate({ memory: 64 * MIB, memorySwap: -1 }).resources.memorySwap, -1);
});

test('what the kernel lacks is discarded with a warning', () => {
  const swap = validate({ memory: 64 * MIB }, { swap: false });
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
