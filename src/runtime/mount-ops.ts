// One OCI mount → the operations that make it. All of them act below the attached root; only the
// source of a bind is a path of the host.
import { EngineError } from '#base/error.ts';
import type { CgroupView } from '#kernel/cgroup/cgroup.ts';
import { MOUNT_ATTR, MS, PROPAGATION, type Propagation } from '#kernel/mount/flags.ts';
import { type MountOptions, parseMountOptions } from '#kernel/mount/options.ts';
import { BIND, type Op } from '#kernel/native/op.ts';
import type { OciMount } from './oci.ts';

export type MountFacts = {
  readonly view: CgroupView;
  /** The container has a cgroup namespace of its own. */
  readonly cgroupns: boolean;
  /** The container has a user namespace of its own. */
  readonly userns: boolean;
  /** Targets of binds whose source is not a directory. */
  readonly fileTargets: ReadonlySet<string>;
};

export function mountOps(mount: OciMount, facts: MountFacts): Op[] {
  checkInsideProc(mount);
  const recursive = mount.options.includes('rro');
  const words = mount.options.filter((word) => word !== 'rro');
  const options = parseMountOptions(words.join(','));
  if (mount.type === 'cgroup') return cgroupOps(mount.destination, options, facts);
  if (options.bind !== undefined || mount.type === 'bind') {
    return [bindOp(mount, options, recursive, facts)];
  }
  const { destination: target, type: fstype, source } = mount;
  const attr = options.attrSet;
  if (fstype === 'tmpfs' && !options.options.some((option) => option.startsWith('mode='))) {
    return [{ op: 'tmpfs', target, attr, options: options.options }];
  }
  return [{ op: 'mount', fstype, source, target, attr, options: options.options }];
}

function bindOp(
  mount: OciMount,
  options: MountOptions,
  recursiveReadonly: boolean,
  facts: MountFacts,
): Op {
  const file = facts.fileTargets.has(mount.destination);
  const flags =
    (options.bind === 'rbind' ? BIND.RECURSIVE : 0) |
    (file ? BIND.FILE_TARGET : 0) |
    (recursiveReadonly ? BIND.ATTR_RECURSIVE : 0);
  return {
    op: 'bind',
    source: mount.source,
    target: mount.destination,
    flags,
    attr_set: options.attrSet,
    attr_clear: options.attrClear,
    propagation: PROPAGATION[boundPropagation(options.propagation, facts)],
  };
}

/** Shared across a user namespace would let its root mount things on the host. */
function boundPropagation(wanted: Propagation = 'rprivate', facts: MountFacts): Propagation {
  if (!facts.userns) return wanted;
  return wanted === 'shared' ? 'slave' : wanted === 'rshared' ? 'rslave' : wanted;
}

/**
 * /sys/fs/cgroup. cgroup2 is mounted as such: the cgroup namespace decides what it shows. On v1 a
 * tmpfs holds one directory a hierarchy; with a cgroup namespace each is a mount of its own, and
 * without one (Docker's default there) each is a bind of the container's own cgroup. Nobody but
 * the owner of a cgroup namespace may mount it (cgroup_get_tree), so a mapped container gets binds.
 */
function cgroupOps(target: string, options: MountOptions, facts: MountFacts): Op[] {
  const { view } = facts;
  const attr = options.attrSet;
  if (view.version === 2) {
    if (facts.userns) return [viewBind(view.source, target, attr)];
    return [{ op: 'mount', fstype: 'cgroup2', source: 'cgroup', target, attr, options: [] }];
  }
  const writable = attr & ~MOUNT_ATTR.RDONLY;
  const tmpfs: Op = {
    op: 'mount',
    fstype: 'tmpfs',
    source: 'cgroup',
    target,
    attr: writable,
    options: ['mode=755'],
  };
  const ops: Op[] = [tmpfs];
  for (const each of view.hierarchies) {
    const place = `${target}/${each.mountpoint}`;
    ops.push(
      facts.cgroupns && !facts.userns
        ? {
            op: 'mount',
            fstype: 'cgroup',
            source: 'cgroup',
            target: place,
            attr,
            options: each.controllers,
          }
        : viewBind(each.source, place, attr),
    );
    for (const link of each.links) {
      ops.push({ op: 'symlink', target: each.mountpoint, path: `${target}/${link}` });
    }
  }
  // Only now: in a read-only tmpfs the directories and links could not be made.
  if (attr !== writable) ops.push({ op: 'readonly', path: target });
  return ops;
}

function viewBind(source: string, target: string, attr: number): Op {
  return {
    op: 'bind',
    source,
    target,
    flags: BIND.RECURSIVE,
    attr_set: attr,
    attr_clear: 0,
    propagation: MS.PRIVATE | MS.REC,
  };
}

/** Files of procfs that lxcfs and others replace; runc allows the same. */
const PROC_FILES = [
  'cpuinfo',
  'diskstats',
  'meminfo',
  'stat',
  'swaps',
  'uptime',
  'loadavg',
  'slabinfo',
  'net/dev',
  'sys/kernel/ns_last_pid',
  'sys/crypto/fips_enabled',
].map((file) => `/proc/${file}`);

/**
 * A mount inside /proc could put a file of the user's choice where the runtime or the kernel's
 * tools later write (CVE-2019-16884, CVE-2019-19921).
 */
function checkInsideProc(mount: OciMount): void {
  const { destination, type, source } = mount;
  if (destination === '/proc' && (type === 'proc' || source === '/proc')) return;
  if (destination !== '/proc' && !destination.startsWith('/proc/')) return;
  if (type === 'bind' && PROC_FILES.includes(destination)) return;
  throw new EngineError(
    'invalid_argument',
    `"${destination}" cannot be mounted because it is inside /proc`,
    { facts: { target: destination } },
  );
}
