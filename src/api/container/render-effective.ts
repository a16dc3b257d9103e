// What binds a container or a slice, and who set it.
import type { EffectiveLimits as Limits, SetBy } from '#slice/port.ts';
import type { EffectiveDevice, EffectiveLimit, EffectiveLimits } from '#wire/slice.ts';

const NAMES = {
  memory: 'Memory',
  memorySwap: 'MemorySwap',
  swap: 'Swap',
  memoryHigh: 'MemoryHigh',
  nanoCpus: 'NanoCpus',
  pidsLimit: 'PidsLimit',
  cpusetCpus: 'CpusetCpus',
  cpusetMems: 'CpusetMems',
} as const;

const RATES = {
  readBps: 'BlkioDeviceReadBps',
  writeBps: 'BlkioDeviceWriteBps',
  readIops: 'BlkioDeviceReadIOps',
  writeIops: 'BlkioDeviceWriteIOps',
} as const;

export function renderEffective(limits: Limits): EffectiveLimits {
  const rendered: Record<string, EffectiveLimit | readonly EffectiveDevice[]> = {};
  for (const [key, name] of Object.entries(NAMES)) {
    const limit = limits[key as keyof typeof NAMES];
    if (limit !== undefined) rendered[name] = { Value: limit.value, ...setBy(limit) };
  }
  for (const [rate, name] of Object.entries(RATES)) {
    const devices = (limits.blkio ?? []).filter((each) => each.rate === rate);
    if (devices.length === 0) continue;
    rendered[name] = devices.map((each) => ({
      Device: each.device,
      Value: each.value,
      ...setBy(each),
    }));
  }
  return rendered as EffectiveLimits;
}

function setBy({ cgroup, slice }: SetBy): Pick<EffectiveLimit, 'SetBy' | 'Slice'> {
  return { SetBy: cgroup, ...(slice === undefined ? {} : { Slice: slice }) };
}
