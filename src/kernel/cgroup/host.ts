// What cgroup hierarchies this host has, read from the text of /proc/self/mountinfo (proc(5)) and
// /proc/self/cgroup (cgroups(7)). Nothing here knows a path: mounts are where mountinfo says.
import { posix } from 'node:path';
import { EngineError } from '#base/error.ts';
import { decodeOctal } from '../mount/mountinfo.ts';

/** One cgroup v1 hierarchy, or the one cgroup2 hierarchy. */
export type Hierarchy = {
  /** v1: co-mounted subsystems (`cpu`, `cpuacct`) or `name=systemd`. cgroup2: its controllers. */
  readonly controllers: readonly string[];
  readonly mountpoint: string;
  /** Which cgroup of the hierarchy the mount shows: "/" but for bind mounts, as in a container. */
  readonly root: string;
  /** The cgroup of this process as /proc/self/cgroup names it. */
  readonly own: string;
};

export type CgroupHost = {
  /** 2 when cgroup2 is the only mount (the unified mode); 1 for v1 and for hybrid. */
  readonly version: 1 | 2;
  /** The v1 hierarchies in the order of mountinfo; empty in unified mode. */
  readonly hierarchies: readonly Hierarchy[];
  /** The cgroup2 mount, in unified mode and on hybrid hosts. */
  readonly unified?: Hierarchy;
  /**
   * Of version 1, which nobody needs to have mounted: they are, in a private place, with the first
   * container that asks for one of their limits. So others pay nothing for them.
   */
  readonly onDemand?: readonly Hierarchy[];
  /** Names of the files that cgroups have here, below the roots; see withFiles(). */
  readonly files?: ReadonlySet<string>;
};

/** The source of private mounts: nobody takes them for the host's, which would outlive us. */
export const PRIVATE_SOURCE = 'coracle';

/** Subsystems whose limits are asked for rarely, and which have no twin in cgroup2. */
const RARE_SUBSYSTEMS = ['net_cls', 'net_prio', 'hugetlb'] as const;

export type CgroupTexts = {
  readonly mountinfo: string;
  readonly selfCgroup: string;
  /** Text of `cgroup.controllers` in the root of the cgroup2 mount. */
  readonly controllersFile?: string;
  /** Text of /proc/cgroups, and where hierarchies may be mounted for who asks. */
  readonly subsystems?: string;
  /** Text of /proc/cmdline. */
  readonly bootLine?: string;
  readonly privateDirectory?: string;
};

type Mount = {
  readonly root: string;
  readonly mountpoint: string;
  readonly fstype: string;
  readonly source: string;
  readonly options: readonly string[];
  readonly writable: boolean;
};

// Super options of a cgroup v1 mount that are no subsystem (cgroup1_show_options() in the kernel).
const V1_OPTIONS = new Set([
  'rw',
  'ro',
  'noprefix',
  'xattr',
  'clone_children',
  'cpuset_v2_mode',
  'favordynmods',
]);

/** Finds the hierarchies; throws `unavailable` when no cgroup file system is mounted. */
export function detectCgroups(texts: CgroupTexts): CgroupHost {
  const own = parseSelfCgroup(texts.selfCgroup);
  const mounts = visible(parseMounts(texts.mountinfo)).filter(
    ({ source }) => source !== PRIVATE_SOURCE,
  );
  const byHierarchy = new Map<string, Hierarchy[]>();
  for (const mount of mounts.filter((each) => each.fstype === 'cgroup')) {
    const controllers = mount.options.filter(isSubsystem);
    if (controllers.length === 0) continue;
    const key = [...controllers].sort().join(',');
    const path = own.get(controllers[0] ?? '') ?? '/';
    const found = byHierarchy.get(key) ?? [];
    found.push({ controllers, mountpoint: mount.mountpoint, root: mount.root, own: path });
    byHierarchy.set(key, found);
  }
  const hierarchies = [...byHierarchy.values()].map(best);
  const unified = findUnified(mounts, own.get('') ?? '/', texts.controllersFile ?? '');
  if (hierarchies.length === 0 && unified === undefined) {
    throw new EngineError('unavailable', 'no cgroup file system is mounted on this host');
  }
  const onDemand = findOnDemand(texts, hierarchies, unified);
  return {
    version: hierarchies.length === 0 ? 2 : 1,
    hierarchies,
    ...(unified === undefined ? {} : { unified }),
    ...(onDemand.length === 0 ? {} : { onDemand }),
  };
}

/** What the kernel has of RARE_SUBSYSTEMS, but no mount of the host. */
function findOnDemand(
  { subsystems = '', selfCgroup, privateDirectory, bootLine = '' }: CgroupTexts,
  mounted: readonly Hierarchy[],
  unified: Hierarchy | undefined,
): Hierarchy[] {
  if (privateDirectory === undefined) return [];
  const taken = new Set([...mounted, ...(unified ? [unified] : [])].flatMap((h) => h.controllers));
  const off = switchedOff(bootLine);
  const made = new Map<string, Hierarchy>();
  for (const name of RARE_SUBSYSTEMS) {
    if (taken.has(name) || !isEnabled(subsystems, name)) continue;
    if (off.has(name) || off.has('all')) continue;
    // Who mounted it elsewhere with others chose the set for all (cgroups(7), "Mounting v1").
    const line = selfCgroup.split('\n').find((each) => listOf(each).includes(name)) ?? '';
    const controllers = line === '' ? [name] : listOf(line);
    const key = controllers.join(',');
    const own = /^\d+:[^:]*:(\/.*)$/.exec(line)?.[1] ?? '/';
    made.set(key, { controllers, mountpoint: `${privateDirectory}/${key}`, root: '/', own });
  }
  return [...made.values()];
}

/** What cannot be mounted as version 1 (EINVAL), though /proc/cgroups says that it is enabled. */
function switchedOff(bootLine: string): ReadonlySet<string> {
  const lists = bootLine.split(/\s+/).map((word) => /^cgroup_no_v1=(.*)$/.exec(word)?.[1] ?? '');
  return new Set(lists.flatMap((list) => list.split(',')));
}

/** The controllers of a line of /proc/self/cgroup. */
function listOf(line: string): string[] {
  return line.split(':')[1]?.split(',') ?? [];
}

/** A line of /proc/cgroups: name, hierarchy, number of cgroups, enabled. */
function isEnabled(subsystems: string, name: string): boolean {
  return subsystems.split('\n').some((line) => {
    const words = line.split('\t');
    return words[0] === name && words[3] === '1';
  });
}

/** The v1 hierarchy that carries a subsystem, be it mounted or to be mounted on demand. */
export function hierarchyOf(host: CgroupHost, controller: string): Hierarchy | undefined {
  return [...host.hierarchies, ...(host.onDemand ?? [])].find((each) =>
    each.controllers.includes(controller),
  );
}

/** All that cgroups of ours can be in: v1, cgroup2, and last those that may not be mounted. */
export function allHierarchies(host: CgroupHost): readonly Hierarchy[] {
  const unified = host.unified === undefined ? [] : [host.unified];
  return [...host.hierarchies, ...unified, ...(host.onDemand ?? [])];
}

/** True when a controller can be used, whichever version it is bound to. */
export function hasController(host: CgroupHost, controller: string): boolean {
  return (
    hierarchyOf(host, controller) !== undefined ||
    (host.unified?.controllers.includes(controller) ?? false)
  );
}

/** The directory of a cgroup, given its path below the root of the mount. */
export function directoryOf(hierarchy: Hierarchy, path: string): string {
  return path === '/' ? hierarchy.mountpoint : posix.join(hierarchy.mountpoint, path);
}

/** How /proc/PID/cgroup will name the cgroup at `path` below the root of the mount. */
export function visiblePath(hierarchy: Hierarchy, path: string): string {
  return posix.join(hierarchy.root, path);
}

/** The path, below the root of the mount, of the cgroup that this process is in. */
export function ownPath(hierarchy: Hierarchy): string {
  if (hierarchy.root === '/') return hierarchy.own;
  if (hierarchy.own === hierarchy.root) return '/';
  if (!hierarchy.own.startsWith(`${hierarchy.root}/`)) return '/';
  return hierarchy.own.slice(hierarchy.root.length);
}

/** Path of a parent below the root of the mount; ".." in it cannot climb out. */
export function parentPath(hierarchy: Hierarchy, parent: string): string {
  const clean = posix.normalize(`/${parent}`);
  return parent.startsWith('/') ? clean : posix.join(ownPath(hierarchy), clean);
}

/** The paths from "/" down to the parent, both included. */
export function lineage(hierarchy: Hierarchy, parent: string): string[] {
  const parts = parentPath(hierarchy, parent)
    .split('/')
    .filter((part) => part !== '');
  return ['/', ...parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`)];
}

/** Controller to path; the key of the cgroup2 line ("0::/path") is "". */
function parseSelfCgroup(text: string): Map<string, string> {
  const paths = new Map<string, string>();
  for (const line of text.split('\n')) {
    // hierarchy-ID:controller-list:path, and the path may contain colons.
    const match = /^(\d+):([^:]*):(\/.*)$/.exec(line);
    if (match === null) continue;
    const [, , list = '', path = '/'] = match;
    for (const controller of list.split(',')) paths.set(controller, path);
  }
  return paths;
}

function parseMounts(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const separator = line.indexOf(' - ');
    if (separator === -1) continue;
    const [, , , root = '', mountpoint = '', flags = ''] = line.slice(0, separator).split(' ');
    const [fstype = '', source = '', options = ''] = line.slice(separator + 3).split(' ');
    mounts.push({
      root: decodeOctal(root),
      mountpoint: decodeOctal(mountpoint),
      fstype,
      source,
      options: options.split(','),
      writable: flags.split(',').includes('rw'),
    });
  }
  return mounts;
}

/** Leaves out mounts that a later mount, on the same point or above it, has covered. */
function visible(mounts: readonly Mount[]): Mount[] {
  const covered = (mount: Mount, later: Mount): boolean =>
    later.mountpoint === mount.mountpoint || mount.mountpoint.startsWith(`${later.mountpoint}/`);
  return mounts.filter(
    (mount, index) =>
      mount.fstype.startsWith('cgroup') &&
      !mounts.slice(index + 1).some((later) => later.mountpoint !== '/' && covered(mount, later)),
  );
}

function isSubsystem(option: string): boolean {
  // "release_agent=..." is an option with a value; "name=..." names a hierarchy.
  if (option.startsWith('name=')) return true;
  return option !== '' && !option.includes('=') && !V1_OPTIONS.has(option);
}

/** A hierarchy can be mounted more than once: the mount that shows most of it serves best. */
function best(found: readonly Hierarchy[]): Hierarchy {
  const depth = (each: Hierarchy): number => (each.root === '/' ? 0 : each.root.split('/').length);
  return found.reduce((a, b) => (depth(b) < depth(a) ? b : a));
}

function findUnified(
  mounts: readonly Mount[],
  own: string,
  controllersFile: string,
): Hierarchy | undefined {
  const candidates = mounts.filter((each) => each.fstype === 'cgroup2');
  // Read-only mounts of cgroup2 are what containers get; one that can be written is the host's.
  const usable = candidates.some((each) => each.writable)
    ? candidates.filter((each) => each.writable)
    : candidates;
  if (usable.length === 0) return undefined;
  const controllers = controllersFile.split(/\s+/).filter((each) => each !== '');
  return best(
    usable.map((each) => ({ controllers, mountpoint: each.mountpoint, root: each.root, own })),
  );
}
