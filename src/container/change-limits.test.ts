import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '#base/error.ts';
import { changeLimits, type LimitsChange, refuseMemoryAlone } from './change-limits.ts';
import { NO_LIMITS, type Resources } from './resources.ts';

function change(before: Partial<Resources>, { set = {}, unset = [] }: Partial<LimitsChange>) {
  const after = changeLimits('container c0ffee', { ...NO_LIMITS, ...before }, { set, unset });
  const differs = Object.entries(after).filter(
    ([key, value]) => JSON.stringify(value) !== JSON.stringify(NO_LIMITS[key as keyof Resources]),
  );
  return Object.fromEntries(differs);
}

test('an update says what changes; all else stays', () => {
  const before = { memory: 100, memorySwap: 200, pidsLimit: 5 };
  assert.deepEqual(change(before, { set: { cpuShares: 7, pidsLimit: 6 } }), {
    ...before,
    cpuShares: 7,
    pidsLimit: 6,
  });
});

test('rates and weights change device by device, and 0 takes one away', () => {
  const before = {
    blkioDeviceReadBps: [
      { path: '/dev/a', rate: 1 },
      { path: '/dev/b', rate: 2 },
    ],
  };
  const set = {
    blkioDeviceReadBps: [
      { path: '/dev/a', rate: 0 },
      { path: '/dev/b', rate: 3 },
      { path: '/dev/c', rate: 4 },
    ],
    netPrio: { eth0: 1 },
  };
  assert.deepEqual(change({ ...before, netPrio: { eth1: 2 } }, { set }), {
    blkioDeviceReadBps: [
      { path: '/dev/b', rate: 3 },
      { path: '/dev/c', rate: 4 },
    ],
    netPrio: { eth1: 2, eth0: 1 },
  });
});

test('a limit is taken away by its name, memory together with its swap', () => {
  const before = { memory: 100, memorySwap: 200, cpuIdle: true, netClassId: 4 };
  assert.deepEqual(change(before, { unset: ['memory', 'netClassId'] }), { cpuIdle: true });
  const replaced = { unset: ['nanoCpus'], set: { cpuQuota: 5000 } } as const;
  assert.deepEqual(change({ nanoCpus: 5e8 }, replaced), { cpuQuota: 5000 });
});

test('a limit goes below the reservation of before, not below one that is wished with it', () => {
  const before = { memory: 100, memorySwap: 200, memoryReservation: 80 };
  assert.deepEqual(change(before, { set: { memory: 50 } }), { ...before, memory: 50 });
  assert.deepEqual(change(before, { set: { memoryReservation: 300 } }), {
    ...before,
    memoryReservation: 300,
  });
  assert.throws(() => change(before, { set: { memory: 50, memoryReservation: 60 } }), {
    code: 'invalid_argument',
    message: 'Minimum memory limit can not be less than memory reservation limit, see usage',
  });
});

test('of a slice, memory where there was no limit comes with the default of swap', () => {
  assert.deepEqual(change({}, { set: { memory: 100 } }), { memory: 100, memorySwap: 200 });
  assert.deepEqual(change({ memorySwap: -1 }, { set: { memory: 100 } }), {
    memory: 100,
    memorySwap: -1,
  });
});

test('of a container, -m where memory and swap have no limit is refused as dockerd does', () => {
  const text =
    'Cannot update container c0ffee: Memory limit should be smaller than already set memoryswap ' +
    'limit, update the memoryswap at the same time';
  const update = (of: Partial<Resources>, some: Partial<LimitsChange>): Resources => {
    const [before, change] = [
      { ...NO_LIMITS, ...of },
      { set: {}, unset: [], ...some },
    ];
    refuseMemoryAlone('c0ffee', before, change);
    return changeLimits('container c0ffee', before, change);
  };
  for (const before of [{}, { memory: 50, memorySwap: -1 }]) {
    assert.throws(
      () => update(before, { set: { memory: 100 } }),
      (error) => isEngineError(error, 'conflict') && error.message === text,
    );
    const { memory, memorySwap } = update(before, { set: { memory: 100, memorySwap: -1 } });
    assert.deepEqual([memory, memorySwap], [100, -1]);
    const said = update(before, { set: { memory: 100 }, unset: ['memorySwap'] });
    assert.deepEqual([said.memory, said.memorySwap], [100, 200]);
  }
  assert.equal(update({ memory: 50, memorySwap: 100 }, { set: { memory: 100 } }).memory, 100);
});

test('what Docker refuses on top of what is set is refused with its words', () => {
  const conflicting = 'Conflicting options:';
  const cases: readonly (readonly [Partial<Resources>, Partial<Resources>, string])[] = [
    [
      { cpuPeriod: 1000 },
      { nanoCpus: 1e9 },
      `${conflicting} Nano CPUs cannot be updated as CPU Period has already been set`,
    ],
    [
      { cpuQuota: 1000 },
      { nanoCpus: 1e9 },
      `${conflicting} Nano CPUs cannot be updated as CPU Quota has already been set`,
    ],
    [
      { nanoCpus: 1e9 },
      { cpuPeriod: 1000 },
      `${conflicting} CPU Period cannot be updated as NanoCPUs has already been set`,
    ],
    [
      { nanoCpus: 1e9 },
      { cpuQuota: 1000 },
      `${conflicting} CPU Quota cannot be updated as NanoCPUs has already been set`,
    ],
    [
      { memory: 100, memorySwap: 200 },
      { memory: 300 },
      'Memory limit should be smaller than already set memoryswap limit, ' +
        'update the memoryswap at the same time',
    ],
  ];
  for (const [before, set, text] of cases) {
    assert.throws(
      () => change(before, { set }),
      (error) =>
        isEngineError(error, 'conflict') &&
        error.message === `Cannot update container c0ffee: ${text}`,
    );
  }
});
