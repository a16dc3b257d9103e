// The flags of limits, as data: docker's with docker's names, letters and texts, and ours.
import { bool, bytes, cpus, int, string, swapBytes, uint16 } from '../flag-kind.ts';
import type { FlagSpec } from '../flags.ts';
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
  {
    name: 'net-rate',
    kind: netRateKind,
    usage: 'Bandwidth to and from the container ("10mbit", "in:10mbit,out:50mbit")',
  },
  {
    name: 'net-burst',
    kind: netBurstKind,
    usage: 'What may pass at once beyond --net-rate ("64k", "in:64k,out:1m")',
  },
];

/** Docker's. */
export const LIMITS: readonly FlagSpec[] = [
  {
    name: 'blkio-weight',
    kind: uint16,
    usage: 'Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)',
  },
  {
    name: 'blkio-weight-device',
    kind: weightDevice,
    usage: 'Block IO weight (relative device weight) (default [])',
  },
  { name: 'cgroup-parent', kind: string, usage: 'Optional parent cgroup for the container' },
  { name: 'cpu-period', kind: int, usage: 'Limit CPU CFS (Completely Fair Scheduler) period' },
  { name: 'cpu-quota', kind: int, usage: 'Limit CPU CFS (Completely Fair Scheduler) quota' },
  { name: 'cpu-rt-period', kind: int, usage: 'Limit CPU real-time period in microseconds' },
  { name: 'cpu-rt-runtime', kind: int, usage: 'Limit CPU real-time runtime in microseconds' },
  {
    name: 'cpu-shares',
    short: 'c',
    kind: int,
    singleDash: ['cpushare'],
    usage: 'CPU shares (relative weight)',
  },
  { name: 'cpus', kind: cpus, usage: 'Number of CPUs' },
  {
    name: 'cpuset-cpus',
    kind: string,
    singleDash: ['cpuset'],
    usage: 'CPUs in which to allow execution (0-3, 0,1)',
  },
  { name: 'cpuset-mems', kind: string, usage: 'MEMs in which to allow execution (0-3, 0,1)' },
  {
    name: 'device-read-bps',
    kind: throttleBps,
    usage: 'Limit read rate (bytes per second) from a device (default [])',
  },
  {
    name: 'device-read-iops',
    kind: throttleIops,
    usage: 'Limit read rate (IO per second) from a device (default [])',
  },
  {
    name: 'device-write-bps',
    kind: throttleBps,
    usage: 'Limit write rate (bytes per second) to a device (default [])',
  },
  {
    name: 'device-write-iops',
    kind: throttleIops,
    usage: 'Limit write rate (IO per second) to a device (default [])',
  },
  { name: 'kernel-memory', kind: bytes, usage: 'Kernel memory limit' },
  { name: 'memory', short: 'm', kind: bytes, singleDash: ['mem'], usage: 'Memory limit' },
  { name: 'memory-reservation', kind: bytes, usage: 'Memory soft limit' },
  {
    name: 'memory-swap',
    kind: swapBytes,
    usage: "Swap limit equal to memory plus swap: '-1' to enable unlimited swap",
  },
  {
    name: 'memory-swappiness',
    kind: int,
    usage: 'Tune container memory swappiness (0 to 100) (default -1)',
  },
  { name: 'oom-kill-disable', kind: bool, usage: 'Disable OOM Killer' },
  { name: 'oom-score-adj', kind: int, usage: "Tune host's OOM preferences (-1000 to 1000)" },
  { name: 'pids-limit', kind: int, usage: 'Tune container pids limit (set -1 for unlimited)' },
  { name: 'ulimit', kind: ulimitKind, usage: 'Ulimit options (default [])' },
];

/** Limits that docker has no flag for, with `run`, `create` and `update`. */
export const OWN_LIMITS: readonly FlagSpec[] = [
  {
    name: 'cpu-burst',
    kind: int,
    usage: 'Microseconds of CPU quota that may be saved up for later',
  },
  { name: 'cpu-idle', kind: bool, usage: 'Run only when nobody else wants the CPU' },
  { name: 'cpu-uclamp-min', kind: int, usage: 'Least CPU performance to ask for, in percent' },
  { name: 'cpu-uclamp-max', kind: int, usage: 'Most CPU performance to ask for, in percent' },
  {
    name: 'cpuset-partition',
    kind: string,
    usage: 'Take the CPUs of --cpuset-cpus from all others ("member", "root", "isolated")',
  },
  {
    name: 'hugetlb',
    kind: hugetlbKind,
    usage: 'Limit of huge pages by their size (SIZE=BYTES, "2MB=64m")',
  },
  {
    name: 'memory-high',
    kind: bytes,
    usage: 'Memory above which the container is slowed down and reclaimed from',
  },
  { name: 'memory-min', kind: bytes, usage: 'Memory that is never taken from the container' },
  {
    name: 'memory-oom-group',
    kind: bool,
    usage: 'Let the OOM killer end all processes of the container or none',
  },
  { name: 'memory-swap-high', kind: bytes, usage: 'Swap above which the container is slowed down' },
  { name: 'misc', kind: miscKind, usage: 'Limit of a counted resource (NAME=COUNT)' },
  {
    name: 'net-class',
    kind: netClassKind,
    usage: 'Class of the packets for tc and netfilter ("10:1", "0x100001")',
  },
  {
    name: 'net-prio',
    kind: netPrioKind,
    usage: 'Priority of packets on an interface of the host (IF=N), with --network host',
  },
  {
    name: 'rdma',
    kind: rdmaKind,
    usage: 'Limit of an RDMA device (DEVICE=hca_handle=N,hca_object=N)',
  },
];

/**
 * What `update` changes: docker's flags, with the letters and texts that they have there, and ours.
 */
const DOCKER_UPDATE: readonly FlagSpec[] = [
  {
    name: 'blkio-weight',
    kind: uint16,
    usage: 'Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)',
  },
  { name: 'cpu-period', kind: int, usage: 'Limit CPU CFS (Completely Fair Scheduler) period' },
  { name: 'cpu-quota', kind: int, usage: 'Limit CPU CFS (Completely Fair Scheduler) quota' },
  { name: 'cpu-rt-period', kind: int, usage: 'Limit the CPU real-time period in microseconds' },
  { name: 'cpu-rt-runtime', kind: int, usage: 'Limit the CPU real-time runtime in microseconds' },
  { name: 'cpu-shares', short: 'c', kind: int, usage: 'CPU shares (relative weight)' },
  { name: 'cpus', kind: cpus, usage: 'Number of CPUs' },
  {
    name: 'cpuset-cpus',
    kind: string,
    usage: 'CPUs in which to allow execution (0-3, 0,1)',
  },
  { name: 'cpuset-mems', kind: string, usage: 'MEMs in which to allow execution (0-3, 0,1)' },
  { name: 'kernel-memory', kind: bytes, hidden: true, usage: 'Kernel memory limit (deprecated)' },
  { name: 'memory', short: 'm', kind: bytes, usage: 'Memory limit' },
  { name: 'memory-reservation', kind: bytes, usage: 'Memory soft limit' },
  {
    name: 'memory-swap',
    kind: swapBytes,
    usage: 'Swap limit equal to memory plus swap: -1 to enable unlimited swap',
  },
  { name: 'pids-limit', kind: int, usage: 'Tune container pids limit (set -1 for unlimited)' },
  { name: 'restart', kind: string, usage: 'Restart policy to apply when a container exits' },
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
  {
    name: 'device-cgroup-rule',
    kind: deviceRuleKind,
    usage: 'The rules of allowed devices, in the place of those before',
  },
  { name: 'memory-reclaim', kind: bytes, usage: 'Take that much memory from the container now' },
  {
    name: 'unset',
    kind: unsetKind,
    usage: 'Take a limit away, by the name of its flag ("memory", "cpus")',
  },
];
