// Resource limits of a container in the terms of Docker's HostConfig, and of ours beside them. Data
// only: validate.ts says what makes them valid, limit.ts which file of which version keeps each.
import type { DeviceRule } from './device-rule.ts';

/** Absent means "no limit". Bytes, microseconds and counts are whole numbers. */
export type Resources = {
  readonly memory?: number;
  /** Memory and swap together; -1 is unlimited swap. */
  readonly memorySwap?: number;
  readonly memoryReservation?: number;
  readonly memorySwappiness?: number;
  readonly oomKillDisable?: boolean;
  /** Above it the kernel slows the processes down and reclaims, but kills nobody. */
  readonly memoryHigh?: number;
  /** Never reclaimed. */
  readonly memoryMin?: number;
  /** As memoryHigh, for swap alone. */
  readonly memorySwapHigh?: number;
  /** The OOM killer takes all processes of the container, or none. */
  readonly memoryOomGroup?: boolean;
  readonly cpuShares?: number;
  readonly cpuQuota?: number;
  readonly cpuPeriod?: number;
  readonly nanoCpus?: number;
  /** Microseconds of quota that may be saved up for later. */
  readonly cpuBurst?: number;
  /** Runs only when nobody else wants the CPU (SCHED_IDLE). */
  readonly cpuIdle?: boolean;
  readonly cpuRtRuntime?: number;
  readonly cpuRtPeriod?: number;
  /** Percent of the highest frequency, 0 to 100. */
  readonly cpuUclampMin?: number;
  readonly cpuUclampMax?: number;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly cpusetPartition?: CpusetPartition;
  readonly pidsLimit?: number;
  readonly blkioWeight?: number;
  readonly blkioWeightDevices?: readonly DeviceWeight[];
  readonly blkioRates?: readonly DeviceRates[];
  /** tc's handle, 0xMAJORMINOR, which the kernel puts on every packet of the container. */
  readonly netClassId?: number;
  /** Priority of packets by the name of an interface of the host. */
  readonly netPrio?: Readonly<Record<string, number>>;
  /** Bytes of huge pages by their size, as the files are named: "2MB". */
  readonly hugetlb?: Readonly<Record<string, number>>;
  readonly rdma?: Readonly<Record<string, RdmaLimit>>;
  /** By name of what is counted, as misc.capacity lists it. */
  readonly misc?: Readonly<Record<string, number>>;
  /** Applied in order after "deny everything"; absent leaves devices unrestricted. */
  readonly devices?: readonly DeviceRule[];
};

export const CPUSET_PARTITIONS = ['member', 'root', 'isolated'] as const;
export type CpusetPartition = (typeof CPUSET_PARTITIONS)[number];

/** A whole disk: the kernel takes no partition. */
export type BlockDevice = { readonly major: number; readonly minor: number };
export type DeviceWeight = BlockDevice & {
  readonly weight: number;
  /** The disk's scheduler is bfq, which has a file of its own in version 2. */
  readonly bfq?: boolean;
};
/** Absent = no limit. */
export type DeviceRates = BlockDevice & { readonly [K in RateName]?: number };
export const RATE_NAMES = ['readBps', 'writeBps', 'readIops', 'writeIops'] as const;
export type RateName = (typeof RATE_NAMES)[number];

/** Absent = no limit. */
export type RdmaLimit = { readonly hcaHandle?: number; readonly hcaObject?: number };

/** The processor time that real-time processes of all containers together may have. */
export type RealtimeBudget = { readonly runtime: number; readonly period: number };

const NANO = 1e9;
/** Docker's period for --cpus, in microseconds: 100 ms. */
const CPU_PERIOD_US = 100_000;

/** `--cpus` and `--cpu-quota/--cpu-period` are the same two numbers. */
export function cpuBandwidth(resources: Resources): {
  readonly quota?: number;
  readonly period?: number;
} {
  if (resources.nanoCpus !== undefined) {
    const quota = Math.floor((resources.nanoCpus * CPU_PERIOD_US) / NANO);
    return { quota, period: CPU_PERIOD_US };
  }
  return {
    ...(resources.cpuQuota === undefined ? {} : { quota: resources.cpuQuota }),
    ...(resources.cpuPeriod === undefined ? {} : { period: resources.cpuPeriod }),
  };
}

/** The key of a device in files that have a line for each. */
export function deviceKey({ major, minor }: BlockDevice): string {
  return `${major}:${minor}`;
}
