// From the limits of a container to those after an update. Pure: Docker's rules of what may be set
// on top of what, with Docker's texts, and one way to take a limit away again.
import { EngineError } from '#base/error.ts';
import { NO_LIMITS, type RateDevice, type Resources, type WeightDevice } from './resources.ts';

export type LimitsChange = {
  /** Undefined fields stay as they are. */
  readonly set: Partial<Resources>;
  /** Go back to "no limit"; before `set`. */
  readonly unset: readonly (keyof Resources)[];
};

/** What an update can take away; cgroupParent, devices and ulimits are settled at the start. */
export const UNSETTABLE = [
  'cpuShares',
  'memory',
  'nanoCpus',
  'blkioWeight',
  'blkioWeightDevice',
  'blkioDeviceReadBps',
  'blkioDeviceWriteBps',
  'blkioDeviceReadIops',
  'blkioDeviceWriteIops',
  'cpuPeriod',
  'cpuQuota',
  'cpuRealtimePeriod',
  'cpuRealtimeRuntime',
  'cpusetCpus',
  'cpusetMems',
  'deviceCgroupRules',
  'memoryReservation',
  'memorySwap',
  'memorySwappiness',
  'oomKillDisable',
  'pidsLimit',
  'cpuBurst',
  'cpuIdle',
  'cpuUclampMin',
  'cpuUclampMax',
  'cpusetPartition',
  'memoryHigh',
  'memoryMin',
  'memorySwapHigh',
  'memoryOomGroup',
  'netClassId',
  'netPrio',
  'hugetlbLimits',
  'rdmaLimits',
  'miscLimits',
] as const satisfies readonly (keyof Resources)[];

/**
 * As Docker: where a container has no limit of memory and swap, or "no limit", a limit of memory
 * alone is refused, because which one of swap would come with it is not said. `unset` says it: the
 * default. Asked last, so that a limit that nobody may have is refused for that.
 */
export function refuseMemoryAlone(id: string, before: Resources, { set, unset }: LimitsChange) {
  const { memory = 0, memorySwap = 0 } = set;
  const said = memorySwap !== 0 || unset.includes('memory') || unset.includes('memorySwap');
  if (!said && memory > 0 && memory > before.memorySwap) throw swapConflict(`container ${id}`);
}

export function changeLimits(what: string, before: Resources, change: LimitsChange): Resources {
  const kept: Resources = {
    ...before,
    ...Object.fromEntries(change.unset.map((key) => [key, NO_LIMITS[key]])),
  };
  // Swap is counted with memory: without a limit of that there is nothing left to count to.
  const base = change.unset.includes('memory') ? { ...kept, memorySwap: 0 } : kept;
  const { set } = change;
  checkTogether(what, base, set);
  return {
    ...base,
    ...withoutUndefined(set),
    ...swapOf(base, set),
    blkioWeightDevice: byPath(base.blkioWeightDevice, set.blkioWeightDevice, weightOf),
    blkioDeviceReadBps: byPath(base.blkioDeviceReadBps, set.blkioDeviceReadBps, rateOf),
    blkioDeviceWriteBps: byPath(base.blkioDeviceWriteBps, set.blkioDeviceWriteBps, rateOf),
    blkioDeviceReadIops: byPath(base.blkioDeviceReadIops, set.blkioDeviceReadIops, rateOf),
    blkioDeviceWriteIops: byPath(base.blkioDeviceWriteIops, set.blkioDeviceWriteIops, rateOf),
    netPrio: { ...base.netPrio, ...set.netPrio },
    hugetlbLimits: { ...base.hugetlbLimits, ...set.hugetlbLimits },
    rdmaLimits: { ...base.rdmaLimits, ...set.rdmaLimits },
    miscLimits: { ...base.miscLimits, ...set.miscLimits },
  };
}

/** A limit of memory where there was none comes with Docker's default of swap. */
function swapOf(before: Resources, { memory = 0, memorySwap = 0 }: Partial<Resources>) {
  const bare = memory > 0 && memorySwap === 0 && before.memorySwap === 0;
  return bare ? { memorySwap: 2 * memory } : {};
}

const rateOf = ({ rate }: RateDevice): number => rate;
const weightOf = ({ weight }: WeightDevice): number => weight;

/** Device by device: the later one wins, and 0 takes it away. */
function byPath<T extends { readonly path: string }>(
  before: readonly T[],
  changes: readonly T[] | undefined,
  amount: (device: T) => number,
): readonly T[] {
  const devices = new Map(before.map((each) => [each.path, each]));
  for (const each of changes ?? []) {
    if (amount(each) === 0) devices.delete(each.path);
    else devices.set(each.path, each);
  }
  return [...devices.values()];
}

/**
 * Of what is wished at once. A limit may be updated to less than the reservation of before, as with
 * dockerd: the kernel takes that.
 */
export function checkReservation({ memory = 0, memoryReservation = 0 }: Partial<Resources>): void {
  if (memory === 0 || memory >= memoryReservation) return;
  const text = 'Minimum memory limit can not be less than memory reservation limit, see usage';
  throw new EngineError('invalid_argument', text);
}

function checkTogether(what: string, before: Resources, set: Partial<Resources>): void {
  checkReservation(set);
  const { nanoCpus = 0, cpuPeriod = 0, cpuQuota = 0, memory = 0, memorySwap = 0 } = set;
  if (nanoCpus > 0 && before.cpuPeriod > 0) {
    throw conflict(
      what,
      'Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set',
    );
  }
  if (nanoCpus > 0 && before.cpuQuota > 0) {
    throw conflict(
      what,
      'Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set',
    );
  }
  if (cpuPeriod > 0 && before.nanoCpus > 0) {
    throw conflict(
      what,
      'Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set',
    );
  }
  if (cpuQuota > 0 && before.nanoCpus > 0) {
    throw conflict(
      what,
      'Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set',
    );
  }
  const { memorySwap: swap } = before;
  if (memory > 0 && memorySwap === 0 && swap > 0 && memory > swap) throw swapConflict(what);
}

function swapConflict(what: string): EngineError {
  return conflict(
    what,
    'Memory limit should be smaller than already set memoryswap limit, ' +
      'update the memoryswap at the same time',
  );
}

function conflict(what: string, text: string): EngineError {
  return new EngineError('conflict', `Cannot update ${what}: ${text}`);
}

function withoutUndefined(resources: Partial<Resources>): Partial<Resources> {
  return Object.fromEntries(
    Object.entries(resources).filter(([, value]) => value !== undefined),
  ) as Partial<Resources>;
}
