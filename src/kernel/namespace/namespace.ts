// The namespaces of Linux (namespaces(7)): flags of clone(2) and names in /proc/PID/ns.

/** linux/sched.h, flags that make a namespace. NEWTIME is for unshare and clone3 only. */
export const CLONE = {
  NEWTIME: 0x0000_0080,
  NEWNS: 0x0002_0000,
  NEWCGROUP: 0x0200_0000,
  NEWUTS: 0x0400_0000,
  NEWIPC: 0x0800_0000,
  NEWUSER: 0x1000_0000,
  NEWPID: 0x2000_0000,
  NEWNET: 0x4000_0000,
} as const;
export type CloneFlag = keyof typeof CLONE;

/** The words of the OCI runtime spec (config-linux.md, "Namespaces"). */
export type NamespaceType =
  | 'mount'
  | 'cgroup'
  | 'uts'
  | 'ipc'
  | 'user'
  | 'pid'
  | 'network'
  | 'time';

export type Namespace = {
  readonly clone: number;
  /** Name in /proc/PID/ns of the namespace that the process itself is in. */
  readonly proc: string;
  /** The one that children will be in, where the kernel keeps it apart. */
  readonly procForChildren?: string;
};

export const NAMESPACES: Readonly<Record<NamespaceType, Namespace>> = {
  mount: { clone: CLONE.NEWNS, proc: 'mnt' },
  cgroup: { clone: CLONE.NEWCGROUP, proc: 'cgroup' },
  uts: { clone: CLONE.NEWUTS, proc: 'uts' },
  ipc: { clone: CLONE.NEWIPC, proc: 'ipc' },
  user: { clone: CLONE.NEWUSER, proc: 'user' },
  pid: { clone: CLONE.NEWPID, proc: 'pid', procForChildren: 'pid_for_children' },
  network: { clone: CLONE.NEWNET, proc: 'net' },
  time: { clone: CLONE.NEWTIME, proc: 'time', procForChildren: 'time_for_children' },
};

/** The path to open for setns(2) into a namespace of a process. */
export function namespacePath(pid: number, type: NamespaceType): string {
  return `/proc/${pid}/ns/${NAMESPACES[type].proc}`;
}

/** The flags of clone3(2) for a set of new namespaces. */
export function cloneFlags(types: Iterable<NamespaceType>): number {
  let flags = 0;
  for (const type of types) flags |= NAMESPACES[type].clone;
  return flags;
}
