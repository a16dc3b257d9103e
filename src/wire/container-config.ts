// What a container was asked to be, in the field names of Docker's Engine API 1.51: Config and
// HostConfig as inspect answers them. The create request is the same with every field optional.
// Nothing here decides anything: api/ parses and renders, cli/ builds and prints.

/** The set of keys is the value: Go writes `map[T]struct{}`. */
export type KeySet = Readonly<Record<string, Readonly<Record<string, never>>>>;
export type StringMap = Readonly<Record<string, string>>;
export type Strings = readonly string[];

export type ContainerConfig = {
  readonly Hostname: string;
  readonly Domainname: string;
  readonly User: string;
  readonly AttachStdin: boolean;
  readonly AttachStdout: boolean;
  readonly AttachStderr: boolean;
  readonly ExposedPorts?: KeySet;
  readonly Tty: boolean;
  readonly OpenStdin: boolean;
  readonly StdinOnce: boolean;
  readonly Env: Strings | null;
  readonly Cmd: Strings | null;
  readonly Healthcheck?: HealthConfig;
  readonly ArgsEscaped?: boolean;
  readonly Image: string;
  readonly Volumes: KeySet | null;
  readonly WorkingDir: string;
  readonly Entrypoint: Strings | null;
  readonly NetworkDisabled?: boolean;
  /** Moved to the endpoint in 1.44; still accepted. */
  readonly MacAddress?: string;
  readonly OnBuild: Strings | null;
  readonly Labels: StringMap | null;
  readonly StopSignal?: string;
  /** Seconds. */
  readonly StopTimeout?: number;
  readonly Shell?: Strings;
};

/** Durations in nanoseconds. */
export type HealthConfig = {
  readonly Test?: Strings;
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
};

export type DeviceMapping = {
  readonly PathOnHost: string;
  readonly PathInContainer: string;
  readonly CgroupPermissions: string;
};

export type DeviceRequest = {
  readonly Driver: string;
  readonly Count: number;
  readonly DeviceIDs: Strings | null;
  readonly Capabilities: readonly Strings[] | null;
  readonly Options: StringMap | null;
};

export type Ulimit = { readonly Name: string; readonly Hard: number; readonly Soft: number };
export type WeightDevice = { readonly Path: string; readonly Weight: number };
export type ThrottleDevice = { readonly Path: string; readonly Rate: number };

export type Resources = {
  readonly CpuShares: number;
  readonly Memory: number;
  readonly NanoCpus: number;
  readonly CgroupParent: string;
  readonly BlkioWeight: number;
  readonly BlkioWeightDevice: readonly WeightDevice[] | null;
  readonly BlkioDeviceReadBps: readonly ThrottleDevice[] | null;
  readonly BlkioDeviceWriteBps: readonly ThrottleDevice[] | null;
  readonly BlkioDeviceReadIOps: readonly ThrottleDevice[] | null;
  readonly BlkioDeviceWriteIOps: readonly ThrottleDevice[] | null;
  readonly CpuPeriod: number;
  readonly CpuQuota: number;
  readonly CpuRealtimePeriod: number;
  readonly CpuRealtimeRuntime: number;
  readonly CpusetCpus: string;
  readonly CpusetMems: string;
  readonly Devices: readonly DeviceMapping[] | null;
  readonly DeviceCgroupRules: Strings | null;
  readonly DeviceRequests: readonly DeviceRequest[] | null;
  readonly KernelMemory?: number;
  readonly KernelMemoryTCP?: number;
  readonly MemoryReservation: number;
  readonly MemorySwap: number;
  readonly MemorySwappiness: number | null;
  readonly OomKillDisable: boolean | null;
  readonly PidsLimit: number | null;
  readonly Ulimits: readonly Ulimit[] | null;
  readonly CpuCount: number;
  readonly CpuPercent: number;
  readonly IOMaximumIOps: number;
  readonly IOMaximumBandwidth: number;
} & OwnResources;

/** Ours; each is left out where it is not set, as Docker has no such field. */
export type OwnResources = {
  /** Microseconds. */
  readonly CpuBurst?: number;
  readonly CpuIdle?: boolean;
  /** Percent. */
  readonly CpuUclampMin?: number;
  readonly CpuUclampMax?: number;
  readonly CpusetPartition?: string;
  readonly MemoryHigh?: number;
  readonly MemoryMin?: number;
  readonly MemorySwapHigh?: number;
  readonly MemoryOomGroup?: boolean;
  /** 0xMAJORMINOR, as tc(8) counts. */
  readonly NetClassId?: number;
  readonly NetPrio?: Readonly<Record<string, number>>;
  readonly HugetlbLimits?: readonly { readonly PageSize: string; readonly Limit: number }[];
  readonly RdmaLimits?: Readonly<
    Record<string, { readonly HcaHandle?: number; readonly HcaObject?: number }>
  >;
  readonly MiscLimits?: Readonly<Record<string, number>>;
};

export type PortBinding = { readonly HostIp: string; readonly HostPort: string };
/** Keys are "80/tcp". null = exposed but not published. */
export type PortMap = Readonly<Record<string, readonly PortBinding[] | null>>;

export type RestartPolicy = { readonly Name: string; readonly MaximumRetryCount: number };
export type LogConfig = { readonly Type: string; readonly Config: StringMap | null };

/** `--mount`. */
export type Mount = {
  readonly Type: string;
  readonly Source?: string;
  readonly Target: string;
  readonly ReadOnly?: boolean;
  readonly Consistency?: string;
  readonly BindOptions?: {
    readonly Propagation?: string;
    readonly NonRecursive?: boolean;
    readonly CreateMountpoint?: boolean;
    readonly ReadOnlyNonRecursive?: boolean;
    readonly ReadOnlyForceRecursive?: boolean;
    /** Ours: owners shifted by the container's user namespace. */
    readonly Idmap?: boolean;
  };
  readonly VolumeOptions?: {
    readonly NoCopy?: boolean;
    readonly Labels?: StringMap;
    readonly Subpath?: string;
    readonly DriverConfig?: { readonly Name?: string; readonly Options?: StringMap };
  };
  readonly ImageOptions?: { readonly Subpath?: string };
  readonly TmpfsOptions?: {
    readonly SizeBytes?: number;
    readonly Mode?: number;
    readonly Options?: readonly Strings[];
  };
};

export type HostConfig = Resources & {
  readonly Binds: Strings | null;
  readonly ContainerIDFile: string;
  readonly LogConfig: LogConfig;
  readonly NetworkMode: string;
  readonly PortBindings: PortMap | null;
  readonly RestartPolicy: RestartPolicy;
  readonly AutoRemove: boolean;
  readonly VolumeDriver: string;
  readonly VolumesFrom: Strings | null;
  /** Height, width. */
  readonly ConsoleSize: readonly [number, number];
  readonly Annotations?: StringMap;
  readonly CapAdd: Strings | null;
  readonly CapDrop: Strings | null;
  readonly CgroupnsMode: string;
  readonly Dns: Strings | null;
  readonly DnsOptions: Strings | null;
  readonly DnsSearch: Strings | null;
  readonly ExtraHosts: Strings | null;
  readonly GroupAdd: Strings | null;
  readonly IpcMode: string;
  readonly Cgroup: string;
  readonly Links: Strings | null;
  readonly OomScoreAdj: number;
  readonly PidMode: string;
  readonly Privileged: boolean;
  readonly PublishAllPorts: boolean;
  readonly ReadonlyRootfs: boolean;
  readonly SecurityOpt: Strings | null;
  readonly StorageOpt?: StringMap;
  readonly Tmpfs?: StringMap;
  readonly UTSMode: string;
  readonly UsernsMode: string;
  /** Ours: "private" or "host"; left out when empty, as Docker has no such field. */
  readonly TimensMode?: string;
  /** Ours. */
  readonly Slice?: string;
  readonly ShmSize: number;
  readonly Sysctls?: StringMap;
  readonly Runtime?: string;
  readonly Isolation: string;
  readonly Mounts?: readonly Mount[];
  readonly MaskedPaths: Strings | null;
  readonly ReadonlyPaths: Strings | null;
  readonly Init?: boolean;
  /** Ours; left out when there is no limit. */
  readonly NetRate?: NetRate;
};

/** Bandwidth of one direction. */
export type NetLimit = { readonly BitsPerSecond: number; readonly BurstBytes?: number };

/** In an update a direction that is absent stays as it is, and null takes its limit away. */
export type NetRate = { readonly In?: NetLimit | null; readonly Out?: NetLimit | null };

/** One network of NetworkingConfig.EndpointsConfig. */
export type EndpointConfig = {
  readonly IPAMConfig?: {
    readonly IPv4Address?: string;
    readonly IPv6Address?: string;
    readonly LinkLocalIPs?: Strings;
  } | null;
  readonly Links?: Strings | null;
  readonly Aliases?: Strings | null;
  readonly MacAddress?: string;
  readonly DriverOpts?: StringMap | null;
  readonly GwPriority?: number;
};

/** Every field may be missing or null; both mean "default". */
export type Wish<T> = { readonly [K in keyof T]?: T[K] | null };

/** Body of `POST /containers/create`; the name and platform go in the query. */
export type ContainerCreateBody = Wish<ContainerConfig> & {
  readonly HostConfig?: Wish<HostConfig> | null;
  readonly NetworkingConfig?: {
    readonly EndpointsConfig?: Readonly<Record<string, EndpointConfig | null>> | null;
  } | null;
};

/** Body of `POST /containers/{id}/update`. */
export type ContainerUpdateBody = Wish<Resources> & {
  readonly RestartPolicy?: RestartPolicy | null;
  readonly NetRate?: NetRate | null;
  /** Ours: names of fields above whose limit is taken away. */
  readonly Unset?: Strings | null;
  /** Ours: bytes to take from the container's memory now. */
  readonly MemoryReclaim?: number;
  /** size: of the root, only up. */
  readonly StorageOpt?: StringMap;
};
