// `pids` has the same file in v1 and v2 (cgroup-v1/pids.rst).
import type { Resources } from './resources.ts';
import type { CgroupWriteStep } from './step.ts';

export function planPids(directory: string, resources: Resources): CgroupWriteStep[] {
  if (resources.pidsLimit === undefined) return [];
  const value = String(resources.pidsLimit);
  return [{ op: 'cgroup_write', path: `${directory}/pids.max`, value, check: 'exact' }];
}
