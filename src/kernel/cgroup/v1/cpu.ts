// v1 `cpu`: relative shares, CFS bandwidth (scheduler/sched-bwc.rst) and time for real-time
// processes (scheduler/sched-rt-group.rst).
import { cpuBandwidth, type RealtimeBudget, type Resources } from '../resources.ts';
import type { CgroupWriteStep } from '../step.ts';

export function planCpu(directory: string, resources: Resources): CgroupWriteStep[] {
  const steps: CgroupWriteStep[] = [];
  const write = (file: string, value: number | undefined): void => {
    if (value === undefined) return;
    steps.push({
      op: 'cgroup_write',
      path: `${directory}/${file}`,
      value: String(value),
      check: 'exact',
    });
  };
  const { cpuShares, cpuBurst, cpuIdle, cpuRtPeriod, cpuRtRuntime } = resources;
  write('cpu.shares', cpuShares);
  const { quota, period } = cpuBandwidth(resources);
  // The period first: with the default quota of -1 any period is legal, while a quota may be
  // above what the parent allows for the default period of 100 ms (EINVAL). The burst is bounded
  // by the quota.
  write('cpu.cfs_period_us', period);
  if (quota !== undefined) write('cpu.cfs_quota_us', quota < 0 ? -1 : quota);
  write('cpu.cfs_burst_us', cpuBurst);
  if (cpuIdle === true) write('cpu.idle', 1);
  write('cpu.rt_period_us', cpuRtPeriod);
  write('cpu.rt_runtime_us', cpuRtRuntime);
  return steps;
}

/** No level can hand down real-time that it does not have itself; a new cgroup has none. */
export function planRealtime(directory: string, budget: RealtimeBudget): CgroupWriteStep[] {
  return planCpu(directory, { cpuRtPeriod: budget.period, cpuRtRuntime: budget.runtime });
}
