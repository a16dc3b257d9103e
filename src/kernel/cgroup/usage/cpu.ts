// cpuacct.* and cpu.stat. Times are nanoseconds, whatever the file counts in.
import { parseKeyed } from './keyed.ts';

export type CpuUsage = {
  readonly version: 1 | 2;
  readonly total: number;
  readonly user: number;
  readonly kernel: number;
  /** By CPU; version 2 does not count it. */
  readonly perCpu?: readonly number[];
  readonly throttling: {
    readonly periods: number;
    readonly throttledPeriods: number;
    readonly throttledTime: number;
  };
};

/** USER_HZ is 100 on every architecture that we run on (sysconf(3), _SC_CLK_TCK). */
export const TICK_NANOSECONDS = 10_000_000;

export function parseCpuV1(perCpuText: string, statText: string, throttledText: string): CpuUsage {
  const perCpu = perCpuText.trim().split(' ').map(Number);
  const stat = parseKeyed(statText);
  const throttled = parseKeyed(throttledText);
  return {
    version: 1,
    // cpuacct.usage is this sum (kernel/sched/cpuacct.c): one file less to read.
    total: perCpu.reduce((sum, each) => sum + each, 0),
    user: (stat['user'] ?? 0) * TICK_NANOSECONDS,
    kernel: (stat['system'] ?? 0) * TICK_NANOSECONDS,
    perCpu,
    throttling: {
      periods: throttled['nr_periods'] ?? 0,
      throttledPeriods: throttled['nr_throttled'] ?? 0,
      throttledTime: throttled['throttled_time'] ?? 0,
    },
  };
}

export function parseCpuV2(text: string): CpuUsage {
  const stat = parseKeyed(text);
  return {
    version: 2,
    total: (stat['usage_usec'] ?? 0) * 1000,
    user: (stat['user_usec'] ?? 0) * 1000,
    kernel: (stat['system_usec'] ?? 0) * 1000,
    throttling: {
      periods: stat['nr_periods'] ?? 0,
      throttledPeriods: stat['nr_throttled'] ?? 0,
      throttledTime: (stat['throttled_usec'] ?? 0) * 1000,
    },
  };
}

export type HostCpu = { readonly nanoseconds: number; readonly cpus: number };

/** /proc/stat (proc_stat(5)): what all CPUs have spent, idle time too, and how many there are. */
export function parseHostCpu(text: string): HostCpu {
  const [first = ''] = text.split('\n', 1);
  // user nice system idle iowait irq softirq; guests are in user, and stolen time is nobody's.
  const ticks = first
    .split(/ +/)
    .slice(1, 8)
    .reduce((sum, each) => sum + Number(each), 0);
  let cpus = 0;
  for (let at = text.indexOf('\ncpu'); at !== -1; at = text.indexOf('\ncpu', at + 1)) cpus += 1;
  return { nanoseconds: ticks * TICK_NANOSECONDS, cpus };
}
