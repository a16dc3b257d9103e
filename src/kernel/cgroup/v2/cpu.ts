// v2 `cpu` (cgroup-v2.rst, "CPU Interface Files").
import { cpuBandwidth, type Resources } from '../resources.ts';
import type { CgroupWriteStep } from '../step.ts';

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
  const write = (file: string, value: string): void => {
    steps.push({ op: 'cgroup_write', path: `${directory}/${file}`, value, check: 'exact' });
  };
  if (resources.cpuShares !== undefined) {
    write('cpu.weight', String(weightFromShares(resources.cpuShares)));
  }
  const { quota, period } = cpuBandwidth(resources);
  if (quota !== undefined || period !== undefined) {
    const max = quota === undefined || quota < 0 ? 'max' : String(quota);
    write('cpu.max', `${max} ${period ?? 100_000}`);
  }
  return steps;
}
