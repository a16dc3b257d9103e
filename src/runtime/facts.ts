// What the runtime must know of the host before it can plan. Read once when the daemon starts, so
// that a start reads nothing and the plan functions stay pure.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { EngineError } from '#base/error.ts';
import { parseBoundingSet } from '#kernel/capability/capability.ts';
import { type CgroupHost, type CgroupTexts, detectCgroups } from '#kernel/cgroup/host.ts';
import type { BoxDevice } from './box.ts';
import { OCI_NAMESPACES, type OciNamespaceType } from './oci.ts';

export type Arch = 'x86_64' | 'aarch64';
export type KernelVersion = { readonly major: number; readonly minor: number };

export type HostFacts = {
  readonly kernel: KernelVersion;
  readonly arch: Arch;
  /** The daemon's own bounding set: what --privileged gives, and the most that --cap-add can. */
  readonly boundingSet: bigint;
  readonly cgroups: CgroupHost;
  /** Kinds of namespaces that this kernel was built with. */
  readonly namespaces: readonly OciNamespaceType[];
  /**
   * Directories that tell of the CPUs' temperature, to be masked (CVE-2018-12207 and power side
   * channels).
   */
  readonly thermalThrottle: readonly string[];
  readonly kcore: boolean;
};

const NAMESPACE_FILES: Readonly<Record<OciNamespaceType, string>> = {
  mount: 'mnt',
  pid: 'pid',
  network: 'net',
  ipc: 'ipc',
  uts: 'uts',
  cgroup: 'cgroup',
  user: 'user',
  time: 'time',
};

/** `privateCgroups`: where hierarchies may be mounted that the host has not; absent = nowhere. */
export function readHostFacts(privateCgroups?: string): HostFacts {
  const cgroups = detectCgroups({
    ...readCgroupTexts(),
    ...(privateCgroups === undefined ? {} : { privateDirectory: privateCgroups }),
  });
  return {
    kernel: parseRelease(release()),
    arch: archOf(process.arch),
    boundingSet: parseBoundingSet(readFileSync('/proc/self/status', 'utf8')),
    cgroups,
    namespaces: OCI_NAMESPACES.filter((type) =>
      existsSync(`/proc/self/ns/${NAMESPACE_FILES[type]}`),
    ),
    thermalThrottle: thermalPaths(),
    kcore: existsSync('/proc/kcore'),
  };
}

/** The text of the cgroup mount's controllers file is needed once the mounts are known. */
function readCgroupTexts(): CgroupTexts {
  const texts = {
    mountinfo: readFileSync('/proc/self/mountinfo', 'utf8'),
    selfCgroup: readFileSync('/proc/self/cgroup', 'utf8'),
    // A kernel without version 1 has no such file.
    subsystems: existsSync('/proc/cgroups') ? readFileSync('/proc/cgroups', 'utf8') : '',
    bootLine: readFileSync('/proc/cmdline', 'utf8'),
  };
  const unified = detectCgroups(texts).unified;
  const file = unified === undefined ? '' : `${unified.mountpoint}/cgroup.controllers`;
  return existsSync(file) ? { ...texts, controllersFile: readFileSync(file, 'utf8') } : texts;
}

/** "6.1.0-13-amd64" → 6.1. */
export function parseRelease(text: string): KernelVersion {
  const match = /^(\d+)\.(\d+)/.exec(text);
  if (match === null) throw new EngineError('unavailable', `unknown kernel release: '${text}'`);
  return { major: Number(match[1]), minor: Number(match[2]) };
}

export function archOf(nodeArch: string): Arch {
  if (nodeArch === 'x64') return 'x86_64';
  if (nodeArch === 'arm64') return 'aarch64';
  throw new EngineError('unavailable', `no support for the ${nodeArch} architecture`);
}

function thermalPaths(): string[] {
  const base = '/sys/devices/system/cpu';
  if (!existsSync(base)) return [];
  return readdirSync(base)
    .filter((name) => /^cpu\d+$/.test(name))
    .sort((a, b) => Number(a.slice(3)) - Number(b.slice(3)))
    .map((name) => `${base}/${name}/thermal_throttle`)
    .filter((path) => existsSync(path));
}

/** No host has more device nodes in /dev than this; a container with them all still starts. */
export const HOST_DEVICES_MAX = 4096;
// What a container always has of its own (runc libcontainer/devices "GetDevices" skips the same).
const OWN = new Set(['pts', 'shm', 'fd', 'mqueue', '.lxc', '.lxd-mounts', '.udev', 'console']);

/** Every device node below /dev, which --privileged gives. */
export function readHostDevices(directory = '/dev', found: BoxDevice[] = []): BoxDevice[] {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = `${directory}/${entry.name}`;
    if (found.length >= HOST_DEVICES_MAX) break;
    if (entry.isDirectory() && !OWN.has(entry.name)) readHostDevices(path, found);
    if (!entry.isCharacterDevice() && !entry.isBlockDevice()) continue;
    if (OWN.has(entry.name)) continue;
    found.push(readDevice(path, entry.isBlockDevice() ? 'b' : 'c'));
  }
  return found;
}

function readDevice(path: string, type: 'b' | 'c'): BoxDevice {
  const { rdev, mode, uid, gid } = statSync(path);
  return { path, type, ...splitRdev(rdev), mode: mode & 0o7777, uid, gid, access: 'rwm' };
}

/** gnu_dev_major(3): 12 + 20 bits of major and 8 + 24 bits of minor are interleaved. */
export function splitRdev(rdev: number): { readonly major: number; readonly minor: number } {
  const wide = BigInt(rdev);
  const major = ((wide >> 8n) & 0xfffn) | ((wide >> 32n) & 0xffff_f000n);
  const minor = (wide & 0xffn) | ((wide >> 12n) & 0xffff_ff00n);
  return { major: Number(major), minor: Number(minor) };
}
