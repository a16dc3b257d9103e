// OCI runtime spec → launch plan: the operations that make a container, in order. Pure.
//
// The order is what security rests on (ARCHITECTURE.md, "Security rules for the C side"):
//   cgroups before the first process; the root mounted where only the new mount namespace sees it;
//   propagation cut before the first mount; masks after all mounts; pivot_root after the last use
//   of a host path; everything that needs privileges before they are dropped; execve last.
import { posix } from 'node:path';
import { EngineError } from '#base/error.ts';
import type { CgroupPlan } from '#kernel/cgroup/cgroup.ts';
import { MS } from '#kernel/mount/flags.ts';
import { CLONE, namespacePath } from '#kernel/namespace/namespace.ts';
import { BIND, type LaunchPlan, type LogPlan, type Op, type Stdio } from '#kernel/native/op.ts';
import { DEVICE_LINKS } from './baseline.ts';
import type { Box, BoxRoot, BoxShm } from './box.ts';
import { cgroupOp, killOps } from './cgroup.ts';
import type { HostFacts } from './facts.ts';
import { becomeOps, rlimitOps, settleOps } from './identity-ops.ts';
import { type MountFacts, mountOps } from './mount-ops.ts';
import { cleanPath, joinedShm, SHM } from './mounts.ts';
import { chownOps, hostSources } from './sources.ts';
import type { OciDevice, OciIdMapping, OciNamespaceType, OciRlimit, OciSpec } from './oci.ts';

/** What a launch needs beside the OCI spec, which has no words for it. */
export type LaunchExtras = {
  readonly root: BoxRoot['mount'];
  readonly volatile: boolean;
  readonly stdio: Stdio;
  readonly log: LogPlan;
  /** By name or number, as the user wrote it. */
  readonly user: string;
  readonly groups: readonly string[];
  readonly reaper: boolean;
  readonly cgroup: CgroupPlan;
  readonly fileTargets: readonly string[];
  /** The user's, for those whose source is made by the monitor. */
  readonly mounts: Box['mounts'];
  /** Where on the host a device is that has another path inside. */
  readonly deviceSources: Readonly<Record<string, string>>;
  readonly shm: BoxShm;
};

const NAME_FILES: readonly string[] = ['/etc/resolv.conf', '/etc/hostname', '/etc/hosts'];

export function launchExtras(box: Box, cgroup: CgroupPlan): LaunchExtras {
  const targets = new Map(NAME_FILES.map((path) => [path, true]));
  for (const mount of box.mounts) {
    targets.set(cleanPath(mount.target), mount.kind !== 'tmpfs' && mount.file);
  }
  const sources = box.devices.flatMap(({ path, source }) =>
    source === undefined ? [] : [[path, source] as const],
  );
  return {
    root: box.root.mount,
    volatile: box.root.volatile,
    stdio: box.process.stdio,
    log: box.log,
    user: box.process.user,
    groups: box.process.groups,
    reaper: box.process.init,
    cgroup,
    fileTargets: [...targets].flatMap(([path, file]) => (file ? [path] : [])),
    mounts: box.mounts,
    deviceSources: Object.fromEntries(sources),
    shm: box.shm,
  };
}

/**
 * CLONE_NEW* of the namespaces that clone3 makes. Those of a user namespace are made by
 * join_userns.
 */
const CLONED: readonly (readonly [OciNamespaceType, number])[] = [
  ['mount', CLONE.NEWNS],
  ['pid', CLONE.NEWPID],
  ['network', CLONE.NEWNET],
  ['ipc', CLONE.NEWIPC],
  ['uts', CLONE.NEWUTS],
  ['time', CLONE.NEWTIME],
];

/** Flags of setns(2) for the namespaces that can be joined by a path. */
const JOINED: Readonly<Record<string, number>> = {
  pid: CLONE.NEWPID,
  network: CLONE.NEWNET,
  ipc: CLONE.NEWIPC,
  uts: CLONE.NEWUTS,
  cgroup: CLONE.NEWCGROUP,
  time: CLONE.NEWTIME,
};

/** They take effect for children only (setns(2)), so they are joined before the clone. */
const FOR_CHILDREN: readonly OciNamespaceType[] = ['pid', 'time'];

type Modes = {
  /** True for a namespace that is made, not joined and not the host's. */
  readonly own: (type: OciNamespaceType) => boolean;
  readonly joins: (early: boolean) => Op[];
  readonly mapped: boolean;
};

export function compileLaunch(spec: OciSpec, extras: LaunchExtras, facts: HostFacts): LaunchPlan {
  const modes = namespaceModes(spec);
  return {
    stdio: extras.stdio,
    log: extras.log,
    host: hostOps(spec, extras, facts),
    join: joinOps(spec, extras, modes, facts),
    cloneFlags: CLONED.reduce((flags, [type, flag]) => (modes.own(type) ? flags | flag : flags), 0),
    init: initOps(spec, extras, modes, facts),
    teardown: teardownOps(extras.cgroup),
  };
}

function namespaceModes(spec: OciSpec): Modes {
  const { namespaces } = spec.linux;
  const mapped = namespaces.some(({ type }) => type === 'user');
  return {
    mapped,
    own: (type) => namespaces.some((each) => each.type === type && each.path === undefined),
    joins: (early) =>
      namespaces.flatMap(({ type, path }): Op[] => {
        const flag = JOINED[type];
        if (path === undefined || flag === undefined) return [];
        return isEarly(type, mapped) === early ? [{ op: 'setns', path, flag }] : [];
      }),
  };
}

/** A mapped process has no rights over namespaces of the host: it joins them while it is root. */
function isEarly(type: OciNamespaceType, mapped: boolean): boolean {
  return mapped || FOR_CHILDREN.includes(type);
}

function hostOps(spec: OciSpec, extras: LaunchExtras, facts: HostFacts): Op[] {
  const { uidMappings = [], gidMappings = [] } = spec.linux;
  const { root } = extras;
  const ops: Op[] = extras.cgroup.create.map(cgroupOp);
  const { unified } = extras.cgroup;
  if (unified !== undefined) ops.push({ op: 'cgroup_into', path: unified });
  if (uidMappings.length > 0) {
    ops.push({ op: 'userns', uid_map: mapText(uidMappings), gid_map: mapText(gidMappings) });
  }
  const mapped = uidMappings.length > 0;
  if (root.kind === 'bind') {
    ops.push({ op: 'root_bind', path: root.path });
  } else {
    ops.push(overlayOp(root, extras.volatile, takesLayers(facts, mapped)));
  }
  ops.push(...hostSources(extras.mounts, !takesLayers(facts)).ops);
  return ops;
}

/** Whether overlayfs takes layers one by one (`lowerdir+`). Mapped ones have no name for a list. */
export function takesLayers({ kernel }: HostFacts, mapped = false): boolean {
  const since = (minor: number): boolean =>
    kernel.major > 6 || (kernel.major === 6 && kernel.minor >= minor);
  if (!mapped) return since(8);
  if (since(13)) return true;
  throw new EngineError(
    'unavailable',
    `a user namespace needs overlayfs of Linux 6.13, and this is ${kernel.major}.${kernel.minor}: ` +
      'use the container without --userns',
  );
}

/**
 * Whatever the host's defaults of the module are: what a container writes is a layer that any
 * overlay can show, with whole files and directories of their own names (overlayfs.rst,
 * "redirect_dir", "Metadata only copy up").
 */
const PORTABLE = ['redirect_dir=nofollow', 'metacopy=off'];

export function overlayOp(
  root: Extract<BoxRoot['mount'], { kind: 'overlay' }>,
  isVolatile: boolean,
  oneByOne: boolean,
): Op {
  const { lower, upper, work } = root;
  const op = oneByOne ? 'root_overlay' : 'root_overlay_joined';
  return { op, lower, upper, work, options: isVolatile ? [...PORTABLE, 'volatile'] : PORTABLE };
}

/** The lines of /proc/PID/uid_map, user_namespaces(7). */
function mapText(mappings: readonly OciIdMapping[]): string {
  return mappings.map((each) => `${each.containerID} ${each.hostID} ${each.size}\n`).join('');
}

function joinOps(spec: OciSpec, extras: LaunchExtras, modes: Modes, facts: HostFacts): Op[] {
  if (!modes.mapped) return modes.joins(true);
  // All that a mapped process may not do any more: files of cgroups and sysctls of a joined network
  // belong to the host's root, so does the right to raise limits, and so do most directories.
  return [
    { op: 'oom_score_adj', value: String(spec.process.oomScoreAdj) },
    ...rlimitOps(earlyLimits(spec.process.rlimits)),
    ...sourceOps(worldOps(spec, extras, modes, facts), extras),
    ...cgroupJoins(extras.cgroup),
    ...modes.joins(true),
    ...(modes.own('network') ? [] : sysctlOps(spec, isNetwork)),
    { op: 'join_userns' },
  ];
}

/** Descriptors that a plan may need at once. */
const NOFILE_MIN = 4096;

/** Raised to what is wanted, but not so low that the rest of the plan could not be performed. */
function earlyLimits(rlimits: readonly OciRlimit[]): OciRlimit[] {
  const enough = (value: number): number => (value < 0 ? value : Math.max(value, NOFILE_MIN));
  return rlimits.map((each) =>
    each.type === 'RLIMIT_NOFILE'
      ? { type: each.type, soft: enough(each.soft), hard: enough(each.hard) }
      : each,
  );
}

function cgroupJoins(cgroup: CgroupPlan): Op[] {
  return cgroup.join.map((path) => ({ op: 'cgroup_join', path }));
}

function sysctlOps(spec: OciSpec, wanted: (key: string) => boolean): Op[] {
  return Object.entries(spec.linux.sysctl)
    .filter(([key]) => wanted(key))
    .map(([key, value]) => ({ op: 'sysctl', key, value }));
}

function isNetwork(key: string): boolean {
  return key.startsWith('net.');
}

function initOps(spec: OciSpec, extras: LaunchExtras, modes: Modes, facts: HostFacts): Op[] {
  const { process, linux } = spec;
  const world = worldOps(spec, extras, modes, facts);
  const late =
    modes.mapped && !modes.own('network')
      ? sysctlOps(spec, (key) => !isNetwork(key))
      : sysctlOps(spec, () => true);
  const early: Op[] = modes.mapped
    ? []
    : [
        { op: 'oom_score_adj', value: String(process.oomScoreAdj) },
        ...cgroupJoins(extras.cgroup),
        ...modes.joins(false),
        ...(world.some((op) => isJoinedShm(op, extras.shm)) ? joinShmOps(extras.shm) : []),
      ];
  // The root is put over "/": path resolution starts below it, at the host's root, until
  // pivot_root. So no directory has to exist for it that a mapped user could not reach. Slave: what
  // the host mounts later can still arrive where a bind asks for it, and nothing of ours goes out.
  return [
    ...early,
    // It shows the cgroup that its maker was in, so after joining (cgroup_namespaces(7)).
    ...(modes.own('cgroup') ? [{ op: 'unshare', flags: CLONE.NEWCGROUP } as const] : []),
    ...(spec.hostname === undefined ? [] : [{ op: 'hostname', name: spec.hostname } as const]),
    ...(spec.domainname === undefined
      ? []
      : [{ op: 'domainname', name: spec.domainname } as const]),
    ...(modes.own('network') ? [{ op: 'loopback_up' } as const] : []),
    ...sourceOps(world.filter(isShared), extras),
    { op: 'propagation', flags: MS.REC | MS.SLAVE },
    { op: 'root_attach', directory: '/' },
    ...world,
    ...terminalOps(spec, extras),
    ...late,
    ...linux.maskedPaths.map((path): Op => ({ op: 'mask', path })),
    ...linux.readonlyPaths.map((path): Op => ({ op: 'readonly', path })),
    { op: 'pivot_root' },
    ...(linux.rootfsPropagation === 'shared' && !modes.mapped
      ? [{ op: 'root_propagation', flags: MS.SHARED } as const]
      : []),
    ...settleOps(process, { user: extras.user, groups: extras.groups, makeCwd: true }),
    ...chownOps(extras.mounts),
    // After workdir, which may have to make the directory.
    ...(spec.root.readonly ? [{ op: 'root_readonly' } as const] : []),
    ...rlimitOps(process.rlimits),
    { op: 'ready' },
    ...becomeOps(process, linux.seccomp, extras.reaper, facts),
  ];
}

/** Takes copies now of what these operations bind later. */
function sourceOps(ops: readonly Op[], { shm, mounts }: LaunchExtras): Op[] {
  const made = new Set(hostSources(mounts, false).names);
  return ops.flatMap((op): Op[] => {
    if (isJoinedShm(op, shm)) return joinShmOps(shm);
    if (op.op !== 'bind' || made.has(op.source)) return [];
    return [{ op: 'source', path: op.source, flags: Number(op.flags) & BIND.RECURSIVE }];
  });
}

function isJoinedShm(op: Op, shm: BoxShm): boolean {
  return shm.kind === 'joined' && op.op === 'bind' && op.source === joinedShm(shm.pid);
}

/** Shared memory of POSIX lies at /dev/shm, so who joins an IPC namespace gets that, too. */
export function joinShmOps(shm: BoxShm): Op[] {
  if (shm.kind !== 'joined') return [];
  const namespace = namespacePath(shm.pid, 'mount');
  return [{ op: 'source_in', namespace, path: SHM, name: joinedShm(shm.pid) }];
}

/** Must be copied while its source still is shared: before `propagation`. */
function isShared(op: Op): boolean {
  return op.op === 'bind' && (Number(op.propagation) & MS.SHARED) !== 0;
}

/**
 * Files in the place of links: a whole machine has some there that lead nowhere in a container. And
 * what programs look for: that this is a container, and its mounts (setmntent(3), Java). Before any
 * mount: a volume or a directory of the host at /etc is not ours to write to.
 */
export const madeOps: readonly Op[] = [
  { op: 'unlink_links', paths: ['/.dockerenv', ...NAME_FILES] },
  { op: 'file', path: '/.dockerenv', mode: 0o755, data: new Uint8Array(0) },
  { op: 'symlink', target: '/proc/mounts', path: '/etc/mtab' },
];

function worldOps(spec: OciSpec, extras: LaunchExtras, modes: Modes, facts: HostFacts): Op[] {
  const mountFacts: MountFacts = {
    view: extras.cgroup.view,
    cgroupns: modes.own('cgroup'),
    userns: modes.mapped,
    fileTargets: new Set(extras.fileTargets),
  };
  const ops: Op[] = [...madeOps];
  for (const mount of spec.mounts) {
    ops.push(...mountOps(mount, mountFacts));
    // At once, so that a user's mount below /dev goes over them.
    if (mount.destination === '/dev' && mount.type === 'tmpfs') {
      ops.push(...deviceOps(spec, extras, modes, facts));
    }
  }
  return ops;
}

function deviceOps(spec: OciSpec, extras: LaunchExtras, modes: Modes, facts: HostFacts): Op[] {
  const nodes = spec.linux.devices.map((device) =>
    modes.mapped ? deviceBind(device, extras) : deviceNode(device),
  );
  const links = facts.kcore
    ? [...DEVICE_LINKS, ['/dev/core', '/proc/kcore'] as const]
    : DEVICE_LINKS;
  return [...nodes, ...links.map(([path, target]): Op => ({ op: 'symlink', target, path }))];
}

const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;

function deviceNode({ path, type, major, minor, fileMode, uid, gid }: OciDevice): Op {
  const mode = (type === 'b' ? S_IFBLK : S_IFCHR) | fileMode;
  return { op: 'node', path, mode, major, minor, uid, gid };
}

/** mknod of a device is refused in a user namespace (mknod(2)), so the host's node is bound. */
function deviceBind(device: OciDevice, extras: LaunchExtras): Op {
  return {
    op: 'bind',
    source: extras.deviceSources[device.path] ?? device.path,
    target: device.path,
    flags: BIND.FILE_TARGET,
    attr_set: 0,
    attr_clear: 0,
    propagation: MS.PRIVATE,
  };
}

function terminalOps(spec: OciSpec, extras: LaunchExtras): Op[] {
  if (!extras.stdio.tty) return [];
  const { height = 0, width = 0 } = spec.process.consoleSize ?? {};
  const terminal: Op = { op: 'terminal', height, width };
  const devIsOurs = spec.mounts.some(
    (mount) => posix.normalize(mount.destination) === '/dev' && mount.type === 'tmpfs',
  );
  return devIsOurs ? [terminal, { op: 'console' }] : [terminal];
}

/** The facts of the exit first: the directories that tell them are about to go. */
function teardownOps(cgroup: CgroupPlan): Op[] {
  return [
    ...(cgroup.oomFile === undefined
      ? []
      : [{ op: 'read', path: cgroup.oomFile, limit: OOM_FILE_BYTES_MAX } as const]),
    // With a pid namespace of the host or of another container, processes outlive the first one.
    ...killOps(cgroup),
    ...cgroup.directories.map((path): Op => ({ op: 'cgroup_rmdir', path })),
  ];
}

/** memory.oom_control and memory.events have a few short lines. */
const OOM_FILE_BYTES_MAX = 4096;
