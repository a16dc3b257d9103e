// The values that every container gets unless it asks otherwise: shared/reference/hardening.md,
// B01 to B20. Data only; spec.ts puts them together.
import type { OciDevice, OciMount } from './oci.ts';

/** B10. The order is that of mounting: parents before children. */
export const DEFAULT_MOUNTS: readonly OciMount[] = [
  {
    destination: '/proc',
    type: 'proc',
    source: 'proc',
    options: ['nosuid', 'noexec', 'nodev'],
  },
  {
    destination: '/dev',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
  },
  {
    destination: '/dev/pts',
    type: 'devpts',
    source: 'devpts',
    options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
  },
  {
    destination: '/sys',
    type: 'sysfs',
    source: 'sysfs',
    options: ['nosuid', 'noexec', 'nodev', 'ro'],
  },
  {
    destination: '/sys/fs/cgroup',
    type: 'cgroup',
    source: 'cgroup',
    options: ['ro', 'nosuid', 'noexec', 'nodev'],
  },
  {
    destination: '/dev/mqueue',
    type: 'mqueue',
    source: 'mqueue',
    options: ['nosuid', 'noexec', 'nodev'],
  },
];

/** Targets that stay writable with --read-only (B18). */
export const ALWAYS_WRITABLE: readonly string[] = [
  '/proc',
  '/dev',
  '/dev/pts',
  '/dev/shm',
  '/dev/mqueue',
];

/** B08. A path that this kernel does not have is left out when the mask is made. */
export const MASKED_PATHS: readonly string[] = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
];

/** B09. */
export const READONLY_PATHS: readonly string[] = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
];

function memoryDevice(name: string, major: number, minor: number): OciDevice {
  return { path: `/dev/${name}`, type: 'c', major, minor, fileMode: 0o666, uid: 0, gid: 0 };
}

/** B11. */
export const DEFAULT_DEVICES: readonly OciDevice[] = [
  memoryDevice('null', 1, 3),
  memoryDevice('zero', 1, 5),
  memoryDevice('full', 1, 7),
  memoryDevice('random', 1, 8),
  memoryDevice('urandom', 1, 9),
  memoryDevice('tty', 5, 0),
];

/** B11: path and what it points to. `core` is added where /proc/kcore exists. */
export const DEVICE_LINKS: readonly (readonly [path: string, target: string])[] = [
  ['/dev/ptmx', 'pts/ptmx'],
  ['/dev/fd', '/proc/self/fd'],
  ['/dev/stdin', '/proc/self/fd/0'],
  ['/dev/stdout', '/proc/self/fd/1'],
  ['/dev/stderr', '/proc/self/fd/2'],
];

/** B15: unprivileged ping and low ports, safe because the network is the container's own. */
export const NETWORK_SYSCTLS = {
  'net.ipv4.ip_unprivileged_port_start': '0',
  'net.ipv4.ping_group_range': '0 2147483647',
} as const;

/** Options that Docker gives a --tmpfs before the user's own. */
export const TMPFS_OPTIONS: readonly string[] = ['noexec', 'nosuid', 'nodev'];

/** B16. */
export const UMASK = 0o022;
