// The cgroup2 side of a plan: controllers are handed down from the top, then the leaf gets its
// limits.
import { posix } from 'node:path';
import { planMisc, planRdma } from './counted.ts';
import {
  type CgroupHost,
  directoryOf,
  type Hierarchy,
  hierarchyOf,
  lineage,
  parentPath,
} from './host.ts';
import { planHugetlb } from './hugetlb.ts';
import { planPids } from './pids.ts';
import type { Resources } from './resources.ts';
import type { CgroupStep } from './step.ts';
import { planCpu } from './v2/cpu.ts';
import { planCpuset } from './v2/cpuset.ts';
import { planDevices } from './v2/devices.ts';
import { IO_WEIGHT_FILES, planIo } from './v2/io.ts';
import { planMemory } from './v2/memory.ts';

/** Handed down to every container, where the kernel has them. */
const CONTROLLERS = ['cpuset', 'cpu', 'io', 'memory', 'pids'];
/** Handed down with the first container that asks for one of their limits. */
const RARE_CONTROLLERS = ['hugetlb', 'rdma', 'misc'];

type Planner = (directory: string, resources: Resources) => CgroupStep[];

/** Without a name: down to the parent. */
export function planUnified(
  host: CgroupHost,
  unified: Hierarchy,
  request: { readonly parent: string; readonly name?: string; readonly resources: Resources },
): CgroupStep[] {
  const { resources } = request;
  const planners = plannersOf(host);
  const has = (each: string): boolean => unified.controllers.includes(each);
  const wanted = (each: string): boolean => (planners[each]?.('', resources) ?? []).length > 0;
  const controllers = [
    ...CONTROLLERS.filter(has),
    ...RARE_CONTROLLERS.filter((each) => has(each) && wanted(each)),
  ];
  const steps: CgroupStep[] = [];
  // A controller exists in a directory once its parent enables it: from the top down, each level
  // after it is made (cgroup-v2.rst, "Enabling and Disabling").
  for (const path of lineage(unified, request.parent)) {
    const directory = directoryOf(unified, path);
    if (path !== '/') steps.push({ op: 'mkdir', path: directory });
    if (controllers.length === 0) continue;
    steps.push({
      op: 'cgroup_write',
      path: `${directory}/cgroup.subtree_control`,
      value: controllers.map((each) => `+${each}`).join(' '),
      check: 'enabled',
    });
  }
  if (request.name === undefined) return steps;
  const leaf = directoryOf(unified, posix.join(parentPath(unified, request.parent), request.name));
  steps.push({ op: 'mkdir', path: leaf });
  for (const each of controllers) steps.push(...(planners[each]?.(leaf, resources) ?? []));
  if (resources.devices !== undefined && hierarchyOf(host, 'devices') === undefined) {
    steps.push(...planDevices(leaf, resources.devices));
  }
  return steps;
}

function plannersOf({ files }: CgroupHost): Readonly<Record<string, Planner>> {
  const weights = files && IO_WEIGHT_FILES.filter((file) => files.has(file));
  return {
    cpuset: planCpuset,
    cpu: planCpu,
    io: (directory, resources) => planIo(directory, resources, weights),
    memory: planMemory,
    pids: planPids,
    hugetlb: planHugetlb(2),
    rdma: planRdma,
    misc: planMisc,
  };
}
