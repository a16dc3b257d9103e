// What a cgroup of one hierarchy has used against what it may, in a few numbers for people: which
// files tell it, and how to read them.
import { parseKeyed, parseLimit } from './keyed.ts';
import { parseIoV1, parseIoV2 } from './io.ts';

export type Gauge = {
  readonly name: string;
  readonly unit: 'bytes' | 'count' | 'seconds' | 'cpus' | 'text';
  /** null = only the limit is known. */
  readonly used: number | string | null;
  /** null = none. */
  readonly limit: number | null;
};

export type GaugeSource = {
  readonly files: readonly string[];
  readonly read: (texts: readonly (string | undefined)[]) => Gauge | undefined;
};

/** A limit of version 1 is never "none", it is more than any machine has. */
const NO_LIMIT_V1 = 2 ** 60;

function against(
  name: string,
  unit: Gauge['unit'],
  [current, max]: readonly (string | undefined)[],
): Gauge | undefined {
  if (current === undefined) return undefined;
  const limit = parseLimit(max);
  const none = limit === undefined || limit >= NO_LIMIT_V1;
  return { name, unit, used: Number(current), limit: none ? null : limit };
}

/** "50000 100000" or "max 100000"; of version 1 the quota is -1. */
function cpus(quota: string | undefined, period: string | undefined): Gauge | undefined {
  const limit = Number(quota);
  if (quota === undefined || quota === 'max' || !(limit > 0)) return undefined;
  return { name: 'CPUs', unit: 'cpus', used: null, limit: limit / Number(period) };
}

function text(name: string, value: string | undefined): Gauge | undefined {
  const used = value?.trim() ?? '';
  return used === '' ? undefined : { name, unit: 'text', used, limit: null };
}

function moved(entries: readonly { readonly value: number; readonly op: string }[]) {
  return entries
    .filter(({ op }) => /^(read|write)$/i.test(op))
    .reduce((sum, { value }) => sum + value, 0);
}

const V1: Readonly<Record<string, readonly GaugeSource[]>> = {
  cpu: [
    {
      files: ['cpu.cfs_quota_us', 'cpu.cfs_period_us'],
      read: ([quota, period]) => cpus(quota?.trim(), period),
    },
  ],
  cpuacct: [
    {
      files: ['cpuacct.usage'],
      read: ([usage]) =>
        usage === undefined
          ? undefined
          : { name: 'CPU time', unit: 'seconds', used: Number(usage) / 1e9, limit: null },
    },
  ],
  cpuset: [{ files: ['cpuset.cpus'], read: ([value]) => text('CPUs', value) }],
  memory: [
    {
      files: ['memory.usage_in_bytes', 'memory.limit_in_bytes'],
      read: (texts) => against('memory', 'bytes', texts),
    },
  ],
  pids: [
    { files: ['pids.current', 'pids.max'], read: (texts) => against('processes', 'count', texts) },
  ],
  blkio: [
    {
      files: ['blkio.throttle.io_service_bytes_recursive'],
      read: ([bytes]) =>
        bytes === undefined
          ? undefined
          : { name: 'I/O', unit: 'bytes', used: moved(parseIoV1(bytes, '').bytes), limit: null },
    },
  ],
  freezer: [{ files: ['freezer.state'], read: ([value]) => text('state', value) }],
  net_cls: [{ files: ['net_cls.classid'], read: ([value]) => text('class', value) }],
};

const V2: Readonly<Record<string, readonly GaugeSource[]>> = {
  cpu: [
    {
      files: ['cpu.max'],
      read: ([value]) => {
        const [quota, period] = value?.trim().split(' ') ?? [];
        return cpus(quota, period);
      },
    },
  ],
  cpuset: [{ files: ['cpuset.cpus.effective'], read: ([value]) => text('CPUs', value) }],
  memory: [
    {
      files: ['memory.current', 'memory.max'],
      read: (texts) => against('memory', 'bytes', texts),
    },
  ],
  pids: V1['pids'] ?? [],
  io: [
    {
      files: ['io.stat'],
      read: ([stat]) =>
        stat === undefined
          ? undefined
          : { name: 'I/O', unit: 'bytes', used: moved(parseIoV2(stat).bytes), limit: null },
    },
  ],
};

/**
 * Of every cgroup of version 2, whatever its controllers (cgroup-v2.rst, "Core Interface Files").
 */
const V2_CORE: readonly GaugeSource[] = [
  {
    files: ['cpu.stat'],
    read: ([stat]) => {
      if (stat === undefined) return undefined;
      const used = (parseKeyed(stat)['usage_usec'] ?? 0) / 1e6;
      return { name: 'CPU time', unit: 'seconds', used, limit: null };
    },
  },
  {
    files: ['cgroup.freeze'],
    read: ([value]) => (value?.trim() === '1' ? text('state', 'FROZEN') : undefined),
  },
];

export function gaugeSources(
  version: 1 | 2,
  controllers: readonly string[],
): readonly GaugeSource[] {
  const table = version === 1 ? V1 : V2;
  const own = controllers.flatMap((controller) => table[controller] ?? []);
  return version === 1 ? own : [...V2_CORE, ...own];
}
