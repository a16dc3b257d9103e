import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFlags } from '../flags.ts';
import { planCreate } from './body.ts';
import { CREATE_FLAGS } from './flags.ts';
import { UPDATE_FLAGS } from './limit-flags.ts';
import { planUpdate } from './update.ts';

const OURS = [
  '--cpu-burst=1000',
  '--cpu-idle',
  '--cpuset-partition=root',
  '--memory-high=64m',
  '--memory-min=8m',
  '--memory-oom-group',
  '--net-class=10:a',
  '--net-prio=eth0=5',
  '--net-prio=eth1=6',
  '--hugetlb=2MB=4m',
  '--rdma=mlx4_0=hca_handle=2,hca_object=max',
  '--misc=sev=1',
];
const FIELDS = {
  CpuBurst: 1000,
  CpuIdle: true,
  CpusetPartition: 'root',
  MemoryHigh: 64 << 20,
  MemoryMin: 8 << 20,
  MemoryOomGroup: true,
  NetClassId: 0x10_000a,
  NetPrio: { eth0: 5, eth1: 6 },
  HugetlbLimits: [{ PageSize: '2MB', Limit: 4 << 20 }],
  RdmaLimits: { mlx4_0: { HcaHandle: 2 } },
  MiscLimits: { sev: 1 },
};

function update(...argv: readonly string[]): Record<string, unknown> {
  return planUpdate(parseFlags(UPDATE_FLAGS, argv, { interspersed: true }).flags);
}

function ours(body: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.keys(FIELDS).map((key) => [key, body[key]]));
}

test('the limits that docker has no flag for are fields of their own, in create and update', () => {
  const { flags } = parseFlags(CREATE_FLAGS, OURS, { interspersed: false });
  assert.deepEqual(ours(planCreate(flags, 'busybox', []).HostConfig), FIELDS);
  assert.deepEqual(ours(update(...OURS)), FIELDS);
});

test("nothing of ours is sent that was not said, so that the body is docker's", () => {
  const { flags } = parseFlags(CREATE_FLAGS, ['-m', '64m'], { interspersed: false });
  const sent = [planCreate(flags, 'busybox', []).HostConfig, update('-m', '64m')];
  for (const body of sent) {
    for (const key of [...Object.keys(FIELDS), 'Unset', 'MemoryReclaim']) {
      assert.equal(Object.hasOwn(body, key), false, key);
    }
  }
});

test('update takes limits away by the names of their flags', () => {
  const { Unset, CpuIdle } = update('--unset', 'memory', '--unset', 'cpus', '--cpu-idle=false');
  assert.deepEqual(Unset, ['Memory', 'NanoCpus']);
  assert.equal(CpuIdle, false);
  assert.throws(
    () => update('--unset', 'memori'),
    /"memori" is no limit: it is one of blkio-weight/,
  );
});

test('a rate of a device in an update may be 0, which takes it away', () => {
  const body = update('--device-read-bps', '/dev/vda:0', '--device-write-iops', '/dev/vda:5');
  assert.deepEqual(body['BlkioDeviceReadBps'], [{ Path: '/dev/vda', Rate: 0 }]);
  assert.deepEqual(body['BlkioDeviceWriteIOps'], [{ Path: '/dev/vda', Rate: 5 }]);
  assert.equal(body['BlkioDeviceWriteBps'], null);
});

test('what is no value of such a flag is refused with the form that it has', () => {
  for (const [flag, form] of [
    ['--hugetlb=2MB', 'SIZE=BYTES'],
    ['--net-prio==5', 'IF=N'],
    ['--rdma=mlx', 'DEVICE=hca_handle=N,hca_object=N'],
    ['--net-class=x:y', 'invalid syntax'],
  ] as const) {
    assert.throws(() => update(flag), new RegExp(form), flag);
  }
});
