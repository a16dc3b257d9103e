// One box for each thing that changes a plan; golden.test.ts shows what comes of them.
import type { Box } from './box.ts';
import { boxWith, PLAIN_BOX } from './testing-box.ts';

type Case = { readonly box: Box; readonly cgroups: 1 | 2 };

function v1(box: Box): Case {
  return { box, cgroups: 1 };
}

const DISK = { major: 254, minor: 0 };

/** Which of them a host keeps is up to its hierarchies. */
const EVERY_LIMIT: Box['cgroup']['resources'] = {
  memory: 64 * 1024 * 1024,
  memorySwap: 96 * 1024 * 1024,
  memoryReservation: 32 * 1024 * 1024,
  memorySwappiness: 10,
  oomKillDisable: true,
  memoryHigh: 48 * 1024 * 1024,
  memoryMin: 8 * 1024 * 1024,
  memorySwapHigh: 16 * 1024 * 1024,
  memoryOomGroup: true,
  cpuShares: 512,
  cpuQuota: 50_000,
  cpuPeriod: 100_000,
  cpuBurst: 10_000,
  cpuRtRuntime: 5000,
  cpuRtPeriod: 500_000,
  cpuUclampMin: 10,
  cpuUclampMax: 90,
  cpusetCpus: '0-1',
  cpusetMems: '0',
  cpusetPartition: 'isolated',
  pidsLimit: 64,
  blkioWeight: 300,
  blkioWeightDevices: [{ ...DISK, weight: 500 }],
  blkioRates: [{ ...DISK, readBps: 1_048_576, writeIops: 100 }],
  netClassId: 0x10_0001,
  netPrio: { eth0: 5 },
  hugetlb: { '2MB': 4_194_304 },
  rdma: { mlx4_0: { hcaHandle: 2 } },
  misc: { sev: 1 },
};

export const BOXES: Readonly<Record<string, Case>> = {
  default: v1(PLAIN_BOX),
  'default-v2': {
    box: boxWith({ namespaces: { cgroup: { mode: 'private' } } }),
    cgroups: 2,
  },
  'private-cgroupns': v1(boxWith({ namespaces: { cgroup: { mode: 'private' } } })),
  limits: v1(
    boxWith({
      cgroup: {
        parent: '/coracle',
        resources: {
          memory: 64 * 1024 * 1024,
          memorySwap: 128 * 1024 * 1024,
          nanoCpus: 500_000_000,
          cpusetCpus: '0',
          pidsLimit: 64,
        },
      },
      process: {
        rlimits: [
          { name: 'nofile', soft: 1024, hard: 4096 },
          { name: 'core', soft: -1, hard: -1 },
        ],
        oomScoreAdj: 500,
      },
    }),
  ),
  'every-limit': v1(boxWith({ cgroup: { parent: '/coracle', resources: EVERY_LIMIT } })),
  'every-limit-v2': {
    box: boxWith({ cgroup: { parent: '/coracle/web', resources: EVERY_LIMIT } }),
    cgroups: 2,
  },
  privileged: v1(
    boxWith({
      security: { privileged: true },
      devices: [
        {
          path: '/dev/sda',
          type: 'b',
          major: 8,
          minor: 0,
          mode: 0o660,
          uid: 0,
          gid: 6,
          access: 'rwm',
        },
      ],
    }),
  ),
  tty: v1(
    boxWith({
      process: {
        argv: ['bash'],
        stdio: { tty: true, stdin: 'open' },
        consoleSize: { height: 40, width: 120 },
      },
    }),
  ),
  'read-only': v1(
    boxWith({
      root: { ...PLAIN_BOX.root, readonly: true },
      mounts: [{ kind: 'tmpfs', target: '/run', options: [] }],
      process: { cwd: '/app' },
    }),
  ),
  'host-namespaces': v1(
    boxWith({
      namespaces: {
        pid: { mode: 'host' },
        network: { mode: 'host' },
        ipc: { mode: 'host' },
        uts: { mode: 'host' },
        cgroup: { mode: 'host' },
        time: { mode: 'host' },
        user: { mode: 'host' },
      },
      shm: { kind: 'host' },
    }),
  ),
  'joined-namespaces': v1(
    boxWith({
      namespaces: {
        pid: { mode: 'path', path: '/proc/99/ns/pid' },
        network: { mode: 'path', path: '/proc/99/ns/net', shared: true },
        ipc: { mode: 'path', path: '/proc/99/ns/ipc' },
      },
      shm: { kind: 'joined', pid: 99 },
    }),
  ),
  'mapped-joined-ipc': v1(
    boxWith({
      namespaces: {
        user: {
          mode: 'map',
          uid: [{ inside: 0, outside: 100_000, count: 65_536 }],
          gid: [{ inside: 0, outside: 100_000, count: 65_536 }],
        },
        ipc: { mode: 'path', path: '/proc/99/ns/ipc' },
      },
      shm: { kind: 'joined', pid: 99 },
    }),
  ),
  'pinned-network': v1(
    boxWith({ namespaces: { network: { mode: 'path', path: '/run/coracle/netns/c0ffee' } } }),
  ),
  'user-namespace': v1(
    boxWith({
      namespaces: {
        user: {
          mode: 'map',
          uid: [{ inside: 0, outside: 100_000, count: 65_536 }],
          gid: [{ inside: 0, outside: 100_000, count: 65_536 }],
        },
        network: { mode: 'path', path: '/run/coracle/netns/c0ffee' },
        cgroup: { mode: 'private' },
      },
      process: { rlimits: [{ name: 'nofile', soft: 64, hard: 64 }] },
    }),
  ),
  devices: v1(
    boxWith({
      devices: [
        {
          path: '/dev/xfuse',
          source: '/dev/fuse',
          type: 'c',
          major: 10,
          minor: 229,
          mode: 0o666,
          uid: 0,
          gid: 0,
          access: 'rw',
        },
      ],
      deviceRules: ['c 189:* rwm'],
    }),
  ),
  mounts: v1(
    boxWith({
      mounts: [
        { kind: 'tmpfs', target: '/t', options: ['size=64m', 'mode=1777', 'exec'] },
        {
          kind: 'bind',
          source: '/etc/hostname',
          target: '/h',
          file: true,
          readonly: true,
          recursive: true,
          recursiveReadonly: 'yes',
          propagation: 'rprivate',
        },
        {
          kind: 'bind',
          source: '/srv/data',
          target: '/data/deep/',
          file: false,
          readonly: false,
          recursive: true,
          recursiveReadonly: 'no',
          propagation: 'rslave',
        },
        {
          kind: 'bind',
          source: '/srv/top',
          target: '/data',
          file: false,
          readonly: true,
          recursive: false,
          recursiveReadonly: 'no',
          propagation: 'private',
        },
      ],
    }),
  ),
  'shared-bind': v1(
    boxWith({
      mounts: [
        {
          kind: 'bind',
          source: '/mnt/s',
          target: '/s',
          file: false,
          readonly: false,
          recursive: true,
          recursiveReadonly: 'no',
          propagation: 'rshared',
        },
      ],
    }),
  ),
  'made-sources': v1(
    boxWith({
      namespaces: {
        user: {
          mode: 'map',
          uid: [{ inside: 0, outside: 100_000, count: 65_536 }],
          gid: [{ inside: 0, outside: 100_000, count: 65_536 }],
        },
      },
      mounts: [
        {
          kind: 'bind',
          source: '/vol/_data',
          target: '/part',
          file: false,
          readonly: true,
          recursive: true,
          recursiveReadonly: 'yes',
          propagation: 'rprivate',
          below: 'a/b',
          idmap: 'try',
          chown: true,
        },
        { kind: 'union', target: '/image', lower: ['/l/2', '/l/1'], below: 'data', file: false },
        {
          kind: 'union',
          target: '/over',
          lower: ['/host'],
          top: { upper: '/c/upper', work: '/c/work' },
          below: '',
          file: false,
        },
      ],
    }),
  ),
  'host-dev': v1(
    boxWith({
      mounts: [
        {
          kind: 'bind',
          source: '/dev',
          target: '/dev',
          file: false,
          readonly: false,
          recursive: true,
          recursiveReadonly: 'no',
          propagation: 'rprivate',
        },
      ],
    }),
  ),
  init: v1(boxWith({ process: { init: true, user: 'nobody', groups: ['audio', '50'] } })),
  capabilities: v1(
    boxWith({
      security: { capDrop: ['ALL'], capAdd: ['NET_ADMIN', 'cap_chown'] },
      process: { user: '1000:1000' },
    }),
  ),
  'no-new-privileges': v1(boxWith({ security: { noNewPrivileges: true } })),
  'custom-seccomp': v1(
    boxWith({
      security: {
        seccomp: {
          profile: {
            defaultAction: 'SCMP_ACT_ALLOW',
            syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 1 }],
          },
        },
        maskedPaths: [],
        readonlyPaths: ['/proc/sys'],
      },
    }),
  ),
};
