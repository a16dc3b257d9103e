// The flags of `update` as the body of POST /containers/{id}/update, as docker sends it: zeros mean
// "as it is".
import type { ContainerUpdateBody, ThrottleDevice, WeightDevice } from '#wire/container-config.ts';
import type { Flags } from '../flags.ts';
import { planOwnLimits } from './limit-kinds.ts';
import { planNetRate } from './net-rate.ts';
import { parseRestartPolicy } from './security.ts';

export function planUpdate(flags: Flags): ContainerUpdateBody {
  const restart = flags.string('restart');
  const none = { Name: '', MaximumRetryCount: 0 };
  const kernelMemory = flags.number('kernel-memory');
  const netRate = planNetRate(flags, 'update');
  return {
    CpuShares: flags.number('cpu-shares'),
    Memory: flags.number('memory'),
    NanoCpus: flags.number('cpus'),
    CgroupParent: '',
    BlkioWeight: flags.number('blkio-weight'),
    BlkioWeightDevice: listOrNull<WeightDevice>(flags, 'blkio-weight-device'),
    BlkioDeviceReadBps: listOrNull<ThrottleDevice>(flags, 'device-read-bps'),
    BlkioDeviceWriteBps: listOrNull<ThrottleDevice>(flags, 'device-write-bps'),
    BlkioDeviceReadIOps: listOrNull<ThrottleDevice>(flags, 'device-read-iops'),
    BlkioDeviceWriteIOps: listOrNull<ThrottleDevice>(flags, 'device-write-iops'),
    CpuPeriod: flags.number('cpu-period'),
    CpuQuota: flags.number('cpu-quota'),
    CpuRealtimePeriod: flags.number('cpu-rt-period'),
    CpuRealtimeRuntime: flags.number('cpu-rt-runtime'),
    CpusetCpus: flags.string('cpuset-cpus'),
    CpusetMems: flags.string('cpuset-mems'),
    Devices: null,
    DeviceCgroupRules: listOrNull<string>(flags, 'device-cgroup-rule'),
    DeviceRequests: null,
    ...(kernelMemory === 0 ? {} : { KernelMemory: kernelMemory }),
    MemoryReservation: flags.number('memory-reservation'),
    MemorySwap: flags.number('memory-swap'),
    MemorySwappiness: flags.has('memory-swappiness') ? flags.number('memory-swappiness') : null,
    OomKillDisable: flags.has('oom-kill-disable') ? flags.bool('oom-kill-disable') : null,
    PidsLimit: flags.number('pids-limit') === 0 ? null : flags.number('pids-limit'),
    Ulimits: null,
    CpuCount: 0,
    CpuPercent: 0,
    IOMaximumIOps: 0,
    IOMaximumBandwidth: 0,
    RestartPolicy: restart === '' ? none : parseRestartPolicy(restart),
    ...(netRate === undefined ? {} : { NetRate: netRate }),
    ...planOwnLimits(flags),
    ...(flags.has('unset') ? { Unset: flags.list('unset') } : {}),
    ...(flags.has('storage-size') ? { StorageOpt: { size: flags.string('storage-size') } } : {}),
    ...(flags.has('memory-reclaim') ? { MemoryReclaim: flags.number('memory-reclaim') } : {}),
  };
}

function listOrNull<T>(flags: Flags, name: string): readonly T[] | null {
  return flags.has(name) ? flags.list<T>(name) : null;
}
