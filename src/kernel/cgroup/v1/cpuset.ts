// v1 `cpuset`: a new cgroup is empty, and a process cannot join an empty one (ENOSPC). So every
// level gets its parent's CPUs and nodes, which must be read first (cgroup-v1/cpusets.rst).
import type { Resources } from '../resources.ts';
import type { CgroupWriteStep } from '../step.ts';

export const CPUSET_FILES = ['cpuset.cpus', 'cpuset.mems'] as const;

/** CPUs and nodes of one directory, as its files say. */
export type Cpuset = { readonly cpus: string; readonly mems: string };

/** Gives an ancestor that has none the values of the level above; keeps what it has. */
export function planInherit(
  directory: string,
  present: Cpuset | undefined,
  above: Cpuset,
): CgroupWriteStep[] {
  return [
    ...(present === undefined || present.cpus === '' ? [cpus(directory, above.cpus)] : []),
    ...(present === undefined || present.mems === '' ? [mems(directory, above.mems)] : []),
  ];
}

export function planCpuset(
  directory: string,
  resources: Resources,
  parent: Cpuset,
): CgroupWriteStep[] {
  return [
    cpus(directory, resources.cpusetCpus ?? parent.cpus),
    mems(directory, resources.cpusetMems ?? parent.mems),
  ];
}

function cpus(directory: string, value: string): CgroupWriteStep {
  return { op: 'cgroup_write', path: `${directory}/cpuset.cpus`, value, check: 'id_list' };
}

function mems(directory: string, value: string): CgroupWriteStep {
  return { op: 'cgroup_write', path: `${directory}/cpuset.mems`, value, check: 'id_list' };
}
