// What a user asked a container to be: parsed once by api/ from Docker's JSON (0, null and ""
// already mean "default" there), stored in the record, shown again by inspect. Names follow
// Docker's fields.
import type { EndpointWish, NetworkRate } from '#network/engine.ts';
import type { Resources } from './resources.ts';

export type { Resources } from './resources.ts';

export type ContainerSpec = {
  readonly name: string | undefined;
  readonly config: ContainerConfig;
  readonly host: HostConfig;
  /** By name of the network, or by what the user called it while there is none; {} = no network. */
  readonly networking: Readonly<Record<string, EndpointWish>>;
  readonly platform: string | undefined;
};

export type ContainerConfig = {
  readonly hostname: string;
  readonly domainname: string;
  readonly user: string;
  readonly attachStdin: boolean;
  readonly attachStdout: boolean;
  readonly attachStderr: boolean;
  readonly exposedPorts: readonly string[];
  readonly tty: boolean;
  readonly openStdin: boolean;
  readonly stdinOnce: boolean;
  readonly env: readonly string[];
  /** undefined = the image's; [] given with an entrypoint = none. */
  readonly cmd: readonly string[] | undefined;
  readonly healthcheck: Healthcheck | undefined;
  readonly image: string;
  readonly volumes: readonly string[];
  readonly workingDir: string;
  readonly entrypoint: readonly string[] | undefined;
  readonly networkDisabled: boolean;
  readonly onBuild: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly stopSignal: string | undefined;
  readonly stopTimeout: number | undefined;
  readonly shell: readonly string[] | undefined;
};

/** Durations in nanoseconds, as Docker's. */
export type Healthcheck = {
  readonly test: readonly string[];
  readonly interval: number;
  readonly timeout: number;
  readonly retries: number;
  readonly startPeriod: number;
  readonly startInterval: number;
};

export type RestartPolicy = {
  readonly name: 'no' | 'always' | 'unless-stopped' | 'on-failure';
  readonly maximumRetryCount: number;
};

export type HostConfig = Resources & {
  readonly binds: readonly string[];
  readonly mounts: readonly MountSpec[];
  readonly tmpfs: Readonly<Record<string, string>>;
  readonly volumesFrom: readonly string[];
  readonly volumeDriver: string;
  readonly containerIdFile: string;
  readonly logConfig: { readonly type: string; readonly config: Readonly<Record<string, string>> };
  /** "none", "host", "bridge", "container:ID", or a network's name. */
  readonly networkMode: string;
  /** Ours: `--net-rate`. */
  readonly netRate: NetworkRate | undefined;
  readonly portBindings: Readonly<
    Record<string, readonly { readonly hostIp: string; readonly hostPort: string }[]>
  >;
  readonly publishAllPorts: boolean;
  readonly restartPolicy: RestartPolicy;
  readonly autoRemove: boolean;
  readonly consoleSize: readonly [height: number, width: number];
  readonly annotations: Readonly<Record<string, string>>;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  /** "", "private", "host". */
  readonly cgroupnsMode: string;
  readonly dns: readonly string[];
  readonly dnsOptions: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly extraHosts: readonly string[];
  readonly groupAdd: readonly string[];
  /** "", "private", "shareable", "host", "none", "container:ID". */
  readonly ipcMode: string;
  readonly cgroup: string;
  readonly links: readonly string[];
  readonly oomScoreAdj: number;
  /** "", "host", "container:ID". */
  readonly pidMode: string;
  readonly privileged: boolean;
  readonly readonlyRootfs: boolean;
  readonly securityOpt: readonly string[];
  readonly storageOpt: Readonly<Record<string, string>>;
  /** "", "host". */
  readonly utsMode: string;
  /** "", "host", and ours: "auto", "map:OUTSIDE:COUNT". */
  readonly usernsMode: string;
  /** Ours: "", "private", "host". */
  readonly timensMode: string;
  /** Ours: the path of the slice that it is in; "" = none. */
  readonly slice: string;
  readonly shmSize: number | undefined;
  readonly sysctls: Readonly<Record<string, string>>;
  readonly runtime: string;
  readonly init: boolean | undefined;
  /** undefined = the default list; [] = none. */
  readonly maskedPaths: readonly string[] | undefined;
  readonly readonlyPaths: readonly string[] | undefined;
};

export type MountSpec = {
  readonly type: 'bind' | 'volume' | 'tmpfs' | 'image' | 'npipe' | 'cluster';
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
  readonly consistency: string;
  readonly bindOptions:
    | {
        readonly propagation: string;
        readonly nonRecursive: boolean;
        readonly createMountpoint: boolean;
        readonly readOnlyNonRecursive: boolean;
        readonly readOnlyForceRecursive: boolean;
        /** Ours. */
        readonly idmap?: boolean;
      }
    | undefined;
  readonly volumeOptions:
    | {
        readonly noCopy: boolean;
        readonly labels: Readonly<Record<string, string>>;
        readonly driver: string;
        readonly driverOptions: Readonly<Record<string, string>>;
        readonly subpath: string;
      }
    | undefined;
  readonly tmpfsOptions:
    | {
        readonly sizeBytes: number;
        readonly mode: number;
        readonly options: readonly (readonly string[])[];
      }
    | undefined;
  readonly imageOptions: { readonly subpath: string } | undefined;
};
