// v2 `cpu` (cgroup-v2.rst, "CPU Interface Files").
import { cpuBandwidth, type Resources } from '../resources.ts';
import type { CgroupWriteStep, ReadBackRule } from '../step.ts';

const SHARES_MIN = 2;
const SHARES_MAX = 262_144;

/**
 * Docker's shares as a weight. The curve keeps 2 -> 1, 1024 -> 100 and 262144 -> 10000, so the
 * default share is the default weight (runc since 1.3; the old straight line made 39 of it).
 */
export function weightFromShares(shares: number): number {
  if (shares <= SHARES_MIN) return 1;
  if (shares >= SHARES_MAX) return 10_000;
  const log = Math.log2(shares);
  return Math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34));
}

export function planCpu(directory: string, resources: Resources): CgroupWriteStep[] {
  const steps: CgroupWriteStep[] = [];
  const write = (file: string, value: string, check: ReadBackRule = 'exact'): void => {
    steps.push({ op: 'cgroup_write', path: `${directory}/${file}`, value, check });
  };
  const { cpuShares, cpuBurst, cpuIdle, cpuUclampMin, cpuUclampMax } = resources;
  if (cpuShares !== undefined) write('cpu.weight', String(weightFromShares(cpuShares)));
  const { quota, period } = cpuBandwidth(resources);
  if (quota !== undefined || period !== undefined) {
    const max = quota === undefined || quota < 0 ? 'max' : String(quota);
    write('cpu.max', `${max} ${period ?? 100_000}`);
  }
  if (cpuBurst !== undefined) write('cpu.max.burst', String(cpuBurst));
  if (cpuIdle === true) write('cpu.idle', '1');
  if (cpuUclampMin !== undefined) write('cpu.uclamp.min', String(cpuUclampMin), 'cpu_percent');
  if (cpuUclampMax !== undefined) write('cpu.uclamp.max', String(cpuUclampMax), 'cpu_percent');
  return steps;
}
