// `rdma` and `misc`: the same files in both versions (cgroup-v2.rst, "RDMA" and "Misc").
import type { Resources } from './resources.ts';
import type { CgroupWriteStep } from './step.ts';

export function planRdma(directory: string, { rdma = {} }: Resources): CgroupWriteStep[] {
  return Object.entries(rdma).map(([device, { hcaHandle = 'max', hcaObject = 'max' }]) => ({
    op: 'cgroup_write',
    path: `${directory}/rdma.max`,
    value: `${device} hca_handle=${hcaHandle} hca_object=${hcaObject}`,
    check: 'keyed',
  }));
}

export function planMisc(directory: string, { misc = {} }: Resources): CgroupWriteStep[] {
  return Object.entries(misc).map(([name, max]) => ({
    op: 'cgroup_write',
    path: `${directory}/misc.max`,
    value: `${name} ${max}`,
    check: 'keyed',
  }));
}
