// v2 `cpuset`: an empty file means "what the parent has", so only wishes are written.
import type { Resources } from '../resources.ts';
import type { CgroupWriteStep } from '../step.ts';

export function planCpuset(directory: string, resources: Resources): CgroupWriteStep[] {
  const wishes = [
    ['cpuset.cpus', resources.cpusetCpus],
    ['cpuset.mems', resources.cpusetMems],
  ] as const;
  return wishes.flatMap(([file, value]): CgroupWriteStep[] =>
    value === undefined
      ? []
      : [{ op: 'cgroup_write', path: `${directory}/${file}`, value, check: 'id_list' }],
  );
}
