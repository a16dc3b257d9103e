// The limits of one cgroup of version 1, controller by controller. cpuset is planned with the
// ancestors, whose values it inherits.
import { planMisc, planRdma } from '../counted.ts';
import type { Hierarchy } from '../host.ts';
import { planHugetlb } from '../hugetlb.ts';
import { planPids } from '../pids.ts';
import type { Resources } from '../resources.ts';
import type { CgroupWriteStep } from '../step.ts';
import { planBlkio } from './blkio.ts';
import { planCpu } from './cpu.ts';
import { planDevices } from './devices.ts';
import { planMemory } from './memory.ts';
import { planNetCls, planNetPrio } from './net.ts';

type Planner = (directory: string, resources: Resources) => CgroupWriteStep[];

/** cpuacct, freezer, perf_event, name=...: nothing to write. */
const PLANNERS: Readonly<Record<string, Planner>> = {
  cpu: planCpu,
  memory: planMemory,
  pids: planPids,
  blkio: planBlkio,
  devices: (directory, { devices }) =>
    devices === undefined ? [] : planDevices(directory, devices),
  net_cls: planNetCls,
  net_prio: planNetPrio,
  hugetlb: planHugetlb(1),
  rdma: planRdma,
  misc: planMisc,
};

export function planLeaf(
  hierarchy: Hierarchy,
  directory: string,
  resources: Resources,
): CgroupWriteStep[] {
  return hierarchy.controllers.flatMap((each) => PLANNERS[each]?.(directory, resources) ?? []);
}

/** Whether a hierarchy that is mounted on demand has anything to keep. */
export function isWanted(hierarchy: Hierarchy, resources: Resources): boolean {
  return planLeaf(hierarchy, '', resources).length > 0;
}
