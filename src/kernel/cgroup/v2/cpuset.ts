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

const FILES = ['cpuset.cpus', 'cpuset.mems'] as const;

/** The files that wholeCpuset() needs. */
export function wholeCpusetFiles(root: string, leaf: string): string[] {
  return FILES.flatMap((file) => [`${root}/${file}.effective`, `${leaf}/${file}`]);
}

/**
 * What is written where a list is taken away, by path: a cgroup with processes must not have an
 * empty one again (ENOSPC, validate_change() of the kernel). It is what the root has now: not the
 * CPUs of others' partitions, which would end by being named here, but those of its own. The cgroup
 * above bounds it as before.
 */
export function wholeCpuset(
  root: string,
  leaf: string,
  facts: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const whole: Record<string, string> = {};
  for (const file of FILES) {
    const path = `${leaf}/${file}`;
    const left = facts[`${root}/${file}.effective`]?.trim() ?? '';
    if (left === '') continue;
    const own = facts[path]?.trim() ?? '';
    whole[path] = own === '' ? left : `${left},${own}`;
  }
  return whole;
}
