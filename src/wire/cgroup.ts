// Ours: GET /coracle/cgroups/tree and /coracle/cgroups/subsystems.

export type CgroupGauge = {
  readonly Name: string;
  readonly Unit: 'bytes' | 'count' | 'seconds' | 'cpus' | 'text';
  readonly Used: number | string | null;
  readonly Limit: number | null;
};

export type CgroupNode = {
  readonly Name: string;
  readonly Path: string;
  /** The container whose cgroup it is. */
  readonly Container: { readonly Id: string; readonly Name: string } | null;
  readonly Usage: readonly CgroupGauge[];
  readonly Processes: readonly { readonly Pid: number; readonly Name: string }[];
  readonly Children: readonly CgroupNode[];
};

export type CgroupTree = {
  readonly Hierarchies: readonly {
    readonly Version: 1 | 2;
    readonly Controllers: readonly string[];
    readonly Mountpoint: string;
    readonly Cgroup: CgroupNode | null;
  }[];
};

export type CgroupSubsystem = {
  readonly Name: string;
  readonly What: string;
  readonly Version: 1 | 2 | null;
  readonly Mountpoint: string | null;
  readonly Mounted: boolean;
  readonly Cgroups: number | null;
  readonly Options: readonly {
    readonly Option: string;
    readonly Files: readonly string[];
    readonly Missing: string | null;
  }[];
};

export type CgroupSubsystems = { readonly Subsystems: readonly CgroupSubsystem[] };
