// v2 `cpuset`: an empty file means "what the parent has", so only wishes are written. A partition
// takes its CPUs away from everybody else, so they are named before it.
import type { Resources } from '../resources.ts';
import type { CgroupWriteStep } from '../step.ts';

export function planCpuset(directory: string, resources: Resources): CgroupWriteStep[] {
  const { cpusetCpus, cpusetMems, cpusetPartition } = resources;
  const wishes = [
    ['cpuset.cpus', cpusetCpus, 'id_list'],
    ['cpuset.mems', cpusetMems, 'id_list'],
    // Reads "root invalid (...)" where the kernel does not make one, which is no success.
    ['cpuset.cpus.partition', cpusetPartition, 'exact'],
  ] as const;
  return wishes.flatMap(([file, value, check]): CgroupWriteStep[] =>
    value === undefined ? [] : [{ op: 'cgroup_write', path: `${directory}/${file}`, value, check }],
  );
}
