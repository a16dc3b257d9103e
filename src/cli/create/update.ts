// The flags of `update` as the body of POST /containers/{id}/update, as docker sends it: zeros mean
// "as it is".
import type { ContainerUpdateBody } from '#wire/container-config.ts';
import type { Flags } from '../flags.ts';
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
    BlkioWeightDevice: null,
    BlkioDeviceReadBps: null,
    BlkioDeviceWriteBps: null,
    BlkioDeviceReadIOps: null,
    BlkioDeviceWriteIOps: null,
    CpuPeriod: flags.number('cpu-period'),
    CpuQuota: flags.number('cpu-quota'),
    CpuRealtimePeriod: flags.number('cpu-rt-period'),
    CpuRealtimeRuntime: flags.number('cpu-rt-runtime'),
    CpusetCpus: flags.string('cpuset-cpus'),
    CpusetMems: flags.string('cpuset-mems'),
    Devices: null,
    DeviceCgroupRules: null,
    DeviceRequests: null,
    ...(kernelMemory === 0 ? {} : { KernelMemory: kernelMemory }),
    MemoryReservation: flags.number('memory-reservation'),
    MemorySwap: flags.number('memory-swap'),
    MemorySwappiness: null,
    OomKillDisable: null,
    PidsLimit: flags.number('pids-limit') === 0 ? null : flags.number('pids-limit'),
    Ulimits: null,
    CpuCount: 0,
    CpuPercent: 0,
    IOMaximumIOps: 0,
    IOMaximumBandwidth: 0,
    RestartPolicy: restart === '' ? none : parseRestartPolicy(restart),
    ...(netRate === undefined ? {} : { NetRate: netRate }),
  };
}
