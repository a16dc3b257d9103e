// The kinds of values that only our own limits have, and the fields that they become.
import { parseSize } from '#base/bytes.ts';
import type { OwnResources } from '#wire/container-config.ts';
import { type FlagKind, invalid, parseInteger, quote } from '../flag-kind.ts';
import type { Flags } from '../flags.ts';

type Numbers = Readonly<Record<string, number>>;

/** NAME=VALUE, many allowed; the last one of a name wins. */
function numbersOf(word: string, parse: (text: string) => number): FlagKind<Numbers> {
  return {
    word,
    parse(text, before) {
      const equals = text.indexOf('=');
      if (equals < 1) throw invalid(`${quote(text)} is not of the form ${word}`);
      return { ...before, [text.slice(0, equals)]: parse(text.slice(equals + 1)) };
    },
  };
}

export const hugetlbKind = numbersOf('SIZE=BYTES', parseSize);
export const miscKind = numbersOf('NAME=COUNT', parseInteger);
export const netPrioKind = numbersOf('IF=N', parseInteger);

/** tc's MAJOR:MINOR, both hexadecimal, or the number of net_cls.classid. */
export const netClassKind: FlagKind<number> = {
  word: 'MAJOR:MINOR',
  parse(text) {
    const pair = /^([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(text);
    if (pair === null) return parseInteger(text);
    const [, major = '', minor = ''] = pair;
    return Number.parseInt(major, 16) * 0x1_0000 + Number.parseInt(minor, 16);
  },
};

type Rdma = NonNullable<OwnResources['RdmaLimits']>;
const RDMA = { hca_handle: 'HcaHandle', hca_object: 'HcaObject' } as const;

export const rdmaKind: FlagKind<Rdma> = {
  word: 'DEVICE=LIMITS',
  parse(text, before) {
    const equals = text.indexOf('=');
    const limits: { HcaHandle?: number; HcaObject?: number } = {};
    for (const part of text.slice(equals + 1).split(',')) {
      const [name = '', value = ''] = part.split('=', 2);
      if (equals < 1 || !Object.hasOwn(RDMA, name)) {
        throw invalid(`${quote(text)} is not of the form DEVICE=hca_handle=N,hca_object=N`);
      }
      if (value !== 'max') limits[RDMA[name as keyof typeof RDMA]] = parseInteger(value);
    }
    return { ...before, [text.slice(0, equals)]: limits };
  },
};

/** Flags of limits that an update can take away, and the fields of the body behind them. */
const FIELDS: Readonly<Record<string, string>> = {
  'blkio-weight': 'BlkioWeight',
  'blkio-weight-device': 'BlkioWeightDevice',
  'cpu-burst': 'CpuBurst',
  'cpu-idle': 'CpuIdle',
  'cpu-period': 'CpuPeriod',
  'cpu-quota': 'CpuQuota',
  'cpu-rt-period': 'CpuRealtimePeriod',
  'cpu-rt-runtime': 'CpuRealtimeRuntime',
  'cpu-shares': 'CpuShares',
  'cpu-uclamp-max': 'CpuUclampMax',
  'cpu-uclamp-min': 'CpuUclampMin',
  cpus: 'NanoCpus',
  'cpuset-cpus': 'CpusetCpus',
  'cpuset-mems': 'CpusetMems',
  'cpuset-partition': 'CpusetPartition',
  'device-cgroup-rule': 'DeviceCgroupRules',
  'device-read-bps': 'BlkioDeviceReadBps',
  'device-read-iops': 'BlkioDeviceReadIOps',
  'device-write-bps': 'BlkioDeviceWriteBps',
  'device-write-iops': 'BlkioDeviceWriteIOps',
  hugetlb: 'HugetlbLimits',
  memory: 'Memory',
  'memory-high': 'MemoryHigh',
  'memory-min': 'MemoryMin',
  'memory-oom-group': 'MemoryOomGroup',
  'memory-reservation': 'MemoryReservation',
  'memory-swap': 'MemorySwap',
  'memory-swap-high': 'MemorySwapHigh',
  'memory-swappiness': 'MemorySwappiness',
  misc: 'MiscLimits',
  'net-class': 'NetClassId',
  'net-prio': 'NetPrio',
  'oom-kill-disable': 'OomKillDisable',
  'pids-limit': 'PidsLimit',
  rdma: 'RdmaLimits',
};

export const unsetKind: FlagKind<readonly string[]> = {
  word: 'list',
  parse(text, before) {
    const field = Object.hasOwn(FIELDS, text) ? FIELDS[text] : undefined;
    if (field !== undefined) return [...(before ?? []), field];
    throw invalid(`${quote(text)} is no limit: it is one of ${Object.keys(FIELDS).join(', ')}`);
  },
};

/** The fields of the flags that were given. */
export function planOwnLimits(flags: Flags): OwnResources {
  const given = (name: string, value: unknown): object =>
    flags.has(name) ? { [FIELDS[name] ?? name]: value } : {};
  const number = (name: string): object => given(name, flags.number(name));
  const map = (name: string): object => given(name, flags.map(name));
  const pages = Object.entries(flags.map<Numbers>('hugetlb'));
  return {
    ...number('cpu-burst'),
    ...given('cpu-idle', flags.bool('cpu-idle')),
    ...number('cpu-uclamp-min'),
    ...number('cpu-uclamp-max'),
    ...given('cpuset-partition', flags.string('cpuset-partition')),
    ...number('memory-high'),
    ...number('memory-min'),
    ...number('memory-swap-high'),
    ...given('memory-oom-group', flags.bool('memory-oom-group')),
    ...number('net-class'),
    ...map('net-prio'),
    ...given(
      'hugetlb',
      pages.map(([size, limit]) => ({ PageSize: size, Limit: limit })),
    ),
    ...map('rdma'),
    ...map('misc'),
  };
}
