// The OCI runtime specification (config.md, config-linux.md), version 1.2: the parts that we write
// and read. It is the waist of the runtime: spec.ts makes one for every container, plan.ts compiles
// it for our own init, and runc/ hands the same text to an external OCI runtime.
import type { LinuxSeccomp } from '#kernel/seccomp/profile.ts';

export const OCI_VERSION = '1.2.0';

export type OciSpec = {
  readonly ociVersion: string;
  readonly process: OciProcess;
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly hostname?: string;
  readonly domainname?: string;
  readonly mounts: readonly OciMount[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly linux: OciLinux;
};

export type OciProcess = {
  readonly terminal: boolean;
  readonly consoleSize?: { readonly height: number; readonly width: number };
  readonly user: OciUser;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly capabilities: OciCapabilities;
  readonly rlimits: readonly OciRlimit[];
  readonly noNewPrivileges: boolean;
  readonly oomScoreAdj: number;
};

export type OciUser = {
  readonly uid: number;
  readonly gid: number;
  readonly umask?: number;
  readonly additionalGids?: readonly number[];
};

export type OciRlimit = { readonly type: string; readonly soft: number; readonly hard: number };

/** Names with the CAP_ prefix. */
export type OciCapabilities = {
  readonly bounding: readonly string[];
  readonly effective: readonly string[];
  readonly permitted: readonly string[];
  readonly inheritable: readonly string[];
  readonly ambient: readonly string[];
};

export type OciMount = {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
};

export type OciLinux = {
  readonly namespaces: readonly OciNamespace[];
  readonly uidMappings?: readonly OciIdMapping[];
  readonly gidMappings?: readonly OciIdMapping[];
  readonly devices: readonly OciDevice[];
  readonly cgroupsPath: string;
  readonly resources: OciResources;
  readonly rootfsPropagation?: 'private' | 'slave' | 'rslave' | 'shared' | 'rshared';
  readonly seccomp?: OciSeccomp;
  readonly sysctl: Readonly<Record<string, string>>;
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
};

export const OCI_NAMESPACES = [
  'mount',
  'pid',
  'network',
  'ipc',
  'uts',
  'cgroup',
  'user',
  'time',
] as const;
export type OciNamespaceType = (typeof OCI_NAMESPACES)[number];
/** Without a path the namespace is made; a type that is not listed is the host's. */
export type OciNamespace = { readonly type: OciNamespaceType; readonly path?: string };

export type OciIdMapping = {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
};

export type OciDevice = {
  readonly path: string;
  readonly type: 'c' | 'b';
  readonly major: number;
  readonly minor: number;
  readonly fileMode: number;
  readonly uid: number;
  readonly gid: number;
};

export type OciDeviceRule = {
  readonly allow: boolean;
  readonly type?: 'a' | 'b' | 'c';
  readonly major?: number;
  readonly minor?: number;
  readonly access: string;
};

export type OciResources = {
  readonly devices: readonly OciDeviceRule[];
  readonly memory?: {
    readonly limit?: number;
    readonly reservation?: number;
    readonly swap?: number;
    readonly swappiness?: number;
    readonly disableOOMKiller?: boolean;
  };
  readonly cpu?: {
    readonly shares?: number;
    readonly quota?: number;
    readonly period?: number;
    readonly burst?: number;
    readonly idle?: number;
    readonly realtimeRuntime?: number;
    readonly realtimePeriod?: number;
    readonly cpus?: string;
    readonly mems?: string;
  };
  readonly pids?: { readonly limit: number };
  readonly blockIO?: OciBlockIo;
  readonly network?: {
    readonly classID?: number;
    readonly priorities?: readonly { readonly name: string; readonly priority: number }[];
  };
  readonly hugepageLimits?: readonly { readonly pageSize: string; readonly limit: number }[];
  readonly rdma?: Readonly<
    Record<string, { readonly hcaHandles?: number; readonly hcaObjects?: number }>
  >;
  /** Files of cgroup2 that the specification has no words for. */
  readonly unified?: Readonly<Record<string, string>>;
};

type OciDisk = { readonly major: number; readonly minor: number };
type OciRate = OciDisk & { readonly rate: number };
export type OciBlockIo = {
  readonly weight?: number;
  readonly weightDevice?: readonly (OciDisk & { readonly weight: number })[];
  readonly throttleReadBpsDevice?: readonly OciRate[];
  readonly throttleWriteBpsDevice?: readonly OciRate[];
  readonly throttleReadIOPSDevice?: readonly OciRate[];
  readonly throttleWriteIOPSDevice?: readonly OciRate[];
};

/** config-linux.md, "Seccomp". */
export type OciSeccomp = LinuxSeccomp;
