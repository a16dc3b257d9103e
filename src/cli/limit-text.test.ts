import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limitsText } from './limit-text.ts';
import { OWN_LIMITS, LIMITS } from './create/limit-flags.ts';

test('limits are shown as they can be typed', () => {
  const text = limitsText({
    Memory: 512 << 20,
    MemorySwap: -1,
    NanoCpus: 5e8,
    CpuIdle: true,
    CpusetCpus: '0-1',
    PidsLimit: 20,
    BlkioDeviceWriteBps: [{ Path: '/dev/vda', Rate: 1 << 20 }],
    BlkioDeviceReadIOps: [
      { Path: '/dev/vda', Rate: 50 },
      { Path: '/dev/vdb', Rate: 60 },
    ],
    BlkioWeightDevice: [{ Path: '/dev/vda', Weight: 300 }],
    CpuRealtimeRuntime: 5000,
    NetClassId: 0x100001,
    NetPrio: { eth0: 3 },
    HugetlbLimits: [{ PageSize: '2MB', Limit: 4 << 20 }],
    RdmaLimits: { mlx: { HcaHandle: 2 } },
    MiscLimits: { res: 4 },
    MemoryOomGroup: true,
  });
  assert.equal(
    text,
    '--memory 512MiB --memory-swap -1 --cpus 0.5 --cpu-idle --cpuset-cpus 0-1 --pids-limit 20 ' +
      '--device-write-bps /dev/vda:1MiB --device-read-iops /dev/vda:50 ' +
      '--device-read-iops /dev/vdb:60 --blkio-weight-device /dev/vda:300 --cpu-rt-runtime 5000 ' +
      '--net-class 0x100001 --net-prio eth0=3 --hugetlb 2MB=4MiB --rdma mlx=hca_handle=2 ' +
      '--misc res=4 --memory-oom-group',
  );
  const known = new Set([...LIMITS, ...OWN_LIMITS].map(({ name }) => name));
  for (const [, flag = ''] of text.matchAll(/--([a-z-]+)/g)) assert.ok(known.has(flag), flag);
});
