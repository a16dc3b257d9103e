// Limits as container/ has them → limits that this kernel keeps, with Docker's texts and warnings.
// Here devices get their numbers: what binds is the disk, not the name that it had at create.
import { existsSync, readdirSync, readFileSync, type Stats, statSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { EngineError, errnoOf } from '#base/error.ts';
import type { ResourceChecker } from '#container/port.ts';
import type { Resources } from '#container/resources.ts';
import type { CgroupFeatures } from '#kernel/cgroup/features.ts';
import { type CgroupHost, directoryOf, hierarchyOf } from '#kernel/cgroup/host.ts';
import { hugePageSize } from '#kernel/cgroup/hugetlb.ts';
import {
  type BlockDevice,
  deviceKey,
  type DeviceRates,
  type DeviceWeight,
  type RateName,
  type Resources as Limits,
} from '#kernel/cgroup/resources.ts';
import { type ResourceFacts, validateResources } from '#kernel/cgroup/validate.ts';
import { readTexts } from '#runtime/cgroup.ts';
import { splitRdev } from '#runtime/facts.ts';

const HUGE_PAGES = '/sys/kernel/mm/hugepages';

export function makeResourceChecker(host: CgroupHost, features: CgroupFeatures): ResourceChecker {
  const pages = existsSync(HUGE_PAGES) ? readdirSync(HUGE_PAGES) : [];
  const facts: ResourceFacts = {
    host,
    features,
    cpuCount: cpus().length || availableParallelism(),
    ...idLists(host),
    hugePages: pages.flatMap((name) => hugePageSize(name) ?? []),
  };
  return {
    check: (resources, missing) => {
      checkOthers(resources);
      const valid = validateResources(limitsOf(resources, missing), facts);
      return { resources: valid.resources, warnings: [...valid.warnings, ...discarded(resources)] };
    },
    checkReclaim: (bytes) => {
      if (bytes > 0 && host.files?.has('memory.reclaim') === true) return;
      throw new EngineError(
        'invalid_argument',
        `cannot reclaim ${bytes} bytes: ` +
          (bytes > 0
            ? 'this host has no memory.reclaim, which is a file of cgroup v2 since Linux 5.19'
            : 'it must be at least 1'),
      );
    },
  };
}

function idLists(host: CgroupHost): Pick<ResourceFacts, 'cpus' | 'mems'> {
  const hierarchy = hierarchyOf(host, 'cpuset') ?? host.unified;
  if (hierarchy === undefined) return {};
  const root = directoryOf(hierarchy, '/');
  const read = (...names: readonly string[]): string | undefined => {
    const file = names.map((name) => `${root}/${name}`).find((path) => existsSync(path));
    return file === undefined ? undefined : readFileSync(file, 'utf8').trim();
  };
  const [cpuList, memList] = [
    read('cpuset.effective_cpus', 'cpuset.cpus.effective', 'cpuset.cpus'),
    read('cpuset.effective_mems', 'cpuset.mems.effective', 'cpuset.mems'),
  ];
  return {
    ...(cpuList === undefined ? {} : { cpus: cpuList }),
    ...(memList === undefined ? {} : { mems: memList }),
  };
}

function limitsOf(resources: Resources, missing: Missing): Limits {
  const { hugetlbLimits, rdmaLimits, miscLimits } = resources;
  const { memorySwappiness, oomKillDisable, pidsLimit, cpusetPartition } = resources;
  return {
    memory: resources.memory,
    memorySwap: resources.memorySwap,
    memoryReservation: resources.memoryReservation,
    ...(memorySwappiness === undefined ? {} : { memorySwappiness }),
    ...(oomKillDisable === undefined ? {} : { oomKillDisable }),
    memoryHigh: resources.memoryHigh,
    memoryMin: resources.memoryMin,
    memorySwapHigh: resources.memorySwapHigh,
    memoryOomGroup: resources.memoryOomGroup,
    cpuShares: resources.cpuShares,
    cpuPeriod: resources.cpuPeriod,
    cpuQuota: resources.cpuQuota,
    nanoCpus: resources.nanoCpus,
    cpuBurst: resources.cpuBurst,
    cpuIdle: resources.cpuIdle,
    cpuRtPeriod: resources.cpuRealtimePeriod,
    cpuRtRuntime: resources.cpuRealtimeRuntime,
    cpuUclampMin: resources.cpuUclampMin,
    cpuUclampMax: resources.cpuUclampMax,
    cpusetCpus: resources.cpusetCpus,
    cpusetMems: resources.cpusetMems,
    ...(cpusetPartition === undefined ? {} : { cpusetPartition }),
    ...(pidsLimit === undefined ? {} : { pidsLimit }),
    blkioWeight: resources.blkioWeight,
    blkioWeightDevices: weightsOf(resources, missing),
    blkioRates: ratesOf(resources, missing),
    netClassId: resources.netClassId,
    netPrio: resources.netPrio,
    hugetlb: hugetlbLimits,
    rdma: rdmaLimits,
    misc: miscLimits,
  };
}

function checkOthers(resources: Resources): void {
  if (isSet(resources.other['DeviceRequests'])) {
    throw new EngineError(
      'not_implemented',
      'could not select device driver: device requests (--gpus) are not supported',
    );
  }
}

/** What no kernel of today has, in the words of dockerd. */
const DISCARDED = {
  KernelMemory:
    'Your kernel does not support kernel memory limit capabilities or the cgroup is not mounted. ' +
    'Limitation discarded.',
  KernelMemoryTCP:
    'Your kernel does not support kernel memory TCP limit capabilities or the cgroup is not ' +
    'mounted. Limitation discarded.',
  CpuPercent: 'linux does not support CPU percent. Percent discarded.',
} as const;

function discarded({ other }: Resources): readonly string[] {
  return Object.entries(DISCARDED).flatMap(([name, text]) =>
    Object.hasOwn(other, name) ? [text] : [],
  );
}

function isSet(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== null;
}

/** A device that is not there: an error, or no limit. */
type Missing = 'refuse' | 'skip';

function weightsOf({ blkioWeightDevice }: Resources, missing: Missing): DeviceWeight[] {
  return blkioWeightDevice.flatMap(({ path, weight }) => {
    if (weight < 10 || weight > 1000) {
      const text = `Range of blkio weight is from 10 to 1000: ${path} has ${weight}`;
      throw new EngineError('invalid_argument', text);
    }
    const device = diskOf(path, missing);
    return device === undefined ? [] : [{ ...device, weight, bfq: hasBfq(device) }];
  });
}

function hasBfq(device: BlockDevice): boolean {
  const file = `/sys/dev/block/${deviceKey(device)}/queue/scheduler`;
  return readTexts([file])[file]?.includes('[bfq]') ?? false;
}

/** One entry a disk, whatever names it was given; the later rate wins. */
function ratesOf(resources: Resources, missing: Missing): DeviceRates[] {
  const lists = {
    readBps: resources.blkioDeviceReadBps,
    writeBps: resources.blkioDeviceWriteBps,
    readIops: resources.blkioDeviceReadIops,
    writeIops: resources.blkioDeviceWriteIops,
  } as const satisfies Record<RateName, unknown>;
  const disks = new Map<string, DeviceRates>();
  for (const [name, list] of Object.entries(lists)) {
    for (const { path, rate } of list) {
      if (rate < 0) throw new EngineError('invalid_argument', `invalid rate of ${path}: ${rate}`);
      const device = diskOf(path, missing);
      if (device === undefined || rate === 0) continue;
      const key = deviceKey(device);
      disks.set(key, { ...device, ...disks.get(key), [name]: rate });
    }
  }
  return [...disks.values()];
}

function diskOf(path: string, missing: Missing): BlockDevice | undefined {
  let stats: Stats;
  try {
    stats = statSync(path);
  } catch (error) {
    if (missing === 'skip') return undefined;
    const why = errnoOf(error) === 'ENOENT' ? 'no such file or directory' : errnoOf(error);
    throw new EngineError('invalid_argument', `stat ${path}: ${why}`, { cause: error });
  }
  if (!stats.isBlockDevice()) {
    throw new EngineError('invalid_argument', `${path} is no block device`);
  }
  const device = splitRdev(stats.rdev);
  if (existsSync(`/sys/dev/block/${deviceKey(device)}/partition`)) {
    const text = `${path} is a partition: the kernel limits whole disks only, so name its disk`;
    throw new EngineError('invalid_argument', text);
  }
  return device;
}
