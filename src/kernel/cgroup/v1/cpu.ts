// v1 `cpu`: relative shares and CFS bandwidth (scheduler/sched-bwc.rst).
import { cpuBandwidth, type Resources } from '../resources.ts';
import type { CgroupWriteStep } from '../step.ts';

// MIN_SHARES and MAX_SHARES of kernel/sched/sched.h: the kernel clamps, so do we, to read back
// what we wrote.
const SHARES_MIN = 2;
const SHARES_MAX = 262_144;

export function planCpu(directory: string, resources: Resources): CgroupWriteStep[] {
  const steps: CgroupWriteStep[] = [];
  const write = (file: string, value: number): void => {
    const path = `${directory}/${file}`;
    steps.push({ op: 'cgroup_write', path, value: String(value), check: 'exact' });
  };
  if (resources.cpuShares !== undefined) {
    write('cpu.shares', Math.min(Math.max(resources.cpuShares, SHARES_MIN), SHARES_MAX));
  }
  const { quota, period } = cpuBandwidth(resources);
  // The period first: with the default quota of -1 any period is legal, while a quota may be
  // above what the parent allows for the default period of 100 ms (EINVAL).
  if (period !== undefined) write('cpu.cfs_period_us', period);
  if (quota !== undefined) write('cpu.cfs_quota_us', quota < 0 ? -1 : quota);
  return steps;
}
