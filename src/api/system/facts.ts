// What /info and /version tell and cannot ask another part for: collected once by daemon/.
import type { Info, RuntimeInfo } from '#wire/system.ts';

export type SystemFacts = {
  readonly version: string;
  readonly gitCommit: string;
  /** RFC 3339. */
  readonly buildTime: string;
  /** Stable over restarts of the daemon. */
  readonly id: string;
  readonly hostname: string;
  readonly dataRoot: string;
  readonly debug: boolean;
  /** `uname -r` */
  readonly kernelVersion: string;
  /** PRETTY_NAME and VERSION_ID of os-release(5). */
  readonly operatingSystem: string;
  readonly osVersion: string;
  /** `uname -m`: "x86_64". */
  readonly machine: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly driver: string;
  readonly driverStatus: readonly (readonly [string, string])[];
  readonly cgroupDriver: string;
  readonly cgroupVersion: 1 | 2;
  /** Which limits this kernel can keep. */
  readonly limits: Pick<
    Info,
    | 'MemoryLimit'
    | 'SwapLimit'
    | 'CpuCfsPeriod'
    | 'CpuCfsQuota'
    | 'CPUShares'
    | 'CPUSet'
    | 'PidsLimit'
    | 'OomKillDisable'
    | 'IPv4Forwarding'
  >;
  readonly runtimes: Readonly<Record<string, RuntimeInfo>>;
  readonly defaultRuntime: string;
  /** "name=seccomp,profile=builtin" */
  readonly securityOptions: readonly string[];
  readonly networkDrivers: readonly string[];
  readonly firewallBackend: string;
  readonly volumeDrivers: readonly string[];
  readonly registries: Info['RegistryConfig'];
  readonly logDrivers: readonly string[];
  readonly defaultLogDriver: string;
  readonly labels: readonly string[];
  /** Without their passwords. */
  readonly proxies: { readonly http: string; readonly https: string; readonly none: string };
  readonly warnings: readonly string[];
  /** The default lists of a container; shown by inspect. */
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
};
