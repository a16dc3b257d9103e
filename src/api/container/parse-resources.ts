// Docker's Resources and ours, shared by create and update.
import { EngineError } from '#base/error.ts';
import type { OwnLimits, RateDevice, Resources } from '#container/resources.ts';
import { emptyMap, Fields } from '../decode.ts';

export function parseResources(host: Fields): Resources {
  const memory = host.int('Memory');
  const memorySwap = host.int('MemorySwap');
  const pidsLimit = host.int('PidsLimit');
  const cpuShares = host.int('CpuShares');
  // The kernel would say EINVAL at the start only.
  if (cpuShares < 0) throw new EngineError('invalid_argument', 'shares: invalid argument');
  const swappiness = host.optionalInt('MemorySwappiness');
  return {
    cpuShares,
    memory,
    nanoCpus: host.int('NanoCpus'),
    cgroupParent: host.string('CgroupParent'),
    blkioWeight: host.int('BlkioWeight'),
    blkioWeightDevice: host.objects('BlkioWeightDevice').map((device) => ({
      path: device.string('Path'),
      weight: device.int('Weight'),
    })),
    blkioDeviceReadBps: parseRates(host, 'BlkioDeviceReadBps'),
    blkioDeviceWriteBps: parseRates(host, 'BlkioDeviceWriteBps'),
    blkioDeviceReadIops: parseRates(host, 'BlkioDeviceReadIOps'),
    blkioDeviceWriteIops: parseRates(host, 'BlkioDeviceWriteIOps'),
    cpuPeriod: host.int('CpuPeriod'),
    cpuQuota: host.int('CpuQuota'),
    cpuRealtimePeriod: host.int('CpuRealtimePeriod'),
    cpuRealtimeRuntime: host.int('CpuRealtimeRuntime'),
    cpusetCpus: host.string('CpusetCpus'),
    cpusetMems: host.string('CpusetMems'),
    devices: host.objects('Devices').map(parseDevice),
    deviceCgroupRules: host.strings('DeviceCgroupRules') ?? [],
    memoryReservation: host.int('MemoryReservation'),
    memorySwap,
    // -1 is how clients write "the host's".
    memorySwappiness: swappiness === -1 ? undefined : swappiness,
    oomKillDisable: host.optionalBool('OomKillDisable'),
    // 0 and below mean no limit.
    pidsLimit: pidsLimit > 0 ? pidsLimit : undefined,
    ulimits: host.objects('Ulimits').map((ulimit) => ({
      name: ulimit.string('Name'),
      soft: ulimit.int('Soft'),
      hard: ulimit.int('Hard'),
    })),
    other: parseOther(host),
    ...parseOwn(host),
  };
}

function parseOwn(host: Fields): OwnLimits {
  return {
    cpuBurst: host.int('CpuBurst'),
    cpuIdle: host.bool('CpuIdle'),
    cpuUclampMin: host.int('CpuUclampMin'),
    cpuUclampMax: host.int('CpuUclampMax'),
    cpusetPartition: parsePartition(host.string('CpusetPartition')),
    memoryHigh: host.int('MemoryHigh'),
    memoryMin: host.int('MemoryMin'),
    memorySwapHigh: host.int('MemorySwapHigh'),
    memoryOomGroup: host.bool('MemoryOomGroup'),
    netClassId: host.int('NetClassId'),
    netPrio: parseNumbers(host, 'NetPrio'),
    hugetlbLimits: Object.fromEntries(
      host
        .objects('HugetlbLimits')
        .map((limit) => [limit.string('PageSize'), limit.int('Limit')] as const),
    ),
    rdmaLimits: parseRdma(host),
    miscLimits: parseNumbers(host, 'MiscLimits'),
  };
}

const PARTITIONS = ['member', 'root', 'isolated'] as const;

function parsePartition(text: string): OwnLimits['cpusetPartition'] {
  if (text === '') return undefined;
  const known = PARTITIONS.find((each) => each === text);
  if (known !== undefined) return known;
  const what = `invalid CpusetPartition '${text.slice(0, 100)}'`;
  throw new EngineError('invalid_argument', `${what}: it is one of ${PARTITIONS.join(', ')}`);
}

function parseNumbers(host: Fields, name: string): Readonly<Record<string, number>> {
  const numbers = emptyMap<number>();
  for (const [key, value] of host.entries(name)) {
    numbers[key] = new Fields(name, { [key]: value }).int(key);
  }
  return numbers;
}

function parseRdma(host: Fields): OwnLimits['rdmaLimits'] {
  const limits = emptyMap<OwnLimits['rdmaLimits'][string]>();
  for (const [device, value] of host.entries('RdmaLimits')) {
    const limit = new Fields(`RdmaLimits.${device}`, value);
    const hcaHandle = limit.optionalInt('HcaHandle');
    const hcaObject = limit.optionalInt('HcaObject');
    limits[device] = {
      ...(hcaHandle === undefined ? {} : { hcaHandle }),
      ...(hcaObject === undefined ? {} : { hcaObject }),
    };
  }
  return limits;
}

function parseRates(host: Fields, name: string): readonly RateDevice[] {
  return host
    .objects(name)
    .map((device) => ({ path: device.string('Path'), rate: device.int('Rate') }));
}

function parseDevice(device: Fields): Resources['devices'][number] {
  const pathOnHost = device.string('PathOnHost');
  return {
    pathOnHost,
    pathInContainer: device.string('PathInContainer') || pathOnHost,
    cgroupPermissions: device.string('CgroupPermissions') || 'rwm',
  };
}

function parseOther(host: Fields): Readonly<Record<string, unknown>> {
  const other = emptyMap<unknown>();
  const requests = host.objects('DeviceRequests').map((request) => ({
    Driver: request.string('Driver'),
    Count: request.int('Count'),
    DeviceIDs: request.strings('DeviceIDs') ?? null,
    Capabilities: request.get('Capabilities') ?? null,
    Options: request.stringMap('Options'),
  }));
  if (requests.length > 0) other['DeviceRequests'] = requests;
  for (const name of ['KernelMemory', 'KernelMemoryTCP', 'CpuPercent']) {
    const value = host.int(name);
    if (value > 0) other[name] = value;
  }
  return other;
}
