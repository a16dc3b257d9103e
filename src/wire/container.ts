// Replies of the /containers endpoints, Engine API 1.51.
import type {
  ContainerConfig,
  HostConfig,
  PortMap,
  StringMap,
  Strings,
} from './container-config.ts';
import type { EndpointSettings } from './network.ts';

export type ContainerCreateReply = { readonly Id: string; readonly Warnings: Strings };
export type ContainerUpdateReply = { readonly Warnings: Strings | null };

export type HealthState = {
  readonly Status: string;
  readonly FailingStreak: number;
  readonly Log:
    | readonly {
        readonly Start: string;
        readonly End: string;
        readonly ExitCode: number;
        readonly Output: string;
      }[]
    | null;
};

export type ContainerStatus =
  | 'created'
  | 'running'
  | 'paused'
  | 'restarting'
  | 'removing'
  | 'exited'
  | 'dead';

export type ContainerState = {
  readonly Status: ContainerStatus;
  readonly Running: boolean;
  readonly Paused: boolean;
  readonly Restarting: boolean;
  readonly OOMKilled: boolean;
  readonly Dead: boolean;
  readonly Pid: number;
  readonly ExitCode: number;
  readonly Error: string;
  readonly StartedAt: string;
  readonly FinishedAt: string;
  readonly Health?: HealthState;
};

export type GraphDriver = { readonly Data: StringMap | null; readonly Name: string };

export type MountPoint = {
  readonly Type?: string;
  readonly Name?: string;
  readonly Source: string;
  readonly Destination: string;
  readonly Driver?: string;
  readonly Mode: string;
  readonly RW: boolean;
  readonly Propagation: string;
};

/** The flat address fields are the default bridge's, kept for clients older than networks. */
export type NetworkSettings = {
  readonly Bridge: string;
  readonly SandboxID: string;
  readonly SandboxKey: string;
  readonly Ports: PortMap;
  readonly HairpinMode: boolean;
  readonly LinkLocalIPv6Address: string;
  readonly LinkLocalIPv6PrefixLen: number;
  readonly SecondaryIPAddresses: readonly unknown[] | null;
  readonly SecondaryIPv6Addresses: readonly unknown[] | null;
  readonly EndpointID: string;
  readonly Gateway: string;
  readonly GlobalIPv6Address: string;
  readonly GlobalIPv6PrefixLen: number;
  readonly IPAddress: string;
  readonly IPPrefixLen: number;
  readonly IPv6Gateway: string;
  readonly MacAddress: string;
  readonly Networks: Readonly<Record<string, EndpointSettings>>;
};

export type ContainerInspect = {
  readonly Id: string;
  readonly Created: string;
  readonly Path: string;
  readonly Args: Strings;
  readonly State: ContainerState;
  readonly Image: string;
  readonly ResolvConfPath: string;
  readonly HostnamePath: string;
  readonly HostsPath: string;
  readonly LogPath: string;
  readonly Name: string;
  readonly RestartCount: number;
  readonly Driver: string;
  readonly Platform: string;
  readonly MountLabel: string;
  readonly ProcessLabel: string;
  readonly AppArmorProfile: string;
  readonly ExecIDs: Strings | null;
  readonly HostConfig: HostConfig;
  readonly GraphDriver: GraphDriver;
  /** Only with ?size=1. */
  readonly SizeRw?: number;
  readonly SizeRootFs?: number;
  readonly Mounts: readonly MountPoint[];
  readonly Config: ContainerConfig;
  readonly NetworkSettings: NetworkSettings;
};

export type Port = {
  readonly IP?: string;
  readonly PrivatePort: number;
  readonly PublicPort?: number;
  readonly Type: string;
};

/** One line of `GET /containers/json`. */
export type ContainerSummary = {
  readonly Id: string;
  /** With the slash: ["/web"]. */
  readonly Names: Strings;
  readonly Image: string;
  readonly ImageID: string;
  readonly Command: string;
  /** Seconds since 1970. */
  readonly Created: number;
  readonly Ports: readonly Port[];
  readonly SizeRw?: number;
  readonly SizeRootFs?: number;
  readonly Labels: StringMap;
  readonly State: ContainerStatus;
  /** "Up 5 seconds", "Exited (0) 2 minutes ago", ... */
  readonly Status: string;
  readonly HostConfig: { readonly NetworkMode: string; readonly Annotations?: StringMap };
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, EndpointSettings>> };
  readonly Mounts: readonly MountPoint[];
};

export type ContainerTop = { readonly Titles: Strings; readonly Processes: readonly Strings[] };

export type ContainerWaitReply = {
  readonly StatusCode: number;
  readonly Error?: { readonly Message: string };
};

export type ContainerPruneReply = {
  readonly ContainersDeleted: Strings | null;
  readonly SpaceReclaimed: number;
};

/** Kind 0 = modified, 1 = added, 2 = deleted. */
export type FilesystemChange = { readonly Path: string; readonly Kind: 0 | 1 | 2 };
