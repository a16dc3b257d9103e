// /version, /info, /system/df, and the error body of every endpoint.
import type { BuildCacheRecord } from './build.ts';
import type { ContainerSummary } from './container.ts';
import type { StringMap, Strings } from './container-config.ts';
import type { ImageSummary } from './image.ts';
import type { Volume } from './volume.ts';

export type ErrorReply = { readonly message: string };

export type Version = {
  readonly Platform: { readonly Name: string };
  readonly Components: readonly {
    readonly Name: string;
    readonly Version: string;
    readonly Details?: StringMap;
  }[];
  readonly Version: string;
  readonly ApiVersion: string;
  readonly MinAPIVersion: string;
  readonly GitCommit: string;
  readonly GoVersion: string;
  readonly Os: string;
  readonly Arch: string;
  readonly KernelVersion: string;
  readonly Experimental?: boolean;
  readonly BuildTime: string;
};

export type RuntimeInfo = {
  readonly path?: string;
  readonly runtimeArgs?: Strings;
  readonly status?: StringMap;
};

/** How one registry is reached. */
export type RegistryIndex = {
  readonly Name: string;
  readonly Mirrors: Strings;
  readonly Secure: boolean;
  readonly Official: boolean;
};

export type Commit = { readonly ID: string };

export type Info = {
  readonly ID: string;
  readonly Containers: number;
  readonly ContainersRunning: number;
  readonly ContainersPaused: number;
  readonly ContainersStopped: number;
  readonly Images: number;
  readonly Driver: string;
  readonly DriverStatus: readonly (readonly [string, string])[];
  readonly Plugins: {
    readonly Volume: Strings;
    readonly Network: Strings;
    readonly Authorization: Strings | null;
    readonly Log: Strings;
  };
  readonly MemoryLimit: boolean;
  readonly SwapLimit: boolean;
  readonly CpuCfsPeriod: boolean;
  readonly CpuCfsQuota: boolean;
  readonly CPUShares: boolean;
  readonly CPUSet: boolean;
  readonly PidsLimit: boolean;
  readonly IPv4Forwarding: boolean;
  readonly Debug: boolean;
  readonly NFd: number;
  readonly OomKillDisable: boolean;
  readonly NGoroutines: number;
  readonly SystemTime: string;
  readonly LoggingDriver: string;
  readonly CgroupDriver: string;
  readonly CgroupVersion: string;
  readonly NEventsListener: number;
  readonly KernelVersion: string;
  readonly OperatingSystem: string;
  readonly OSVersion: string;
  readonly OSType: string;
  readonly Architecture: string;
  readonly IndexServerAddress: string;
  readonly RegistryConfig: {
    readonly IndexConfigs: Readonly<Record<string, RegistryIndex>>;
    readonly InsecureRegistryCIDRs: Strings;
    readonly Mirrors: Strings;
    /** Below 1.49 only; nothing of that kind is pushed. */
    readonly AllowNondistributableArtifactsCIDRs?: Strings;
    readonly AllowNondistributableArtifactsHostnames?: Strings;
  };
  readonly NCPU: number;
  readonly MemTotal: number;
  readonly GenericResources: null;
  readonly DockerRootDir: string;
  readonly HttpProxy: string;
  readonly HttpsProxy: string;
  readonly NoProxy: string;
  readonly Name: string;
  readonly Labels: Strings;
  readonly ExperimentalBuild: boolean;
  readonly ServerVersion: string;
  readonly Runtimes: Readonly<Record<string, RuntimeInfo>>;
  readonly DefaultRuntime: string;
  readonly Swarm: {
    readonly NodeID: string;
    readonly NodeAddr: string;
    readonly LocalNodeState: string;
    readonly ControlAvailable: boolean;
    readonly Error: string;
    readonly RemoteManagers: null;
  };
  readonly LiveRestoreEnabled: boolean;
  readonly Isolation: string;
  readonly InitBinary: string;
  readonly ContainerdCommit: Commit;
  readonly RuncCommit: Commit;
  readonly InitCommit: Commit;
  readonly SecurityOptions: Strings;
  /** Since 1.49. */
  readonly FirewallBackend?: { readonly Driver: string };
  /** Until 1.49. */
  readonly BridgeNfIptables?: boolean;
  readonly BridgeNfIp6tables?: boolean;
  readonly CDISpecDirs: Strings;
  readonly Warnings: Strings;
};

export type DiskUsage = {
  readonly LayersSize: number;
  /** Ours: bytes of pulls that failed, which the next one goes on with and a prune removes. */
  readonly BrokenOffDownloads?: number;
  readonly Images: readonly ImageSummary[];
  readonly Containers: readonly ContainerSummary[];
  readonly Volumes: readonly Volume[];
  readonly BuildCache: readonly BuildCacheRecord[];
};
