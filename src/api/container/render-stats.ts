// What a container uses as Docker's JSON. The two versions of cgroups differ, as they do in Docker
// (moby's daemon/stats_unix.go): who reads it tells them apart by the keys of memory_stats.stats.
import { formatTime, ZERO_TIME } from '#base/clock.ts';
import type { Earlier, Sample, StatsFrame } from '#container/stats.ts';
import type {
  BlkioEntry,
  BlkioStats,
  ContainerStats,
  CpuStats,
  MemoryStats,
  NetworkStats,
} from '#wire/stats.ts';
import { rawInteger } from '../json.ts';

type Usage = Sample['usage'];

/** `memoryBytes`: of the host, which is the limit of who has none. */
export function renderStats(frame: StatsFrame, memoryBytes: number): ContainerStats {
  const { id, name, sample, before } = frame;
  const networks = sample === undefined ? {} : renderNetworks(sample.interfaces);
  const pressure = sample?.usage.pressure;
  return {
    read: sample === undefined ? ZERO_TIME : formatTime(sample.at),
    preread: before === undefined ? ZERO_TIME : formatTime(before.at),
    pids_stats: renderPids(sample?.usage),
    blkio_stats: renderIo(sample?.usage.io),
    num_procs: 0,
    storage_stats: {},
    cpu_stats: renderCpu(sample),
    precpu_stats: renderCpu(before),
    memory_stats: renderMemory(sample?.usage.memory, memoryBytes),
    name: `/${name}`,
    id,
    ...(Object.keys(networks).length === 0 ? {} : { networks }),
    ...(pressure === undefined ? {} : { pressure_stats: pressure }),
  };
}

function renderCpu(sample: Earlier | undefined): CpuStats {
  const cpu = sample?.usage.cpu;
  const throttling = cpu?.throttling;
  return {
    cpu_usage: {
      total_usage: cpu?.total ?? 0,
      ...(cpu?.perCpu === undefined ? {} : { percpu_usage: cpu.perCpu }),
      usage_in_kernelmode: cpu?.kernel ?? 0,
      usage_in_usermode: cpu?.user ?? 0,
    },
    ...(sample === undefined
      ? {}
      : { system_cpu_usage: sample.host.nanoseconds, online_cpus: sample.host.cpus }),
    throttling_data: {
      periods: throttling?.periods ?? 0,
      throttled_periods: throttling?.throttledPeriods ?? 0,
      throttled_time: throttling?.throttledTime ?? 0,
    },
  };
}

const V1_STATS = [
  'cache',
  'rss',
  'rss_huge',
  'mapped_file',
  'dirty',
  'writeback',
  'pgpgin',
  'pgpgout',
  'pgfault',
  'pgmajfault',
  'inactive_anon',
  'active_anon',
  'inactive_file',
  'active_file',
  'unevictable',
];
const V1_KEYS = [
  ...V1_STATS,
  'hierarchical_memory_limit',
  'hierarchical_memsw_limit',
  ...V1_STATS.map((key) => `total_${key}`),
].sort();

const V2_KEYS = [
  'anon',
  'file',
  'kernel_stack',
  'slab',
  'sock',
  'shmem',
  'file_mapped',
  'file_dirty',
  'file_writeback',
  'anon_thp',
  'inactive_anon',
  'active_anon',
  'inactive_file',
  'active_file',
  'unevictable',
  'slab_reclaimable',
  'slab_unreclaimable',
  'pgfault',
  'pgmajfault',
  'workingset_refault',
  'workingset_activate',
  'workingset_nodereclaim',
  'pgrefill',
  'pgscan',
  'pgsteal',
  'pgactivate',
  'pgdeactivate',
  'pglazyfree',
  'pglazyfreed',
  'thp_fault_alloc',
  'thp_collapse_alloc',
].sort();

/** To copy: an object that grows key by key is made over with each of them. */
const zeros = (keys: readonly string[]): Record<string, number> =>
  Object.fromEntries(keys.map((key) => [key, 0]));
const [V1_NONE, V2_NONE] = [zeros(V1_KEYS), zeros(V2_KEYS)];

/** Since Linux 5.9 the kernel counts these by what was evicted; Docker's key means both. */
const SPLIT = ['workingset_refault', 'workingset_activate'];

function renderMemory(memory: Usage['memory'], memoryBytes: number): MemoryStats {
  if (memory === undefined) return {};
  const { stat, usage, maxUsage = 0, failures, events } = memory;
  const limit = Math.min(memory.limit ?? memoryBytes, memoryBytes);
  return {
    ...(usage === 0 ? {} : { usage }),
    ...(maxUsage === 0 ? {} : { max_usage: maxUsage }),
    stats: memory.version === 1 ? statsV1(stat) : statsV2(stat),
    ...(failures === 0 ? {} : { failcnt: failures }),
    ...(limit === 0 ? {} : { limit }),
    ...(Object.keys(events).length === 0 ? {} : { events }),
  };
}

function statsV1(stat: Readonly<Record<string, number>>): Record<string, number> {
  const stats = { ...V1_NONE };
  for (const key of V1_KEYS) stats[key] = integer(stat[key] ?? 0);
  return stats;
}

function statsV2(stat: Readonly<Record<string, number>>): Record<string, number> {
  const stats = { ...V2_NONE };
  for (const key of V2_KEYS) stats[key] = stat[key] ?? 0;
  for (const key of SPLIT) {
    stats[key] ||= (stat[`${key}_anon`] ?? 0) + (stat[`${key}_file`] ?? 0);
  }
  return stats;
}

/** A number above 2^53 with all its digits: Go's decoder takes no exponent and no rounding. */
function integer(value: number): number {
  return Number.isSafeInteger(value) ? value : (rawInteger(BigInt(value)) as number);
}

/** What version 2 calls "max"; Docker shows it only there. */
const UNLIMITED = rawInteger(0xffff_ffff_ffff_ffffn) as number;

function renderPids(usage: Usage | undefined): ContainerStats['pids_stats'] {
  const pids = usage?.pids;
  if (pids === undefined) return {};
  const { current, limit } = pids;
  const none = pids.version === 2 ? { limit: UNLIMITED } : {};
  return {
    ...(current === 0 ? {} : { current }),
    ...(limit === undefined ? none : { limit }),
  };
}

function renderIo(io: Usage['io']): BlkioStats {
  const bytes = io?.bytes ?? null;
  // Version 2 counts operations too, which Docker does not tell.
  const operations: readonly BlkioEntry[] | null = io?.version === 1 ? io.operations : null;
  const rest = io?.version === 1 ? [] : null;
  return {
    io_service_bytes_recursive: io?.version === 2 && bytes?.length === 0 ? null : bytes,
    io_serviced_recursive: operations,
    io_queue_recursive: rest,
    io_service_time_recursive: rest,
    io_wait_time_recursive: rest,
    io_merged_recursive: rest,
    io_time_recursive: rest,
    sectors_recursive: rest,
  };
}

/** In the order of their names, as Go writes a map. */
function renderNetworks(interfaces: Sample['interfaces']): Record<string, NetworkStats> {
  const names = Object.keys(interfaces).sort();
  const networks: Record<string, NetworkStats> = {};
  for (const name of names) {
    const each = interfaces[name];
    if (each === undefined) continue;
    networks[name] = {
      rx_bytes: each.rxBytes,
      rx_packets: each.rxPackets,
      rx_errors: each.rxErrors,
      rx_dropped: each.rxDropped,
      tx_bytes: each.txBytes,
      tx_packets: each.txPackets,
      tx_errors: each.txErrors,
      tx_dropped: each.txDropped,
    };
  }
  return networks;
}
