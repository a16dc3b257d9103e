// The limits that Docker has no field for: shown where they are set, so that what Docker's clients
// get is Docker's.
import type { OwnLimits } from '#container/resources.ts';
import type { OwnResources } from '#wire/container-config.ts';

export function renderOwnLimits(host: OwnLimits): OwnResources {
  const { cpusetPartition, hugetlbLimits, rdmaLimits } = host;
  return {
    ...number('CpuBurst', host.cpuBurst),
    ...(host.cpuIdle ? { CpuIdle: true } : {}),
    ...number('CpuUclampMin', host.cpuUclampMin),
    ...number('CpuUclampMax', host.cpuUclampMax),
    ...(cpusetPartition === undefined ? {} : { CpusetPartition: cpusetPartition }),
    ...number('MemoryHigh', host.memoryHigh),
    ...number('MemoryMin', host.memoryMin),
    ...number('MemorySwapHigh', host.memorySwapHigh),
    ...(host.memoryOomGroup ? { MemoryOomGroup: true } : {}),
    ...number('NetClassId', host.netClassId),
    ...numbers('NetPrio', host.netPrio),
    ...(isEmpty(hugetlbLimits)
      ? {}
      : {
          HugetlbLimits: Object.entries(hugetlbLimits).map(([size, limit]) => ({
            PageSize: size,
            Limit: limit,
          })),
        }),
    ...(isEmpty(rdmaLimits) ? {} : { RdmaLimits: renderRdma(rdmaLimits) }),
    ...numbers('MiscLimits', host.miscLimits),
  };
}

function renderRdma(limits: OwnLimits['rdmaLimits']): NonNullable<OwnResources['RdmaLimits']> {
  const entries = Object.entries(limits).map(
    ([device, { hcaHandle, hcaObject }]) =>
      [
        device,
        {
          ...(hcaHandle === undefined ? {} : { HcaHandle: hcaHandle }),
          ...(hcaObject === undefined ? {} : { HcaObject: hcaObject }),
        },
      ] as const,
  );
  return Object.fromEntries(entries);
}

function isEmpty(map: object): boolean {
  return Object.keys(map).length === 0;
}

function number<K extends string>(key: K, value: number): { readonly [P in K]?: number } {
  return (value === 0 ? {} : { [key]: value }) as { readonly [P in K]?: number };
}

function numbers<K extends string>(
  key: K,
  map: Readonly<Record<string, number>>,
): { readonly [P in K]?: Readonly<Record<string, number>> } {
  return (isEmpty(map) ? {} : { [key]: map }) as {
    readonly [P in K]?: Readonly<Record<string, number>>;
  };
}
