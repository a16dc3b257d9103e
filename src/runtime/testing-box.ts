// A box with every default filled in, for tests here and under test/root: each test changes only
// what it is about.
import type { CgroupHost } from '#kernel/cgroup/host.ts';
import type { Box } from './box.ts';
import type { HostFacts } from './facts.ts';
import { OCI_NAMESPACES } from './oci.ts';

export type BoxChange = {
  readonly [K in keyof Box]?: Box[K] extends readonly unknown[] | string | number
    ? Box[K]
    : Partial<Box[K]>;
};

export const PLAIN_BOX: Box = {
  id: 'c0ffee',
  hostname: 'c0ffee',
  domainname: '',
  process: {
    argv: ['sh'],
    env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOSTNAME=c0ffee'],
    cwd: '/',
    user: '',
    groups: [],
    stdio: { tty: false, stdin: 'none' },
    consoleSize: undefined,
    rlimits: [],
    oomScoreAdj: 0,
    init: false,
  },
  security: {
    privileged: false,
    capAdd: [],
    capDrop: [],
    noNewPrivileges: false,
    seccomp: 'builtin',
    maskedPaths: undefined,
    readonlyPaths: undefined,
  },
  namespaces: {
    pid: { mode: 'private' },
    network: { mode: 'private' },
    ipc: { mode: 'private' },
    uts: { mode: 'private' },
    cgroup: { mode: 'host' },
    time: { mode: 'private' },
    user: { mode: 'host' },
  },
  root: {
    readonly: false,
    volatile: false,
    mount: { kind: 'overlay', lower: ['/l/2', '/l/1'], upper: '/c/upper', work: '/c/work' },
  },
  mounts: [],
  files: {
    hosts: '/c/hosts',
    hostname: '/c/hostname',
    resolvConf: '/c/resolv.conf',
  },
  devices: [],
  deviceRules: [],
  sysctls: {},
  shm: { kind: 'own', bytes: 64 * 1024 * 1024 },
  cgroup: { parent: '/coracle', resources: {} },
  log: { driver: 'none' },
  annotations: {},
};

/** PLAIN_BOX with some fields changed; objects are changed field by field. */
export function boxWith(change: BoxChange): Box {
  const box: Record<string, unknown> = { ...PLAIN_BOX };
  for (const [key, value] of Object.entries(change)) {
    const before = box[key];
    const merges = typeof before === 'object' && !Array.isArray(before);
    box[key] = merges ? { ...before, ...(value as object) } : value;
  }
  return box as Box;
}

const V1: CgroupHost = {
  version: 1,
  hierarchies: ['cpu,cpuacct', 'cpuset', 'memory', 'devices', 'freezer', 'pids'].map((names) => ({
    controllers: names.split(','),
    mountpoint: `/sys/fs/cgroup/${names}`,
    root: '/',
    own: '/',
  })),
};

const V2: CgroupHost = {
  version: 2,
  hierarchies: [],
  unified: {
    controllers: ['cpuset', 'cpu', 'io', 'memory', 'hugetlb', 'pids', 'rdma', 'misc'],
    mountpoint: '/sys/fs/cgroup',
    root: '/',
    own: '/',
  },
};

/** A host of a known kind, so that golden files are the same on every machine. */
export function factsOf(cgroups: 1 | 2): HostFacts {
  return {
    kernel: { major: 6, minor: 18 },
    arch: 'x86_64',
    boundingSet: 0x1ff_ffff_ffffn,
    cgroups: cgroups === 1 ? V1 : V2,
    namespaces: OCI_NAMESPACES,
    thermalThrottle: ['/sys/devices/system/cpu/cpu0/thermal_throttle'],
    kcore: true,
  };
}

/** What the cpuset files of the v1 host say. */
export const CPUSETS: Readonly<Record<string, string>> = {
  '/sys/fs/cgroup/cpuset/cpuset.cpus': '0-3\n',
  '/sys/fs/cgroup/cpuset/cpuset.mems': '0\n',
};
