// What a container uses as `stats` shows it. Titles, texts and formulas are docker's.
import { formatBinarySize, formatSize } from '#base/bytes.ts';
import type { ContainerStats } from '#wire/stats.ts';
import type { Listing, Row } from './list.ts';

export const STATS: Listing = {
  headers: {
    Container: 'CONTAINER',
    ID: 'CONTAINER ID',
    Name: 'NAME',
    CPUPerc: 'CPU %',
    MemUsage: 'MEM USAGE / LIMIT',
    MemPerc: 'MEM %',
    NetIO: 'NET I/O',
    BlockIO: 'BLOCK I/O',
    PIDs: 'PIDS',
    CPUHistory: 'CPU',
    MemHistory: 'MEM',
  },
  table:
    '{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}',
  quiet: '{{.ID}}',
};

/** On a terminal that is wide enough. */
export const STATS_WITH_HISTORY: Listing = {
  ...STATS,
  table: `${STATS.table}\t{{.CPUHistory}}\t{{.MemHistory}}`,
};

const ID_WIDTH = 12;

export type Shares = { readonly cpu: number; readonly memory: number };

/** `container`: as it was asked for; without stats nothing is known. */
export function statsRow(
  container: string,
  stats: ContainerStats | undefined,
  noTrunc: boolean,
): Row {
  if (stats === undefined) return { ...UNKNOWN, Container: container, Name: '--', ID: '--' };
  const { id, name, pids_stats: pids } = stats;
  const { cpu, memory } = sharesOf(stats);
  const [received, sent] = networkBytes(stats);
  const [read, written] = blockBytes(stats);
  const used = formatBinarySize(memoryUsed(stats));
  return {
    Container: container,
    ID: noTrunc ? id : id.slice(0, ID_WIDTH),
    Name: name.replace(/^\//, ''),
    CPUPerc: `${cpu.toFixed(2)}%`,
    MemUsage: `${used} / ${formatBinarySize(stats.memory_stats.limit ?? 0)}`,
    MemPerc: `${memory.toFixed(2)}%`,
    NetIO: `${formatSize(received)} / ${formatSize(sent)}`,
    BlockIO: `${formatSize(read)} / ${formatSize(written)}`,
    PIDs: String(pids.current ?? 0),
  };
}

const UNKNOWN = {
  CPUPerc: '--',
  MemUsage: '-- / --',
  MemPerc: '--',
  NetIO: '--',
  BlockIO: '--',
  PIDs: '--',
};

/** In per cent: of one CPU, so more than 100 with several; of the limit. */
export function sharesOf(stats: ContainerStats): Shares {
  const { cpu_stats: cpu, precpu_stats: before } = stats;
  const spent = cpu.cpu_usage.total_usage - before.cpu_usage.total_usage;
  const passed = (cpu.system_cpu_usage ?? 0) - (before.system_cpu_usage ?? 0);
  const cpus = cpu.online_cpus || (cpu.cpu_usage.percpu_usage?.length ?? 0);
  const limit = stats.memory_stats.limit ?? 0;
  return {
    cpu: spent > 0 && passed > 0 ? (spent / passed) * cpus * 100 : 0,
    memory: limit === 0 ? 0 : (memoryUsed(stats) / limit) * 100,
  };
}

/** Without what the kernel would give back at once: file pages that nobody used lately. */
function memoryUsed({ memory_stats: memory }: ContainerStats): number {
  const { usage = 0, stats = {} } = memory;
  const idle = stats['total_inactive_file'] ?? stats['inactive_file'] ?? 0;
  return idle < usage ? usage - idle : usage;
}

function networkBytes({ networks = {} }: ContainerStats): readonly [number, number] {
  const all = Object.values(networks);
  const sum = (key: 'rx_bytes' | 'tx_bytes'): number =>
    all.reduce((total, each) => total + each[key], 0);
  return [sum('rx_bytes'), sum('tx_bytes')];
}

function blockBytes({ blkio_stats: io }: ContainerStats): readonly [number, number] {
  const entries = io.io_service_bytes_recursive ?? [];
  const sum = (op: string): number =>
    entries
      .filter((entry) => entry.op.toLowerCase() === op)
      .reduce((total, { value }) => total + value, 0);
  return [sum('read'), sum('write')];
}

const BARS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;

/** The newest at the right; `top` is the full height. */
export function sparkline(values: readonly number[], top: number, width: number): string {
  const bars = values.slice(-width).map((value) => {
    const share = Math.min(Math.max(value / top, 0), 1);
    return BARS[Math.round(share * (BARS.length - 1))] ?? '';
  });
  return bars.join('').padStart(width);
}
