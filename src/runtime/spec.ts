// Box → OCI runtime spec. Pure: the same box and host facts give the same text, which the golden
// files under test/golden/runtime show.
import { posix } from 'node:path';
import {
  ALL_DEVICES,
  DEFAULT_DEVICES as DEFAULT_DEVICE_RULES,
  type DeviceRule,
  parseDeviceRule,
} from '#kernel/cgroup/device-rule.ts';
import type { CgroupRequest } from '#kernel/cgroup/cgroup.ts';
import { DEFAULT_DEVICES, MASKED_PATHS, NETWORK_SYSCTLS, READONLY_PATHS } from './baseline.ts';
import type { Box, BoxNamespaces, IdMapping, NamespaceMode } from './box.ts';
import type { HostFacts } from './facts.ts';
import { makeMounts } from './mounts.ts';
import {
  OCI_VERSION,
  type OciCapabilities,
  type OciDevice,
  type OciIdMapping,
  type OciNamespace,
  type OciNamespaceType,
  type OciProcess,
  type OciSpec,
  type OciUser,
} from './oci.ts';
import { ociResources } from './oci-resources.ts';
import { capabilityNames, seccompFor } from './privileges.ts';

export function makeSpec(box: Box, facts: HostFacts, user: OciUser = numericUser(box)): OciSpec {
  const capabilities = capabilityNames(box.security, facts);
  const seccomp = seccompFor(box.security, capabilities, facts);
  const { uts, user: userns } = box.namespaces;
  return {
    ociVersion: OCI_VERSION,
    process: makeProcess(box, user, capabilities),
    root: { path: 'rootfs', readonly: box.root.readonly },
    ...(uts.mode === 'private' ? { hostname: box.hostname } : {}),
    ...(uts.mode === 'private' && box.domainname !== '' ? { domainname: box.domainname } : {}),
    mounts: makeMounts(box, facts),
    ...(Object.keys(box.annotations).length === 0 ? {} : { annotations: box.annotations }),
    linux: {
      namespaces: makeNamespaces(box.namespaces, facts),
      ...(userns.mode === 'map'
        ? { uidMappings: userns.uid.map(idMapping), gidMappings: userns.gid.map(idMapping) }
        : {}),
      devices: makeDevices(box),
      cgroupsPath: posix.join(box.cgroup.parent, cgroupName(box)),
      resources: ociResources(box.cgroup.resources, deviceRules(box)),
      ...rootPropagation(box),
      ...(seccomp === undefined ? {} : { seccomp }),
      sysctl: makeSysctls(box),
      maskedPaths: box.security.privileged
        ? []
        : (box.security.maskedPaths ?? [...MASKED_PATHS, ...facts.thermalThrottle]),
      readonlyPaths: box.security.privileged ? [] : (box.security.readonlyPaths ?? READONLY_PATHS),
    },
  };
}

export function cgroupName({ id, cgroup }: Box): string {
  return cgroup.name ?? id;
}

/** The same limits, in the words of kernel/cgroup. */
export function cgroupRequest(box: Box): CgroupRequest {
  return {
    parent: box.cgroup.parent,
    name: cgroupName(box),
    resources: { ...box.cgroup.resources, devices: deviceRules(box) },
    ...(box.cgroup.realtime === undefined ? {} : { realtime: box.cgroup.realtime }),
  };
}

function makeProcess(box: Box, user: OciUser, capabilities: readonly string[]): OciProcess {
  const { process, security } = box;
  const size = process.consoleSize;
  return {
    terminal: process.stdio.tty,
    ...(process.stdio.tty && size !== undefined ? { consoleSize: size } : {}),
    user,
    args: process.argv,
    env: process.env,
    cwd: process.cwd === '' ? '/' : process.cwd,
    capabilities: ociCapabilities(capabilities, user.uid),
    rlimits: process.rlimits.map(({ name, soft, hard }) => ({
      type: `RLIMIT_${name.toUpperCase()}`,
      soft,
      hard,
    })),
    noNewPrivileges: security.noNewPrivileges,
    oomScoreAdj: process.oomScoreAdj,
  };
}

/** A user who is not root starts with none; the bounding set is what set-user-ID files may give. */
export function ociCapabilities(names: readonly string[], uid: number): OciCapabilities {
  const held = uid === 0 ? names : [];
  return { bounding: names, effective: held, permitted: held, inheritable: [], ambient: [] };
}

const NUMERIC_USER = /^(\d{1,10})(?::(\d{1,10}))?$/;

/**
 * The ids, when they are given as numbers. Names can only be looked up in the container's own
 * files; until then they stand as root, and our plan carries the text itself (LaunchExtras.user).
 */
function numericUser(box: Box): OciUser {
  const match = NUMERIC_USER.exec(box.process.user);
  if (match === null) return { uid: 0, gid: 0 };
  return { uid: Number(match[1]), gid: Number(match[2] ?? 0) };
}

function makeNamespaces(modes: BoxNamespaces, facts: HostFacts): OciNamespace[] {
  const wanted: readonly (readonly [OciNamespaceType, NamespaceMode])[] = [
    ['mount', { mode: 'private' }],
    ['pid', modes.pid],
    ['network', modes.network],
    ['ipc', modes.ipc],
    ['uts', modes.uts],
    ['cgroup', modes.cgroup],
    ['user', modes.user.mode === 'map' ? { mode: 'private' } : { mode: 'host' }],
    ['time', modes.time],
  ];
  return wanted.flatMap(([type, mode]): OciNamespace[] => {
    if (mode.mode === 'host') return [];
    // Kernels without time (before 5.6) or cgroup namespaces start containers all the same (B13).
    if (!facts.namespaces.includes(type) && (type === 'time' || type === 'cgroup')) return [];
    return [mode.mode === 'path' ? { type, path: mode.path } : { type }];
  });
}

function idMapping(mapping: IdMapping): OciIdMapping {
  return { containerID: mapping.inside, hostID: mapping.outside, size: mapping.count };
}

/** A device that is named twice is the later one. */
function makeDevices(box: Box): OciDevice[] {
  const byPath = new Map<string, OciDevice>();
  for (const device of DEFAULT_DEVICES) byPath.set(device.path, device);
  for (const { path, type, major, minor, mode, uid, gid } of box.devices) {
    byPath.set(path, { path, type, major, minor, fileMode: mode & 0o7777, uid, gid });
  }
  return [...byPath.values()];
}

/** What the device cgroup allows, in order, after "deny everything". */
function deviceRules(box: Box): readonly DeviceRule[] {
  if (box.security.privileged) return ALL_DEVICES;
  const own = box.devices.map(({ type, major, minor, access }) => ({
    allow: true,
    type,
    major,
    minor,
    access,
  }));
  return [...DEFAULT_DEVICE_RULES, ...own, ...box.deviceRules.map(parseDeviceRule)];
}

/** A bind that wants to be shared needs the tree around it to be (mount_namespaces(7)). */
function rootPropagation(box: Box): { readonly rootfsPropagation?: 'shared' | 'rslave' } {
  const wanted = box.mounts.map((mount) => (mount.kind === 'bind' ? mount.propagation : ''));
  if (wanted.some((each) => each.endsWith('shared'))) return { rootfsPropagation: 'shared' };
  if (wanted.some((each) => each.endsWith('slave'))) return { rootfsPropagation: 'rslave' };
  return {};
}

/** B15: only a network namespace that is the container's own is changed. */
function makeSysctls(box: Box): Readonly<Record<string, string>> {
  const { network, user } = box.namespaces;
  if (network.mode === 'host' || (network.mode === 'path' && network.shared === true)) {
    return box.sysctls;
  }
  const { 'net.ipv4.ping_group_range': ping, ...rest } = NETWORK_SYSCTLS;
  // The range names host ids, which a mapped container does not have all of.
  const defaults = user.mode === 'map' ? rest : { ...rest, 'net.ipv4.ping_group_range': ping };
  return { ...defaults, ...box.sysctls };
}
