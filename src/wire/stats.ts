// GET /containers/{id}/stats. What is "not there" in Go is left out of the text (omitempty), so
// most fields are optional. Counters are numbers; limits may be larger than a number holds.

export type BlkioEntry = {
  readonly major: number;
  readonly minor: number;
  readonly op: string;
  readonly value: number;
};

/** Docker's names; null where nothing is counted, as for a container that does not run. */
export type BlkioStats = {
  readonly io_service_bytes_recursive: readonly BlkioEntry[] | null;
  readonly io_serviced_recursive: readonly BlkioEntry[] | null;
  readonly io_queue_recursive: readonly BlkioEntry[] | null;
  readonly io_service_time_recursive: readonly BlkioEntry[] | null;
  readonly io_wait_time_recursive: readonly BlkioEntry[] | null;
  readonly io_merged_recursive: readonly BlkioEntry[] | null;
  readonly io_time_recursive: readonly BlkioEntry[] | null;
  readonly sectors_recursive: readonly BlkioEntry[] | null;
};

export type CpuStats = {
  readonly cpu_usage: {
    readonly total_usage: number;
    readonly percpu_usage?: readonly number[];
    readonly usage_in_kernelmode: number;
    readonly usage_in_usermode: number;
  };
  readonly system_cpu_usage?: number;
  readonly online_cpus?: number;
  readonly throttling_data: {
    readonly periods: number;
    readonly throttled_periods: number;
    readonly throttled_time: number;
  };
};

export type MemoryStats = {
  readonly usage?: number;
  readonly max_usage?: number;
  readonly stats?: Readonly<Record<string, number>>;
  readonly failcnt?: number;
  readonly limit?: number;
  /** Ours: memory.events (v2), or what memory.oom_control counts (v1). */
  readonly events?: Readonly<Record<string, number>>;
};

export type NetworkStats = {
  readonly rx_bytes: number;
  readonly rx_packets: number;
  readonly rx_errors: number;
  readonly rx_dropped: number;
  readonly tx_bytes: number;
  readonly tx_packets: number;
  readonly tx_errors: number;
  readonly tx_dropped: number;
};

/** Shares in per cent, `total` in microseconds: the kernel's own words (psi.rst). */
export type StallStats = {
  readonly avg10: number;
  readonly avg60: number;
  readonly avg300: number;
  readonly total: number;
};
export type PressureStats = { readonly some?: StallStats; readonly full?: StallStats };

export type ContainerStats = {
  readonly read: string;
  readonly preread: string;
  readonly pids_stats: { readonly current?: number; readonly limit?: number };
  readonly blkio_stats: BlkioStats;
  readonly num_procs: number;
  readonly storage_stats: Readonly<Record<string, never>>;
  readonly cpu_stats: CpuStats;
  readonly precpu_stats: CpuStats;
  readonly memory_stats: MemoryStats;
  /** With the slash before it. */
  readonly name: string;
  readonly id: string;
  readonly networks?: Readonly<Record<string, NetworkStats>>;
  /** Ours, where the kernel measures pressure for cgroups. */
  readonly pressure_stats?: Readonly<Partial<Record<'cpu' | 'memory' | 'io', PressureStats>>>;
};
