import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changeFactFiles, planChange, settleChange } from './change.ts';
import { planCgroup } from './cgroup.ts';
import { ALL_DEVICES, DEFAULT_DEVICES, type DeviceRule, parseDeviceRule } from './device-rule.ts';
import { type CgroupHost, detectCgroups } from './host.ts';
import { LIMITS } from './limit.ts';
import type { Resources } from './resources.ts';
import type { CgroupStep } from './step.ts';

const SUBSYSTEMS = ['cpu', 'cpuset', 'memory', 'devices', 'blkio', 'pids'];
const V1 = detectCgroups({
  mountinfo: SUBSYSTEMS.map(
    (name, at) => `${at} 1 0:${at} / /cg/${name} rw - cgroup cgroup rw,${name}\n`,
  )
    .join('')
    .concat('9 1 0:9 / /cg/unified rw - cgroup2 cgroup2 rw\n'),
  selfCgroup: '1:cpu:/\n',
  controllersFile: 'hugetlb\n',
  subsystems: 'cpu\t1\t1\t1\nnet_cls\t0\t1\t1\nnet_prio\t0\t1\t0\nhugetlb\t0\t1\t1\n',
  privateDirectory: '/run/x/cgroup',
});
const V2: CgroupHost = {
  ...detectCgroups({
    mountinfo: '9 1 0:9 / /cg rw - cgroup2 cgroup2 rw\n',
    selfCgroup: '0::/\n',
    controllersFile: 'cpuset cpu io memory hugetlb pids rdma misc\n',
  }),
  files: new Set(['io.weight', 'io.bfq.weight']),
};
const FACTS = { '/cg/cpuset/cpuset.cpus': '0-3\n', '/cg/cpuset/cpuset.mems': '0\n' };
const MIB = 1 << 20;
const DISK = { major: 254, minor: 0 };

function request(resources: Resources) {
  return { parent: '/c', name: 'ab', resources };
}

function line(step: CgroupStep): string {
  const path = step.path.replace(/^\/cg\/(\w+\/)?c\/ab\//, '');
  if (step.op === 'cgroup_write') return `${path} = ${step.value}`;
  return 'insns' in step ? `${step.op} ${step.insns.length / 8}` : `${step.op} ${path}`;
}

/** The writes from one set of limits to another, in order, each with its undo. */
function change(
  host: CgroupHost,
  before: Resources,
  after: Resources,
  texts: Readonly<Record<string, string>> = {},
): string[] {
  const made = planChange(host, { before: request(before), after: request(after) }, FACTS);
  const full = Object.fromEntries(
    Object.entries(texts).map(([file, text]) => {
      const directory = host.version === 2 ? '/cg/c/ab' : `/cg/${file.split('.', 1)[0]}/c/ab`;
      return [`${directory}/${file}`, text];
    }),
  );
  return settleChange(made, full).map(({ step, undo = [] }) =>
    [line(step), ...undo.map((each) => `(${line(each)})`)].join(' '),
  );
}

test('v1: what bounds memory moves out of its way first, in both directions and back', () => {
  const [small, large] = [32, 64].map((mib) => ({ memory: mib * MIB, memorySwap: 2 * mib * MIB }));
  const at = (mib: number) => ({
    'memory.limit_in_bytes': `${mib * MIB}\n`,
    'memory.memsw.limit_in_bytes': `${2 * mib * MIB}\n`,
  });
  assert.ok(small && large);
  assert.deepEqual(change(V1, small, large, at(32)), [
    'memory.memsw.limit_in_bytes = 134217728 (memory.memsw.limit_in_bytes = 67108864)',
    'memory.limit_in_bytes = 67108864 (memory.limit_in_bytes = 33554432)',
  ]);
  assert.deepEqual(change(V1, large, small, at(64)), [
    'memory.limit_in_bytes = 33554432 (memory.limit_in_bytes = 67108864)',
    'memory.memsw.limit_in_bytes = 67108864 (memory.memsw.limit_in_bytes = 134217728)',
  ]);
  assert.deepEqual(change(V1, small, {}, at(32)), [
    'memory.memsw.limit_in_bytes = -1 (memory.memsw.limit_in_bytes = 67108864)',
    'memory.limit_in_bytes = -1 (memory.limit_in_bytes = 33554432)',
  ]);
});

test('v1: quota over period is at no time outside of where it started and ends, and the burst follows', () => {
  const at = {
    'cpu.cfs_period_us': '100000',
    'cpu.cfs_quota_us': '50000',
    'cpu.cfs_burst_us': '0',
  };
  const half = { cpuPeriod: 100_000, cpuQuota: 50_000 };
  assert.deepEqual(change(V1, half, { cpuPeriod: 50_000, cpuQuota: 25_000, cpuBurst: 9 }, at), [
    'cpu.cfs_quota_us = -1 (cpu.cfs_quota_us = 50000)',
    'cpu.cfs_period_us = 50000 (cpu.cfs_period_us = 100000)',
    'cpu.cfs_quota_us = 25000 (cpu.cfs_quota_us = -1)',
    'cpu.cfs_burst_us = 9 (cpu.cfs_burst_us = 0)',
  ]);
  assert.deepEqual(change(V1, half, { cpuPeriod: 200_000, cpuQuota: 100_000 }, at), [
    'cpu.cfs_quota_us = -1 (cpu.cfs_quota_us = 50000)',
    'cpu.cfs_period_us = 200000 (cpu.cfs_period_us = 100000)',
    'cpu.cfs_quota_us = 100000 (cpu.cfs_quota_us = -1)',
  ]);
  assert.deepEqual(change(V1, half, { cpuPeriod: 200_000, cpuQuota: 20_000 }, at), [
    'cpu.cfs_period_us = 200000 (cpu.cfs_period_us = 100000)',
    'cpu.cfs_quota_us = 20000 (cpu.cfs_quota_us = 50000)',
  ]);
  const burst = { ...at, 'cpu.cfs_burst_us': '40000' };
  assert.deepEqual(change(V1, { ...half, cpuBurst: 40_000 }, { cpuQuota: 20_000 }, burst), [
    'cpu.cfs_burst_us = 0 (cpu.cfs_burst_us = 40000)',
    'cpu.cfs_quota_us = 20000 (cpu.cfs_quota_us = 50000)',
    'cpu.cfs_period_us = 100000 (cpu.cfs_period_us = 100000)',
  ]);
});

test('shares are written while the cgroup is not idle, CPUs while it is no partition', () => {
  assert.deepEqual(change(V1, { cpuIdle: true }, { cpuShares: 512 }, { 'cpu.idle': '1' }), [
    'cpu.idle = 0 (cpu.idle = 1)',
    'cpu.shares = 512',
  ]);
  assert.deepEqual(change(V1, { cpuShares: 512 }, { cpuIdle: true }), [
    'cpu.shares = 1024',
    'cpu.idle = 1',
  ]);
  const root = { cpusetCpus: '1', cpusetPartition: 'root' } as const;
  assert.deepEqual(change(V2, {}, root, { 'cpuset.cpus': '\n' }), [
    'cpuset.cpus = 1 (cpuset.cpus = \n)',
    'cpuset.cpus.partition = root',
  ]);
  const invalid = {
    'cpuset.cpus.partition': 'root invalid (Cpu list in cpuset.cpus not exclusive)',
  };
  assert.deepEqual(change(V2, root, {}, invalid), [
    'cpuset.cpus.partition = member (cpuset.cpus.partition = root)',
    'cpuset.cpus = \n',
  ]);
});

test('v2: the weight of one disk is in the file of its scheduler, where the kernel has both', () => {
  // The other one refuses it (ENOTSUP): a policy that this disk has not.
  const disks = [
    { ...DISK, weight: 500 },
    { ...DISK, minor: 16, weight: 500, bfq: true },
  ];
  const wish = { blkioWeightDevices: disks };
  assert.deepEqual(change(V2, {}, wish), ['io.weight = 254:0 4950', 'io.bfq.weight = 254:16 500']);
  const alone = { ...V2, files: new Set(['io.bfq.weight']) };
  assert.deepEqual(change(alone, {}, { blkioWeightDevices: disks.slice(0, 1) }), [
    'io.bfq.weight = 254:0 500',
  ]);
});

test('v2: a list of CPUs that is taken away is all that the root has left, and that was here', () => {
  // The kernel refuses an empty one with ENOSPC while there are processes (validate_change()).
  const wish = (resources: Resources) => ({ before: request({}), after: request(resources) });
  const [limited, plain] = [{ cpusetCpus: '1', cpusetMems: '0' }, { pidsLimit: 5 }] as const;
  assert.deepEqual(changeFactFiles(V2, wish(plain)), []);
  assert.deepEqual(changeFactFiles(V2, wish(limited)), [
    '/cg/cpuset.cpus.effective',
    '/cg/c/ab/cpuset.cpus',
    '/cg/cpuset.mems.effective',
    '/cg/c/ab/cpuset.mems',
  ]);
  const settle = (from: Resources, to: Resources, cpus: string, mems: string): string[] => {
    const own = { '/cg/c/ab/cpuset.cpus': cpus, '/cg/c/ab/cpuset.mems': mems };
    const root = { '/cg/cpuset.cpus.effective': '0,2-3\n', '/cg/cpuset.mems.effective': '0\n' };
    const both = { before: request(from), after: request(to) };
    const made = planChange(V2, both, { ...own, ...root });
    return settleChange(made, own).map(({ step, undo = [] }) =>
      [line(step), ...undo.map((each) => `(${line(each)})`)].join(' '),
    );
  };
  assert.deepEqual(settle(limited, {}, '1\n', '0\n'), [
    'cpuset.cpus = 0,2-3,1 (cpuset.cpus = 1)',
    'cpuset.mems = 0,0 (cpuset.mems = 0)',
  ]);
  assert.deepEqual(settle({}, limited, '\n', '\n'), [
    'cpuset.cpus = 1 (cpuset.cpus = 0,2-3)',
    'cpuset.mems = 0 (cpuset.mems = 0)',
  ]);
});

test('each device has a line of its own, in both versions', () => {
  const before = { blkioRates: [{ ...DISK, readBps: 1000, writeIops: 5 }], blkioWeight: 300 };
  const after = { blkioRates: [{ ...DISK, readBps: 2000 }] };
  assert.deepEqual(
    change(V1, before, after, { 'blkio.throttle.read_bps_device': '8:0 7\n254:0 1000\n' }),
    [
      'blkio.throttle.read_bps_device = 254:0 2000 (blkio.throttle.read_bps_device = 254:0 1000)',
      'blkio.bfq.weight = 100',
      'blkio.throttle.write_iops_device = 254:0 0',
    ],
  );
  assert.deepEqual(change(V2, before, after, { 'io.max': '8:0 rbps=1 wbps=max\n' }), [
    'io.max = 254:0 rbps=2000 wbps=max riops=max wiops=max ' +
      '(io.max = 254:0 rbps=max wbps=max riops=max wiops=max)',
    'io.weight = 100',
    'io.bfq.weight = 100',
  ]);
});

test('v1: device rules change one by one, so that what both lists allow is never refused', () => {
  const rules = (...texts: readonly string[]): { devices: readonly DeviceRule[] } => ({
    devices: [...DEFAULT_DEVICES, ...texts.map(parseDeviceRule)],
  });
  assert.deepEqual(change(V1, rules('c 10:229 r', 'b 8:0 rw'), rules('c 10:229 rw', 'b 8:1 r')), [
    'devices.allow = c 10:229 w (devices.deny = c 10:229 w)',
    'devices.allow = b 8:1 r (devices.deny = b 8:1 r)',
    'devices.deny = b 8:0 rw (devices.allow = b 8:0 rw)',
  ]);
  assert.deepEqual(change(V1, rules('c 1:3 rwm'), rules()), []);
  const opened = change(V1, rules(), { devices: ALL_DEVICES });
  assert.match(
    opened[0] ?? '',
    /^devices.deny = a \(devices.deny = a\) \(devices.allow = c \*:\* m\)/,
  );
  assert.deepEqual(opened.slice(1), ['devices.allow = a']);
});

test('v2: the device program is replaced in one step, or taken away', () => {
  const [plain, more] = [DEFAULT_DEVICES, [...DEFAULT_DEVICES, parseDeviceRule('c 10:229 rw')]];
  assert.deepEqual(change(V2, { devices: plain }, { devices: plain }), []);
  assert.deepEqual(change(V2, { devices: plain }, { devices: more }), [
    'cgroup_device_replace 107 (cgroup_device_replace 99)',
  ]);
  assert.deepEqual(change(V2, { devices: plain }, { devices: ALL_DEVICES }), [
    'cgroup_device_replace 0 (cgroup_device_replace 99)',
  ]);
});

test('a hierarchy is mounted with the first container that asks, and its processes are moved in', () => {
  const after = request({ netClassId: 0x100001 });
  const made = planChange(V1, { before: request({}), after }, FACTS);
  assert.deepEqual(
    made.steps.map(({ step }) => line(step)),
    [
      'cgroup_mount /run/x/cgroup/net_cls',
      'mkdir /run/x/cgroup/net_cls/c',
      'mkdir /run/x/cgroup/net_cls/c/ab',
      '/run/x/cgroup/net_cls/c/ab/net_cls.classid = 1048577',
    ],
  );
  assert.deepEqual(made.enter, ['/run/x/cgroup/net_cls/c/ab']);
  assert.ok(made.plan.join.includes('/run/x/cgroup/net_cls/c/ab'));
  const plain = planCgroup(V1, request({}), FACTS);
  assert.ok(!plain.join.some((path) => path.startsWith('/run')));
  assert.ok(!plain.create.some(({ path }) => path.startsWith('/run')));
  assert.ok(plain.directories.includes('/run/x/cgroup/net_cls/c/ab'), 'removed with the others');
});

test('a rare controller of cgroup2 is handed down with the first container that asks', () => {
  const hugetlb = { '2MB': 5 * MIB };
  const made = planChange(V1, { before: request({}), after: request({ hugetlb }) }, FACTS);
  assert.deepEqual(
    settleChange(made, {}).map(({ step }) => line(step)),
    [
      '/cg/unified/cgroup.subtree_control = +hugetlb',
      '/cg/unified/c/cgroup.subtree_control = +hugetlb',
      'hugetlb.2MB.max = 4194304', // whole pages
    ],
  );
  assert.deepEqual(change(V1, { hugetlb }, {}), ['hugetlb.2MB.max = max']);
  assert.ok(!planCgroup(V2, request({}), {}).create.some((step) => /huge|misc/.test(line(step))));
});

test('real-time is handed down from the top, and only the leaf gives it back', () => {
  const realtime = { runtime: 200_000, period: 1_000_000 };
  const [plain, real] = [{}, { cpuRtRuntime: 5000 }].map((each) => ({
    ...request(each),
    realtime,
  }));
  assert.ok(plain && real);
  const steps = planChange(V1, { before: plain, after: real }, FACTS).steps;
  assert.deepEqual(
    steps.map(({ step }) => line(step)),
    [
      '/cg/cpu/c/cpu.rt_period_us = 1000000',
      '/cg/cpu/c/cpu.rt_runtime_us = 200000',
      'cpu.rt_runtime_us = 5000',
    ],
  );
  const back = planChange(V1, { before: real, after: plain }, FACTS).steps;
  assert.deepEqual(
    back.map(({ step }) => line(step)),
    ['cpu.rt_runtime_us = 0'],
  );
});

test('v1: without a swappiness of its own the cgroup has again that of the one above', () => {
  const removed = { before: request({ memorySwappiness: 0 }), after: request({}) };
  const file = '/cg/memory/c/memory.swappiness';
  assert.ok(changeFactFiles(V1, removed).includes(file));
  const { steps } = planChange(V1, removed, { ...FACTS, [file]: '60\n' });
  assert.deepEqual(
    steps.map(({ step }) => line(step)),
    ['memory.swappiness = 60'],
  );
});

/** A value for each limit, and all files that it may be written to. */
const EVERY: Readonly<Record<keyof typeof LIMITS, Resources>> = {
  memory: { memory: 64 * MIB },
  memorySwap: { memory: 64 * MIB, memorySwap: 96 * MIB },
  memoryReservation: { memoryReservation: MIB },
  memorySwappiness: { memorySwappiness: 1 },
  oomKillDisable: { oomKillDisable: true },
  memoryHigh: { memoryHigh: MIB },
  memoryMin: { memoryMin: MIB },
  memorySwapHigh: { memorySwapHigh: MIB },
  memoryOomGroup: { memoryOomGroup: true },
  cpuShares: { cpuShares: 10 },
  cpuQuota: { cpuQuota: 5000 },
  cpuPeriod: { cpuPeriod: 5000 },
  nanoCpus: { nanoCpus: 5e8 },
  cpuBurst: { cpuBurst: 10 },
  cpuIdle: { cpuIdle: true },
  cpuRtRuntime: { cpuRtRuntime: 10 },
  cpuRtPeriod: { cpuRtPeriod: 10 },
  cpuUclampMin: { cpuUclampMin: 10 },
  cpuUclampMax: { cpuUclampMax: 10 },
  cpusetCpus: { cpusetCpus: '1' },
  cpusetMems: { cpusetMems: '0-0' },
  cpusetPartition: { cpusetPartition: 'root' },
  pidsLimit: { pidsLimit: 5 },
  blkioWeight: { blkioWeight: 10 },
  blkioWeightDevices: {
    blkioWeightDevices: [
      { ...DISK, weight: 10 },
      { ...DISK, minor: 16, weight: 10, bfq: true },
    ],
  },
  blkioRates: { blkioRates: [{ ...DISK, readBps: 1, writeBps: 1, readIops: 1, writeIops: 1 }] },
  netClassId: { netClassId: 1 },
  netPrio: { netPrio: { lo: 1 } },
  hugetlb: { hugetlb: { SIZE: 1 } },
  rdma: { rdma: { mlx: { hcaHandle: 1 } } },
  misc: { misc: { sev: 1 } },
};

test('the table of limits names exactly the files that a plan writes, in both versions', () => {
  const base = { ...V1, hierarchies: [] };
  for (const [limit, { v1, v2 }] of Object.entries(LIMITS)) {
    const wish = EVERY[limit as keyof typeof LIMITS];
    const old = { controllers: [v1.controller], mountpoint: '/cg', root: '/', own: '/' };
    const alone: CgroupHost = { version: 1, hierarchies: [old], onDemand: base.onDemand ?? [] };
    const facts = { '/cg/cpuset.cpus': '0', '/cg/cpuset.mems': '0' };
    const written = (host: CgroupHost, resources: Resources): Set<string> => {
      const steps = planCgroup(host, request(resources), facts).create;
      return new Set(
        steps.flatMap((step) =>
          step.op === 'cgroup_write' && /\/c\/ab\//.test(step.path)
            ? [`${step.path.replace(/^.*\//, '')} ${step.value}`]
            : [],
        ),
      );
    };
    for (const [host, files] of [
      [alone, v1.files],
      [V2, v2.files],
    ] as const) {
      // memorySwap needs a memory limit beside it, which is not what it is about.
      const without = limit === 'memorySwap' ? { memory: 64 * MIB } : {};
      const more = [...written(host, wish).difference(written(host, without))];
      const names = new Set(more.map((each) => each.split(' ', 1)[0]));
      assert.deepEqual([...names].sort(), [...files].sort(), limit);
    }
  }
});
