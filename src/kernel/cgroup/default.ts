// What a file of a new cgroup says: written where a limit is taken away.
import type { CgroupWriteStep } from './step.ts';

const DEFAULTS: Readonly<Record<string, string>> = {
  // version 1
  'memory.limit_in_bytes': '-1',
  'memory.memsw.limit_in_bytes': '-1',
  'memory.soft_limit_in_bytes': '-1',
  'memory.oom_control': '0',
  'cpu.shares': '1024',
  'cpu.cfs_quota_us': '-1',
  'cpu.cfs_period_us': '100000',
  'cpu.cfs_burst_us': '0',
  'cpu.rt_runtime_us': '0',
  'cpu.rt_period_us': '1000000',
  'blkio.bfq.weight': '100',
  'net_cls.classid': '0',
  // both
  'cpu.idle': '0',
  'pids.max': 'max',
  // version 2
  'memory.max': 'max',
  'memory.swap.max': 'max',
  'memory.swap.high': 'max',
  'memory.high': 'max',
  'memory.low': '0',
  'memory.min': '0',
  'memory.oom.group': '0',
  'cpu.weight': '100',
  'cpu.max': 'max 100000',
  'cpu.max.burst': '0',
  'cpu.uclamp.min': '0',
  'cpu.uclamp.max': 'max',
  'cpuset.cpus': '\n',
  'cpuset.mems': '\n',
  'cpuset.cpus.partition': 'member',
  'io.weight': '100',
  'io.bfq.weight': '100',
};

/** What takes a line away, by file, where it is not 0. */
const NO_LINE: Readonly<Record<string, string>> = {
  'io.max': 'rbps=max wbps=max riops=max wiops=max',
  'io.weight': 'default',
  'io.bfq.weight': 'default',
  'blkio.bfq.weight_device': 'default',
  'rdma.max': 'hca_handle=max hca_object=max',
  'misc.max': 'max',
};

/** undefined for files that stay as they are, or take the value of the cgroup above. */
export function defaultValue({ path, value, check }: CgroupWriteStep): string | undefined {
  const file = fileOf(path);
  if (check === 'keyed') return `${value.split(' ', 1)[0]} ${NO_LINE[file] ?? '0'}`;
  if (/^hugetlb\..+\.limit_in_bytes$/.test(file)) return '-1';
  if (/^hugetlb\..+\.max$/.test(file)) return 'max';
  return DEFAULTS[file];
}

export function fileOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
