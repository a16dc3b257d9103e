// What the server asks of the host's cgroups; daemon/ reads them.

export type CgroupGauge = {
  readonly name: string;
  readonly unit: 'bytes' | 'count' | 'seconds' | 'cpus' | 'text';
  readonly used: number | string | null;
  readonly limit: number | null;
};

export type CgroupNode = {
  readonly name: string;
  /** Below the root of the hierarchy. */
  readonly path: string;
  readonly gauges: readonly CgroupGauge[];
  readonly processes: readonly { readonly pid: number; readonly name: string }[];
  readonly children: readonly CgroupNode[];
};

export type CgroupHierarchy = {
  readonly version: 1 | 2;
  /** Empty: cgroup2 without a controller, which only groups. */
  readonly controllers: readonly string[];
  readonly mountpoint: string;
  /** Ours and what is below it; undefined while nobody has needed it. */
  readonly root: CgroupNode | undefined;
};

export type CgroupSubsystem = {
  readonly name: string;
  readonly what: string;
  readonly version: 1 | 2 | undefined;
  readonly mountpoint: string | undefined;
  readonly mounted: boolean;
  readonly cgroups: number | undefined;
  readonly options: readonly {
    readonly option: string;
    readonly files: readonly string[];
    readonly missing: string | undefined;
  }[];
};

export interface CgroupPort {
  tree(): Promise<readonly CgroupHierarchy[]>;
  subsystems(): readonly CgroupSubsystem[];
}
