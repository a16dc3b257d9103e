// Docker's Resources, shared by create and update.
import { EngineError } from '#base/error.ts';
import type { Resources } from '#container/spec.ts';
import { emptyMap, type Fields } from '../decode.ts';

/** Kept to be shown again; what applies them reads them from `other`. */
const OTHER_LISTS = [
  'BlkioWeightDevice',
  'BlkioDeviceReadBps',
  'BlkioDeviceWriteBps',
  'BlkioDeviceReadIOps',
  'BlkioDeviceWriteIOps',
] as const;

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
  };
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
  for (const name of OTHER_LISTS) {
    const amount = name === 'BlkioWeightDevice' ? 'Weight' : 'Rate';
    const list = host
      .objects(name)
      .map((item) => ({ Path: item.string('Path'), [amount]: item.int(amount) }));
    if (list.length > 0) other[name] = list;
  }
  const requests = host.objects('DeviceRequests').map((request) => ({
    Driver: request.string('Driver'),
    Count: request.int('Count'),
    DeviceIDs: request.strings('DeviceIDs') ?? null,
    Capabilities: request.get('Capabilities') ?? null,
    Options: request.stringMap('Options'),
  }));
  if (requests.length > 0) other['DeviceRequests'] = requests;
  return other;
}
