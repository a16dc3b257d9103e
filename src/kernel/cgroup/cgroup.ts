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
  lineage,
  parentPath,
  PRIVATE_SOURCE,
  visiblePath,
} from './host.ts';
import { planUnified } from './unified.ts';
import type { RealtimeBudget, Resources } from './resources.ts';
import type { CgroupStep } from './step.ts';
import { planRealtime } from './v1/cpu.ts';
import { CPUSET_FILES, type Cpuset, planCpuset, planInherit } from './v1/cpuset.ts';
import { isWanted, planLeaf } from './v1/leaf.ts';

export type CgroupRequest = {
  /** "/coracle" is below the root of each mount; "coracle" is below the daemon's own cgroup. */
  readonly parent: string;
  readonly name: string;
  readonly resources: Resources;
  /** What each ancestor gets, so that a container can have real-time at all. */
  readonly realtime?: RealtimeBudget;
};

/** Text of files by absolute path; files that do not exist are left out. See factFiles(). */
export type CgroupFacts = Readonly<Record<string, string>>;

export type CgroupPlan = {
  /** In order: ancestors first, then the leaf and its limits. Directories may exist already. */
  readonly create: readonly CgroupStep[];
  /**
   * Directories of version 1, whose `tasks` init writes "0" into, before it limits itself further.
   */
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
  const { resources } = request;
  const onDemand = host.onDemand ?? [];
  const leaf = (hierarchy: Hierarchy): string =>
    posix.join(parentPath(hierarchy, request.parent), request.name);
  const leaves = (each: readonly Hierarchy[]): string[] =>
    each.map((hierarchy) => directoryOf(hierarchy, leaf(hierarchy)));
  const wanted = onDemand.filter((each) => isWanted(each, resources));
  const budget = (resources.cpuRtRuntime ?? 0) > 0 ? request.realtime : undefined;
  const create: CgroupStep[] = wanted.map(mountStep);
  for (const hierarchy of [...host.hierarchies, ...wanted]) {
    create.push(...planAncestors(hierarchy, request.parent, budget, facts));
    const directory = directoryOf(hierarchy, leaf(hierarchy));
    create.push({ op: 'mkdir', path: directory });
    if (hierarchy.controllers.includes('cpuset')) {
      const parent = cpusetOf(hierarchy, parentPath(hierarchy, request.parent), facts);
      create.push(...planCpuset(directory, resources, parent));
    }
    create.push(...planLeaf(hierarchy, directory, resources));
  }
  if (host.unified !== undefined) create.push(...planUnified(host, host.unified, request));
  const all = [...host.hierarchies, ...(host.unified === undefined ? [] : [host.unified])];
  const unified =
    host.unified === undefined ? undefined : directoryOf(host.unified, leaf(host.unified));
  const freezer = planFreezer(host, leaf, unified);
  const oomFile = planOomFile(host, leaf, unified);
  return {
    create,
    join: leaves([...host.hierarchies, ...wanted]),
    // With those that this container is not in now: an update may put it there.
    directories: leaves([...all, ...onDemand]),
    ...(unified === undefined ? {} : { unified, killFile: `${unified}/cgroup.kill` }),
    ...(freezer === undefined ? {} : { freezer }),
    ...(oomFile === undefined ? {} : { oomFile }),
    view: planView(host, leaf),
  };
}

/** The parents alone, so that they exist before the first container; see planCgroup(). */
export function planParents(
  host: CgroupHost,
  parent: string,
  realtime: RealtimeBudget | undefined,
  facts: CgroupFacts,
): CgroupStep[] {
  const cpu = hierarchyOf(host, 'cpu');
  return [
    ...host.hierarchies.flatMap((each) => planAncestors(each, parent, undefined, facts)),
    ...(host.unified === undefined
      ? []
      : planUnified(host, host.unified, { parent, resources: {} })),
    // Last: where the kernel refuses it, all else is there.
    ...(cpu === undefined || realtime === undefined
      ? []
      : planAncestors(cpu, parent, realtime, facts)),
  ];
}

function mountStep({ mountpoint, controllers }: Hierarchy): CgroupStep {
  const list = controllers.join(',');
  return { op: 'cgroup_mount', path: mountpoint, source: PRIVATE_SOURCE, controllers: list };
}

function checkName(name: string): void {
  if (/^[A-Za-z0-9_.\\-]+$/.test(name) && name !== '.' && name !== '..') return;
  throw new EngineError('invalid_argument', `invalid cgroup name: "${name}"`);
}

function planAncestors(
  hierarchy: Hierarchy,
  parent: string,
  realtime: RealtimeBudget | undefined,
  facts: CgroupFacts,
): CgroupStep[] {
  const steps: CgroupStep[] = [];
  const { controllers } = hierarchy;
  for (const path of lineage(hierarchy, parent).slice(1)) {
    const directory = directoryOf(hierarchy, path);
    steps.push({ op: 'mkdir', path: directory });
    if (realtime !== undefined && controllers.includes('cpu')) {
      steps.push(...planRealtime(directory, realtime));
    }
    if (!controllers.includes('cpuset')) continue;
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
