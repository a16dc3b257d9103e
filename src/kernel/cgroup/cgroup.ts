// The cgroups of a container, on cgroup v1, v2 and hybrid hosts. This folder turns limits into
// steps, plain data: it reads and writes no file. One controller a file under v1/ and v2/.
// On hybrid hosts each controller is planned where it is bound, so any mix works.
import { posix } from 'node:path';
import { EngineError } from '#base/error.ts';
import { type Freezer, freezerAt } from './freezer.ts';
import {
  type CgroupHost,
  directoryOf,
  type Hierarchy,
  hierarchyOf,
  ownPath,
  visiblePath,
} from './host.ts';
import { planPids } from './pids.ts';
import type { Resources } from './resources.ts';
import type { CgroupStep, CgroupWriteStep } from './step.ts';
import { planBlkio } from './v1/blkio.ts';
import { planCpu as planCpuV1 } from './v1/cpu.ts';
import { CPUSET_FILES, type Cpuset, planCpuset as planCpusetV1, planInherit } from './v1/cpuset.ts';
import { planDevices as planDevicesV1 } from './v1/devices.ts';
import { planMemory as planMemoryV1 } from './v1/memory.ts';
import { planCpu as planCpuV2 } from './v2/cpu.ts';
import { planCpuset as planCpusetV2 } from './v2/cpuset.ts';
import { planDevices as planDevicesV2 } from './v2/devices.ts';
import { planIo } from './v2/io.ts';
import { planMemory as planMemoryV2 } from './v2/memory.ts';

export type CgroupRequest = {
  /** "/coracle" is below the root of each mount; "coracle" is below the daemon's own cgroup. */
  readonly parent: string;
  readonly name: string;
  readonly resources: Resources;
};

/** Text of files by absolute path; files that do not exist are left out. See factFiles(). */
export type CgroupFacts = Readonly<Record<string, string>>;

export type CgroupPlan = {
  /** In order: ancestors first, then the leaf and its limits. Directories may exist already. */
  readonly create: readonly CgroupStep[];
  /** Directories of version 1, whose `tasks` init writes "0" into, before it limits itself further. */
  readonly join: readonly string[];
  /** Leaf directories, one a hierarchy, to rmdir (retrying on EBUSY) once they are empty. */
  readonly directories: readonly string[];
  /** The leaf in cgroup2, for CLONE_INTO_CGROUP. */
  readonly unified?: string;
  readonly freezer?: Freezer;
  /** Writing "1" kills every process at once (cgroup2, Linux 5.14). */
  readonly killFile?: string;
  /** To be read with parseOomKills() after the exit. */
  readonly oomFile?: string;
  readonly view: CgroupView;
};

/** What a container sees. `source` is the directory to bind at /sys/fs/cgroup (v1: below it). */
export type CgroupView =
  | { readonly version: 1; readonly hierarchies: readonly HierarchyView[] }
  | { readonly version: 2; readonly path: string; readonly source: string };
export type HierarchyView = {
  readonly controllers: readonly string[];
  /** Directory below /sys/fs/cgroup, such as "cpu,cpuacct". */
  readonly mountpoint: string;
  /** Symbolic links beside it, such as "cpu" and "cpuacct" for the above. */
  readonly links: readonly string[];
  /** As /proc/self/cgroup names it. */
  readonly path: string;
  readonly source: string;
};

/** cgroup2 controllers that are handed down to containers, where the kernel has them. */
const UNIFIED_CONTROLLERS = ['cpuset', 'cpu', 'io', 'memory', 'pids'];

/** The files whose text planCgroup() needs: v1 cpusets of the ancestors. */
export function factFiles(host: CgroupHost, request: { readonly parent: string }): string[] {
  const cpuset = hierarchyOf(host, 'cpuset');
  if (cpuset === undefined) return [];
  return lineage(cpuset, request.parent).flatMap((path) =>
    CPUSET_FILES.map((file) => `${directoryOf(cpuset, path)}/${file}`),
  );
}

export function planCgroup(
  host: CgroupHost,
  request: CgroupRequest,
  facts: CgroupFacts,
): CgroupPlan {
  checkName(request.name);
  const leaf = (hierarchy: Hierarchy): string =>
    posix.join(parentPath(hierarchy, request.parent), request.name);
  const create: CgroupStep[] = [];
  for (const hierarchy of host.hierarchies) {
    create.push(...planAncestors(hierarchy, request.parent, facts));
    const directory = directoryOf(hierarchy, leaf(hierarchy));
    create.push({ op: 'mkdir', path: directory });
    for (const controller of hierarchy.controllers) {
      create.push(...planController(controller, hierarchy, directory, request, facts));
    }
  }
  if (host.unified !== undefined) create.push(...planUnified(host, host.unified, request));
  const all = [...host.hierarchies, ...(host.unified === undefined ? [] : [host.unified])];
  const directories = all.map((each) => directoryOf(each, leaf(each)));
  const unified =
    host.unified === undefined ? undefined : directoryOf(host.unified, leaf(host.unified));
  const freezer = planFreezer(host, leaf, unified);
  const oomFile = planOomFile(host, leaf, unified);
  return {
    create,
    join: host.hierarchies.map((each) => directoryOf(each, leaf(each))),
    directories,
    ...(unified === undefined ? {} : { unified, killFile: `${unified}/cgroup.kill` }),
    ...(freezer === undefined ? {} : { freezer }),
    ...(oomFile === undefined ? {} : { oomFile }),
    view: planView(host, leaf),
  };
}

/** Path of the parent below the root of the mount; ".." in it cannot climb out. */
function parentPath(hierarchy: Hierarchy, parent: string): string {
  const clean = posix.normalize(`/${parent}`);
  return parent.startsWith('/') ? clean : posix.join(ownPath(hierarchy), clean);
}

/** The paths from "/" down to the parent, both included. */
function lineage(hierarchy: Hierarchy, parent: string): string[] {
  const parts = parentPath(hierarchy, parent)
    .split('/')
    .filter((part) => part !== '');
  return ['/', ...parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`)];
}

function checkName(name: string): void {
  if (/^[A-Za-z0-9_.-]+$/.test(name) && name !== '.' && name !== '..') return;
  throw new EngineError('invalid_argument', `invalid cgroup name: "${name}"`);
}

function planAncestors(hierarchy: Hierarchy, parent: string, facts: CgroupFacts): CgroupStep[] {
  const steps: CgroupStep[] = [];
  for (const path of lineage(hierarchy, parent).slice(1)) {
    const directory = directoryOf(hierarchy, path);
    steps.push({ op: 'mkdir', path: directory });
    if (!hierarchy.controllers.includes('cpuset')) continue;
    const above = cpusetOf(hierarchy, posix.dirname(path), facts);
    steps.push(...planInherit(directory, readCpuset(directory, facts), above));
  }
  return steps;
}

/** What a level has, or will have once planAncestors() has filled it from the level above. */
function cpusetOf(hierarchy: Hierarchy, path: string, facts: CgroupFacts): Cpuset {
  const present = readCpuset(directoryOf(hierarchy, path), facts);
  if (path === '/') {
    if (present !== undefined) return present;
    const directory = directoryOf(hierarchy, path);
    throw new EngineError('internal', `the cpuset of ${directory} was not read before planning`);
  }
  const above = cpusetOf(hierarchy, posix.dirname(path), facts);
  return { cpus: present?.cpus || above.cpus, mems: present?.mems || above.mems };
}

function readCpuset(directory: string, facts: CgroupFacts): Cpuset | undefined {
  const cpus = facts[`${directory}/cpuset.cpus`];
  const mems = facts[`${directory}/cpuset.mems`];
  if (cpus === undefined || mems === undefined) return undefined;
  return { cpus: cpus.trim(), mems: mems.trim() };
}

function planController(
  controller: string,
  hierarchy: Hierarchy,
  directory: string,
  request: CgroupRequest,
  facts: CgroupFacts,
): CgroupWriteStep[] {
  const { resources } = request;
  switch (controller) {
    case 'cpuset': {
      const parent = cpusetOf(hierarchy, parentPath(hierarchy, request.parent), facts);
      return planCpusetV1(directory, resources, parent);
    }
    case 'cpu':
      return planCpuV1(directory, resources);
    case 'memory':
      return planMemoryV1(directory, resources);
    case 'pids':
      return planPids(directory, resources);
    case 'blkio':
      return planBlkio(directory, resources);
    case 'devices':
      return resources.devices === undefined ? [] : planDevicesV1(directory, resources.devices);
    default:
      return []; // cpuacct, freezer, net_cls, name=...: nothing to write before the start
  }
}

function planUnified(host: CgroupHost, unified: Hierarchy, request: CgroupRequest): CgroupStep[] {
  const controllers = UNIFIED_CONTROLLERS.filter((each) => unified.controllers.includes(each));
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
  const leaf = directoryOf(unified, posix.join(parentPath(unified, request.parent), request.name));
  const { resources } = request;
  const planners: Readonly<Record<string, (directory: string, r: Resources) => CgroupStep[]>> = {
    cpuset: planCpusetV2,
    cpu: planCpuV2,
    io: planIo,
    memory: planMemoryV2,
    pids: planPids,
  };
  steps.push({ op: 'mkdir', path: leaf });
  for (const each of controllers) steps.push(...(planners[each]?.(leaf, resources) ?? []));
  if (resources.devices !== undefined && hierarchyOf(host, 'devices') === undefined) {
    steps.push(...planDevicesV2(leaf, resources.devices));
  }
  return steps;
}

function planFreezer(
  host: CgroupHost,
  leaf: (hierarchy: Hierarchy) => string,
  unified: string | undefined,
): Freezer | undefined {
  const v1 = hierarchyOf(host, 'freezer');
  if (v1 !== undefined) return freezerAt(1, directoryOf(v1, leaf(v1)));
  return unified === undefined ? undefined : freezerAt(2, unified);
}

function planOomFile(
  host: CgroupHost,
  leaf: (hierarchy: Hierarchy) => string,
  unified: string | undefined,
): string | undefined {
  const v1 = hierarchyOf(host, 'memory');
  if (v1 !== undefined) return `${directoryOf(v1, leaf(v1))}/memory.oom_control`;
  if (unified === undefined || !host.unified?.controllers.includes('memory')) return undefined;
  return `${unified}/memory.events`;
}

function planView(host: CgroupHost, leaf: (hierarchy: Hierarchy) => string): CgroupView {
  if (host.version === 2 && host.unified !== undefined) {
    const path = leaf(host.unified);
    return {
      version: 2,
      path: visiblePath(host.unified, path),
      source: directoryOf(host.unified, path),
    };
  }
  return {
    version: 1,
    hierarchies: host.hierarchies.map((each) => {
      // Programs look for /sys/fs/cgroup/<subsystem>; systemd's own is mounted as "systemd".
      const names = each.controllers.map((name) => name.replace(/^name=/, ''));
      const mountpoint = names.join(',');
      return {
        controllers: each.controllers,
        mountpoint,
        links: names.length > 1 ? names : [],
        path: visiblePath(each, leaf(each)),
        source: directoryOf(each, leaf(each)),
      };
    }),
  };
}
