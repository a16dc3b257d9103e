// The limits of a container as the user wished them: Docker's Resources, and ours beside them.
// Names follow the fields of HostConfig; 0, '' and empty lists mean "no limit".

export type Resources = {
  readonly cpuShares: number;
  readonly memory: number;
  readonly nanoCpus: number;
  readonly cgroupParent: string;
  readonly blkioWeight: number;
  readonly blkioWeightDevice: readonly WeightDevice[];
  readonly blkioDeviceReadBps: readonly RateDevice[];
  readonly blkioDeviceWriteBps: readonly RateDevice[];
  readonly blkioDeviceReadIops: readonly RateDevice[];
  readonly blkioDeviceWriteIops: readonly RateDevice[];
  readonly cpuPeriod: number;
  readonly cpuQuota: number;
  readonly cpuRealtimePeriod: number;
  readonly cpuRealtimeRuntime: number;
  readonly cpusetCpus: string;
  readonly cpusetMems: string;
  readonly devices: readonly {
    readonly pathOnHost: string;
    readonly pathInContainer: string;
    readonly cgroupPermissions: string;
  }[];
  readonly deviceCgroupRules: readonly string[];
  readonly memoryReservation: number;
  readonly memorySwap: number;
  readonly memorySwappiness: number | undefined;
  readonly oomKillDisable: boolean | undefined;
  readonly pidsLimit: number | undefined;
  readonly ulimits: readonly {
    readonly name: string;
    readonly soft: number;
    readonly hard: number;
  }[];
  /** Fields that are checked and shown, but have nothing to be applied to: DeviceRequests. */
  readonly other: Readonly<Record<string, unknown>>;
} & OwnLimits;

/** What Docker has no field for. */
export type OwnLimits = {
  readonly cpuBurst: number;
  readonly cpuIdle: boolean;
  readonly cpuUclampMin: number;
  readonly cpuUclampMax: number;
  readonly cpusetPartition: 'member' | 'root' | 'isolated' | undefined;
  readonly memoryHigh: number;
  readonly memoryMin: number;
  readonly memorySwapHigh: number;
  readonly memoryOomGroup: boolean;
  readonly netClassId: number;
  readonly netPrio: Readonly<Record<string, number>>;
  readonly hugetlbLimits: Readonly<Record<string, number>>;
  readonly rdmaLimits: Readonly<
    Record<string, { readonly hcaHandle?: number; readonly hcaObject?: number }>
  >;
  readonly miscLimits: Readonly<Record<string, number>>;
};

export type WeightDevice = { readonly path: string; readonly weight: number };
export type RateDevice = { readonly path: string; readonly rate: number };

export const NO_LIMITS: Resources = {
  cpuShares: 0,
  memory: 0,
  nanoCpus: 0,
  cgroupParent: '',
  blkioWeight: 0,
  blkioWeightDevice: [],
  blkioDeviceReadBps: [],
  blkioDeviceWriteBps: [],
  blkioDeviceReadIops: [],
  blkioDeviceWriteIops: [],
  cpuPeriod: 0,
  cpuQuota: 0,
  cpuRealtimePeriod: 0,
  cpuRealtimeRuntime: 0,
  cpusetCpus: '',
  cpusetMems: '',
  devices: [],
  deviceCgroupRules: [],
  memoryReservation: 0,
  memorySwap: 0,
  memorySwappiness: undefined,
  oomKillDisable: undefined,
  pidsLimit: undefined,
  ulimits: [],
  other: {},
  cpuBurst: 0,
  cpuIdle: false,
  cpuUclampMin: 0,
  cpuUclampMax: 0,
  cpusetPartition: undefined,
  memoryHigh: 0,
  memoryMin: 0,
  memorySwapHigh: 0,
  memoryOomGroup: false,
  netClassId: 0,
  netPrio: {},
  hugetlbLimits: {},
  rdmaLimits: {},
  miscLimits: {},
};
