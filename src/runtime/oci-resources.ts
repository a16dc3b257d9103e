// Limits in the words of the OCI runtime spec (config-linux.md, "Control groups"), for an external
// runtime; ours plans from the limits themselves. What the specification has no word for is given
// as files of cgroup2, and stays ours alone on version 1.
import type { DeviceRule } from '#kernel/cgroup/device-rule.ts';
import { cpuBandwidth, type DeviceRates, type RateName } from '#kernel/cgroup/resources.ts';
import type { BoxResources } from './box.ts';
import type { OciBlockIo, OciResources } from './oci.ts';

export function ociResources(limits: BoxResources, devices: readonly DeviceRule[]): OciResources {
  const { quota, period } = cpuBandwidth(limits);
  const { hugetlb, rdma, pidsLimit } = limits;
  const parts = {
    memory: defined({
      limit: limits.memory,
      reservation: limits.memoryReservation,
      swap: limits.memorySwap,
      swappiness: limits.memorySwappiness,
      disableOOMKiller: limits.oomKillDisable,
    }),
    cpu: defined({
      shares: limits.cpuShares,
      quota,
      period,
      burst: limits.cpuBurst,
      idle: limits.cpuIdle === true ? 1 : undefined,
      realtimeRuntime: limits.cpuRtRuntime,
      realtimePeriod: limits.cpuRtPeriod,
      cpus: limits.cpusetCpus,
      mems: limits.cpusetMems,
    }),
    pids: pidsLimit === undefined ? undefined : { limit: pidsLimit },
    blockIO: defined(blockIo(limits)),
    network: defined({
      classID: limits.netClassId,
      priorities:
        limits.netPrio &&
        Object.entries(limits.netPrio).map(([name, priority]) => ({ name, priority })),
    }),
    hugepageLimits:
      hugetlb && Object.entries(hugetlb).map(([pageSize, limit]) => ({ pageSize, limit })),
    rdma:
      rdma &&
      Object.fromEntries(
        Object.entries(rdma).map(([device, { hcaHandle, hcaObject }]) => [
          device,
          defined({ hcaHandles: hcaHandle, hcaObjects: hcaObject }) ?? {},
        ]),
      ),
    unified: defined(unifiedFiles(limits)),
  };
  return { devices: [{ allow: false, access: 'rwm' }, ...devices], ...defined(parts) };
}

function blockIo({ blkioWeight, blkioWeightDevices, blkioRates = [] }: BoxResources) {
  const rates = (name: RateName) => {
    const list = blkioRates.flatMap((each: DeviceRates) => {
      const { major, minor, [name]: rate } = each;
      return rate === undefined ? [] : [{ major, minor, rate }];
    });
    return list.length === 0 ? undefined : list;
  };
  return {
    weight: blkioWeight,
    weightDevice: blkioWeightDevices?.map(({ major, minor, weight }) => ({ major, minor, weight })),
    throttleReadBpsDevice: rates('readBps'),
    throttleWriteBpsDevice: rates('writeBps'),
    throttleReadIOPSDevice: rates('readIops'),
    throttleWriteIOPSDevice: rates('writeIops'),
  } satisfies { readonly [K in keyof OciBlockIo]-?: OciBlockIo[K] | undefined };
}

/** Only limits that no hierarchy of version 1 has: so they are there on version 2 alone. */
function unifiedFiles(limits: BoxResources) {
  const text = (value: number | undefined): string | undefined =>
    value === undefined ? undefined : String(value);
  return {
    'memory.high': text(limits.memoryHigh),
    'memory.min': text(limits.memoryMin),
    'memory.swap.high': text(limits.memorySwapHigh),
    'memory.oom.group': limits.memoryOomGroup === true ? '1' : undefined,
    'cpu.uclamp.min': text(limits.cpuUclampMin),
    'cpu.uclamp.max': text(limits.cpuUclampMax),
    'cpuset.cpus.partition': limits.cpusetPartition,
    'misc.max':
      limits.misc &&
      Object.entries(limits.misc)
        .map(([name, max]) => `${name} ${max}`)
        .join('\n'),
  };
}

type Defined<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> };

/** The object without its undefined fields; undefined when none is left. */
function defined<T extends object>(object: T): Defined<T> | undefined {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return entries.length === 0 ? undefined : (Object.fromEntries(entries) as Defined<T>);
}
