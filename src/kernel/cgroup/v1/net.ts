// v1 `net_cls` and `net_prio` (cgroup-v1/net_cls.rst, net_prio.rst), which cgroup2 has no twin of.
// The class rides on the socket: it can be matched where the container's packets have one, in its
// own network namespace, and is gone once they have passed a veth. ifpriomap knows the interfaces
// of the host only.
import type { Resources } from '../resources.ts';
import type { CgroupWriteStep } from '../step.ts';

export function planNetCls(directory: string, { netClassId }: Resources): CgroupWriteStep[] {
  if (netClassId === undefined) return [];
  const path = `${directory}/net_cls.classid`;
  return [{ op: 'cgroup_write', path, value: String(netClassId), check: 'exact' }];
}

export function planNetPrio(directory: string, { netPrio = {} }: Resources): CgroupWriteStep[] {
  const path = `${directory}/net_prio.ifpriomap`;
  return Object.entries(netPrio).map(([name, priority]) => ({
    op: 'cgroup_write',
    path,
    value: `${name} ${priority}`,
    check: 'keyed',
  }));
}
