// The flags of limits, as data: docker's with docker's names, letters and texts, and ours.
import { bool, bytes, cpus, int, string, swapBytes, uint16 } from '../flag-kind.ts';
import { type FlagSpec, flag } from '../flags.ts';
import { deviceRuleKind, throttleBps, throttleIops, ulimitKind, weightDevice } from './kinds.ts';
import {
  hugetlbKind,
  miscKind,
  netClassKind,
  netPrioKind,
  rdmaKind,
  unsetKind,
} from './limit-kinds.ts';
import { netBurstKind, netRateKind } from './net-rate.ts';

export const NET_RATE: readonly FlagSpec[] = [
  flag(
    'net-rate',
    netRateKind,
    'Bandwidth to and from the container ("10mbit", "in:10mbit,out:50mbit")',
  ),
  flag(
    'net-burst',
    netBurstKind,
    'What may pass at once beyond --net-rate ("64k", "in:64k,out:1m")',
  ),
];

/** Docker's. */
export const LIMITS: readonly FlagSpec[] = [
  flag(
    'blkio-weight',
    uint16,
    'Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)',
  ),
  flag(
    'blkio-weight-device',
    weightDevice,
    'Block IO weight (relative device weight) (default [])',
  ),
  flag('cgroup-parent', string, 'Optional parent cgroup for the container'),
  flag('cpu-period', int, 'Limit CPU CFS (Completely Fair Scheduler) period'),
  flag('cpu-quota', int, 'Limit CPU CFS (Completely Fair Scheduler) quota'),
  flag('cpu-rt-period', int, 'Limit CPU real-time period in microseconds'),
  flag('cpu-rt-runtime', int, 'Limit CPU real-time runtime in microseconds'),
  flag('cpu-shares', int, 'CPU shares (relative weight)', { short: 'c', singleDash: ['cpushare'] }),
  flag('cpus', cpus, 'Number of CPUs'),
  flag('cpuset-cpus', string, 'CPUs in which to allow execution (0-3, 0,1)', {
    singleDash: ['cpuset'],
  }),
  flag('cpuset-mems', string, 'MEMs in which to allow execution (0-3, 0,1)'),
  flag(
    'device-read-bps',
    throttleBps,
    'Limit read rate (bytes per second) from a device (default [])',
  ),
  flag(
    'device-read-iops',
    throttleIops,
    'Limit read rate (IO per second) from a device (default [])',
  ),
  flag(
    'device-write-bps',
    throttleBps,
    'Limit write rate (bytes per second) to a device (default [])',
  ),
  flag(
    'device-write-iops',
    throttleIops,
    'Limit write rate (IO per second) to a device (default [])',
  ),
  flag('kernel-memory', bytes, 'Kernel memory limit'),
  flag('memory', bytes, 'Memory limit', { short: 'm', singleDash: ['mem'] }),
  flag('memory-reservation', bytes, 'Memory soft limit'),
  flag(
    'memory-swap',
    swapBytes,
    "Swap limit equal to memory plus swap: '-1' to enable unlimited swap",
  ),
  flag('memory-swappiness', int, 'Tune container memory swappiness (0 to 100) (default -1)'),
  flag('oom-kill-disable', bool, 'Disable OOM Killer'),
  flag('oom-score-adj', int, "Tune host's OOM preferences (-1000 to 1000)"),
  flag('pids-limit', int, 'Tune container pids limit (set -1 for unlimited)'),
  flag('ulimit', ulimitKind, 'Ulimit options (default [])'),
];

/** Limits that docker has no flag for, with `run`, `create` and `update`. */
export const OWN_LIMITS: readonly FlagSpec[] = [
  flag('cpu-burst', int, 'Microseconds of CPU quota that may be saved up for later'),
  flag('cpu-idle', bool, 'Run only when nobody else wants the CPU'),
  flag('cpu-uclamp-min', int, 'Least CPU performance to ask for, in percent'),
  flag('cpu-uclamp-max', int, 'Most CPU performance to ask for, in percent'),
  flag(
    'cpuset-partition',
    string,
    'Take the CPUs of --cpuset-cpus from all others ("member", "root", "isolated")',
  ),
  flag('hugetlb', hugetlbKind, 'Limit of huge pages by their size (SIZE=BYTES, "2MB=64m")'),
  flag('memory-high', bytes, 'Memory above which the container is slowed down and reclaimed from'),
  flag('memory-min', bytes, 'Memory that is never taken from the container'),
  flag('memory-oom-group', bool, 'Let the OOM killer end all processes of the container or none'),
  flag('memory-swap-high', bytes, 'Swap above which the container is slowed down'),
  flag('misc', miscKind, 'Limit of a counted resource (NAME=COUNT)'),
  flag('net-class', netClassKind, 'Class of the packets for tc and netfilter ("10:1", "0x100001")'),
  flag(
    'net-prio',
    netPrioKind,
    'Priority of packets on an interface of the host (IF=N), with --network host',
  ),
  flag('rdma', rdmaKind, 'Limit of an RDMA device (DEVICE=hca_handle=N,hca_object=N)'),
];

/**
 * What `update` changes: docker's flags, with the letters and texts that they have there, and ours.
 */
const DOCKER_UPDATE: readonly FlagSpec[] = [
  flag(
    'blkio-weight',
    uint16,
    'Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)',
  ),
  flag('cpu-period', int, 'Limit CPU CFS (Completely Fair Scheduler) period'),
  flag('cpu-quota', int, 'Limit CPU CFS (Completely Fair Scheduler) quota'),
  flag('cpu-rt-period', int, 'Limit the CPU real-time period in microseconds'),
  flag('cpu-rt-runtime', int, 'Limit the CPU real-time runtime in microseconds'),
  flag('cpu-shares', int, 'CPU shares (relative weight)', { short: 'c' }),
  flag('cpus', cpus, 'Number of CPUs'),
  flag('cpuset-cpus', string, 'CPUs in which to allow execution (0-3, 0,1)'),
  flag('cpuset-mems', string, 'MEMs in which to allow execution (0-3, 0,1)'),
  flag('kernel-memory', bytes, 'Kernel memory limit (deprecated)', { hidden: true }),
  flag('memory', bytes, 'Memory limit', { short: 'm' }),
  flag('memory-reservation', bytes, 'Memory soft limit'),
  flag(
    'memory-swap',
    swapBytes,
    'Swap limit equal to memory plus swap: -1 to enable unlimited swap',
  ),
  flag('pids-limit', int, 'Tune container pids limit (set -1 for unlimited)'),
  flag('restart', string, 'Restart policy to apply when a container exits'),
];

/** Docker has these with `run` only. */
const LIVE_LIMITS = [
  'blkio-weight-device',
  'device-read-bps',
  'device-read-iops',
  'device-write-bps',
  'device-write-iops',
  'memory-swappiness',
  'oom-kill-disable',
] as const;

export const UPDATE_FLAGS: readonly FlagSpec[] = [
  ...DOCKER_UPDATE,
  ...NET_RATE,
  ...LIMITS.filter(({ name }) => (LIVE_LIMITS as readonly string[]).includes(name)),
  ...OWN_LIMITS,
  flag(
    'device-cgroup-rule',
    deviceRuleKind,
    'The rules of allowed devices, in the place of those before',
  ),
  flag('memory-reclaim', bytes, 'Take that much memory from the container now'),
  flag('storage-size', string, 'Raise the size that --storage-opt size= gave the root ("2g")'),
  flag('unset', unsetKind, 'Take a limit away, by the name of its flag ("memory", "cpus")'),
];
