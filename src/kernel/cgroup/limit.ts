// Which limit is kept in which file of which version: the one table behind validation, errors,
// `cgroup subsystems` and docs/cgroups.md.
import { type CgroupHost, type Hierarchy, hierarchyOf } from './host.ts';
import type { Resources } from './resources.ts';

export type Limit = keyof Omit<Resources, 'devices'>;

/**
 * Files by version, the first one decides whether the kernel has the limit; none = this version has
 * no such limit. SIZE stands for a size of huge pages.
 */
export type LimitFiles = {
  /** HostConfig's name, and the flag of the command line. */
  readonly field: string;
  readonly flag: string;
  readonly v1: { readonly controller: string; readonly files: readonly string[] };
  readonly v2: { readonly controller: string; readonly files: readonly string[] };
};

function limit(
  field: string,
  flag: string,
  v1: readonly [controller: string, ...files: string[]],
  v2: readonly [controller: string, ...files: string[]],
): LimitFiles {
  const [controller1, ...files1] = v1;
  const [controller2, ...files2] = v2;
  return {
    field,
    flag,
    v1: { controller: controller1, files: files1 },
    v2: { controller: controller2, files: files2 },
  };
}

const RATES = ['read_bps', 'write_bps', 'read_iops', 'write_iops'];

export const LIMITS: Readonly<Record<Limit, LimitFiles>> = {
  memory: limit('Memory', 'memory', ['memory', 'memory.limit_in_bytes'], ['memory', 'memory.max']),
  memorySwap: limit(
    'MemorySwap',
    'memory-swap',
    ['memory', 'memory.memsw.limit_in_bytes'],
    ['memory', 'memory.swap.max'],
  ),
  memoryReservation: limit(
    'MemoryReservation',
    'memory-reservation',
    ['memory', 'memory.soft_limit_in_bytes'],
    ['memory', 'memory.low'],
  ),
  memorySwappiness: limit(
    'MemorySwappiness',
    'memory-swappiness',
    ['memory', 'memory.swappiness'],
    ['memory'],
  ),
  oomKillDisable: limit(
    'OomKillDisable',
    'oom-kill-disable',
    ['memory', 'memory.oom_control'],
    ['memory'],
  ),
  memoryHigh: limit('MemoryHigh', 'memory-high', ['memory'], ['memory', 'memory.high']),
  memoryMin: limit('MemoryMin', 'memory-min', ['memory'], ['memory', 'memory.min']),
  memorySwapHigh: limit(
    'MemorySwapHigh',
    'memory-swap-high',
    ['memory'],
    ['memory', 'memory.swap.high'],
  ),
  memoryOomGroup: limit(
    'MemoryOomGroup',
    'memory-oom-group',
    ['memory'],
    ['memory', 'memory.oom.group'],
  ),
  cpuShares: limit('CpuShares', 'cpu-shares', ['cpu', 'cpu.shares'], ['cpu', 'cpu.weight']),
  cpuQuota: limit('CpuQuota', 'cpu-quota', ['cpu', 'cpu.cfs_quota_us'], ['cpu', 'cpu.max']),
  cpuPeriod: limit('CpuPeriod', 'cpu-period', ['cpu', 'cpu.cfs_period_us'], ['cpu', 'cpu.max']),
  nanoCpus: limit(
    'NanoCpus',
    'cpus',
    ['cpu', 'cpu.cfs_quota_us', 'cpu.cfs_period_us'],
    ['cpu', 'cpu.max'],
  ),
  cpuBurst: limit('CpuBurst', 'cpu-burst', ['cpu', 'cpu.cfs_burst_us'], ['cpu', 'cpu.max.burst']),
  cpuIdle: limit('CpuIdle', 'cpu-idle', ['cpu', 'cpu.idle'], ['cpu', 'cpu.idle']),
  cpuRtRuntime: limit(
    'CpuRealtimeRuntime',
    'cpu-rt-runtime',
    ['cpu', 'cpu.rt_runtime_us'],
    ['cpu'],
  ),
  cpuRtPeriod: limit('CpuRealtimePeriod', 'cpu-rt-period', ['cpu', 'cpu.rt_period_us'], ['cpu']),
  cpuUclampMin: limit('CpuUclampMin', 'cpu-uclamp-min', ['cpu'], ['cpu', 'cpu.uclamp.min']),
  cpuUclampMax: limit('CpuUclampMax', 'cpu-uclamp-max', ['cpu'], ['cpu', 'cpu.uclamp.max']),
  cpusetCpus: limit(
    'CpusetCpus',
    'cpuset-cpus',
    ['cpuset', 'cpuset.cpus'],
    ['cpuset', 'cpuset.cpus'],
  ),
  cpusetMems: limit(
    'CpusetMems',
    'cpuset-mems',
    ['cpuset', 'cpuset.mems'],
    ['cpuset', 'cpuset.mems'],
  ),
  cpusetPartition: limit(
    'CpusetPartition',
    'cpuset-partition',
    ['cpuset'],
    ['cpuset', 'cpuset.cpus.partition'],
  ),
  pidsLimit: limit('PidsLimit', 'pids-limit', ['pids', 'pids.max'], ['pids', 'pids.max']),
  blkioWeight: limit(
    'BlkioWeight',
    'blkio-weight',
    ['blkio', 'blkio.bfq.weight'],
    ['io', 'io.weight', 'io.bfq.weight'],
  ),
  blkioWeightDevices: limit(
    'BlkioWeightDevice',
    'blkio-weight-device',
    ['blkio', 'blkio.bfq.weight_device'],
    ['io', 'io.weight', 'io.bfq.weight'],
  ),
  blkioRates: limit(
    'BlkioDeviceReadBps, BlkioDeviceWriteBps, BlkioDeviceReadIOps, BlkioDeviceWriteIOps',
    'device-read-bps, device-write-bps, device-read-iops, device-write-iops',
    ['blkio', ...RATES.map((rate) => `blkio.throttle.${rate}_device`)],
    ['io', 'io.max'],
  ),
  netClassId: limit('NetClassId', 'net-class', ['net_cls', 'net_cls.classid'], ['net_cls']),
  netPrio: limit('NetPrio', 'net-prio', ['net_prio', 'net_prio.ifpriomap'], ['net_prio']),
  hugetlb: limit(
    'HugetlbLimits',
    'hugetlb',
    ['hugetlb', 'hugetlb.SIZE.limit_in_bytes'],
    ['hugetlb', 'hugetlb.SIZE.max'],
  ),
  rdma: limit('RdmaLimits', 'rdma', ['rdma', 'rdma.max'], ['rdma', 'rdma.max']),
  misc: limit('MiscLimits', 'misc', ['misc', 'misc.max'], ['misc', 'misc.max']),
};

export type LimitPlace =
  | { readonly has: true; readonly version: 1 | 2; readonly files: readonly string[] }
  /** `why` goes on after "cannot be set: ". */
  | { readonly has: false; readonly why: string };

/**
 * Controllers whose files the directories of our parent do not show: those of a hierarchy that is
 * mounted, or of a controller that is handed down, only for who asks.
 */
const ON_DEMAND = new Set(['net_cls', 'net_prio', 'hugetlb', 'rdma', 'misc']);

/** Where this host keeps a limit. */
export function placeOf(host: CgroupHost, limit: Limit): LimitPlace {
  const { v1, v2 } = LIMITS[limit];
  const old = hierarchyOf(host, v1.controller);
  const unified = unifiedWith(host, v2.controller);
  const version = old === undefined ? 2 : 1;
  const { controller, files: own } = version === 1 ? v1 : v2;
  if (old === undefined && unified === undefined) {
    return {
      has: false,
      why: `the ${controller} controller is not there: this kernel has none or it is switched off`,
    };
  }
  if (own.length === 0) {
    const other = version === 1 ? v2.files : v1.files;
    const where = old?.mountpoint ?? unified?.mountpoint;
    return {
      has: false,
      why:
        `it is ${other.join(', ')} of cgroup v${version === 1 ? 2 : 1}, and the ${controller} ` +
        `controller of this host is on v${version} (${where})`,
    };
  }
  const present = ON_DEMAND.has(controller) ? own : own.filter((file) => host.files?.has(file));
  if (present.length > 0) return { has: true, version, files: present };
  return { has: false, why: `this kernel has no ${own[0]}` };
}

function unifiedWith(host: CgroupHost, controller: string): Hierarchy | undefined {
  return host.unified?.controllers.includes(controller) === true ? host.unified : undefined;
}
