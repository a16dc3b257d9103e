// HostConfig as dockerd 28 answers it for what the docker CLI sends: which empty lists are [] and
// which are null is part of the format, because clients compare.
import { SHM_BYTES_DEFAULT } from '#container/namespace.ts';
import type { RateDevice, Resources as Limits } from '#container/resources.ts';
import type { HostConfig as HostSpec, MountSpec } from '#container/spec.ts';
import type {
  HostConfig,
  Mount,
  NetLimit,
  Resources,
  Strings,
  ThrottleDevice,
} from '#wire/container-config.ts';
import type { SystemFacts } from '../system/facts.ts';
import { renderOwnLimits } from './render-limits.ts';

/** What stands behind the defaults. */
export type HostDefaults = Pick<
  SystemFacts,
  'defaultRuntime' | 'cgroupVersion' | 'maskedPaths' | 'readonlyPaths'
>;

export function renderHost(host: HostSpec, defaults: HostDefaults): HostConfig {
  return {
    Binds: orNull(host.binds),
    ContainerIDFile: host.containerIdFile,
    LogConfig: { Type: host.logConfig.type || 'json-file', Config: host.logConfig.config },
    NetworkMode: host.networkMode,
    PortBindings: renderPorts(host),
    RestartPolicy: {
      Name: host.restartPolicy.name,
      MaximumRetryCount: host.restartPolicy.maximumRetryCount,
    },
    AutoRemove: host.autoRemove,
    VolumeDriver: host.volumeDriver,
    VolumesFrom: orNull(host.volumesFrom),
    ConsoleSize: host.consoleSize,
    ...optionalMap('Annotations', host.annotations),
    CapAdd: orNull(host.capAdd),
    CapDrop: orNull(host.capDrop),
    CgroupnsMode: host.cgroupnsMode || defaultCgroupns(host, defaults),
    Dns: host.dns,
    DnsOptions: host.dnsOptions,
    DnsSearch: host.dnsSearch,
    ExtraHosts: orNull(host.extraHosts),
    GroupAdd: orNull(host.groupAdd),
    IpcMode: host.ipcMode || 'private',
    Cgroup: host.cgroup,
    Links: orNull(host.links),
    OomScoreAdj: host.oomScoreAdj,
    PidMode: host.pidMode,
    Privileged: host.privileged,
    PublishAllPorts: host.publishAllPorts,
    ReadonlyRootfs: host.readonlyRootfs,
    SecurityOpt: orNull(host.securityOpt),
    ...optionalMap('StorageOpt', host.storageOpt),
    ...optionalMap('Tmpfs', host.tmpfs),
    UTSMode: host.utsMode,
    UsernsMode: host.usernsMode,
    ...renderRate(host.netRate),
    ...(host.timensMode === '' ? {} : { TimensMode: host.timensMode }),
    ...text('Slice', host.slice),
    ShmSize: host.shmSize ?? SHM_BYTES_DEFAULT,
    ...optionalMap('Sysctls', host.sysctls),
    Runtime: host.runtime || defaults.defaultRuntime,
    Isolation: '',
    ...renderResources(host),
    ...(host.mounts.length > 0 ? { Mounts: host.mounts.map(renderMount) } : {}),
    MaskedPaths: paths(host, host.maskedPaths, defaults.maskedPaths),
    ReadonlyPaths: paths(host, host.readonlyPaths, defaults.readonlyPaths),
    ...(host.init === undefined ? {} : { Init: host.init }),
  };
}

function renderRate(rate: HostSpec['netRate']): Pick<HostConfig, 'NetRate'> {
  if (rate === undefined) return {};
  const limit = (of: typeof rate.in): NetLimit | null =>
    of === undefined
      ? null
      : {
          BitsPerSecond: of.bitsPerSecond,
          ...(of.burstBytes === undefined ? {} : { BurstBytes: of.burstBytes }),
        };
  return { NetRate: { In: limit(rate.in), Out: limit(rate.out) } };
}

/** Private on v2 only, and never for a privileged container (B13). */
function defaultCgroupns(host: HostSpec, defaults: HostDefaults): string {
  return defaults.cgroupVersion === 2 && !host.privileged ? 'private' : 'host';
}

/** Of a slice too. */
export function renderResources(host: Limits): Resources {
  const rates = (list: readonly RateDevice[]): readonly ThrottleDevice[] =>
    list.map(({ path, rate }) => ({ Path: path, Rate: rate }));
  return {
    CpuShares: host.cpuShares,
    Memory: host.memory,
    NanoCpus: host.nanoCpus,
    CgroupParent: host.cgroupParent,
    BlkioWeight: host.blkioWeight,
    BlkioWeightDevice: host.blkioWeightDevice.map(({ path, weight }) => ({
      Path: path,
      Weight: weight,
    })),
    BlkioDeviceReadBps: rates(host.blkioDeviceReadBps),
    BlkioDeviceWriteBps: rates(host.blkioDeviceWriteBps),
    BlkioDeviceReadIOps: rates(host.blkioDeviceReadIops),
    BlkioDeviceWriteIOps: rates(host.blkioDeviceWriteIops),
    CpuPeriod: host.cpuPeriod,
    CpuQuota: host.cpuQuota,
    CpuRealtimePeriod: host.cpuRealtimePeriod,
    CpuRealtimeRuntime: host.cpuRealtimeRuntime,
    CpusetCpus: host.cpusetCpus,
    CpusetMems: host.cpusetMems,
    Devices: host.devices.map((device) => ({
      PathOnHost: device.pathOnHost,
      PathInContainer: device.pathInContainer,
      CgroupPermissions: device.cgroupPermissions,
    })),
    DeviceCgroupRules: orNull(host.deviceCgroupRules),
    DeviceRequests: null,
    MemoryReservation: host.memoryReservation,
    MemorySwap: host.memorySwap,
    MemorySwappiness: host.memorySwappiness ?? null,
    OomKillDisable: host.oomKillDisable ?? null,
    PidsLimit: host.pidsLimit ?? null,
    Ulimits: host.ulimits.map(({ name, hard, soft }) => ({ Name: name, Hard: hard, Soft: soft })),
    // Windows only; always there.
    CpuCount: 0,
    CpuPercent: 0,
    IOMaximumIOps: 0,
    IOMaximumBandwidth: 0,
    ...renderOwnLimits(host),
  };
}

function renderPorts(host: HostSpec): HostConfig['PortBindings'] {
  const ports = Object.entries(host.portBindings).map(([port, bindings]) => [
    port,
    bindings.map(({ hostIp, hostPort }) => ({ HostIp: hostIp, HostPort: hostPort })),
  ]);
  return Object.fromEntries(ports);
}

/** A privileged container has none unless it was told (hardening.md, B19). */
function paths(host: HostSpec, given: Strings | undefined, standard: Strings): Strings | null {
  return given ?? (host.privileged ? null : standard);
}

function renderMount(mount: MountSpec): Mount {
  const { bindOptions: bind, volumeOptions: volume, tmpfsOptions: tmpfs } = mount;
  return {
    Type: mount.type,
    ...text('Source', mount.source),
    Target: mount.target,
    ...flag('ReadOnly', mount.readOnly),
    ...text('Consistency', mount.consistency),
    ...(bind === undefined
      ? {}
      : {
          BindOptions: {
            ...text('Propagation', bind.propagation),
            ...flag('NonRecursive', bind.nonRecursive),
            ...flag('CreateMountpoint', bind.createMountpoint),
            ...flag('ReadOnlyNonRecursive', bind.readOnlyNonRecursive),
            ...flag('ReadOnlyForceRecursive', bind.readOnlyForceRecursive),
            ...flag('Idmap', bind.idmap ?? false),
          },
        }),
    ...(volume === undefined ? {} : { VolumeOptions: renderVolumeOptions(volume) }),
    ...(mount.imageOptions === undefined
      ? {}
      : { ImageOptions: text('Subpath', mount.imageOptions.subpath) }),
    ...(tmpfs === undefined
      ? {}
      : {
          TmpfsOptions: {
            ...(tmpfs.sizeBytes === 0 ? {} : { SizeBytes: tmpfs.sizeBytes }),
            ...(tmpfs.mode === 0 ? {} : { Mode: tmpfs.mode }),
            ...(tmpfs.options.length === 0 ? {} : { Options: tmpfs.options }),
          },
        }),
  };
}

function renderVolumeOptions(
  volume: NonNullable<MountSpec['volumeOptions']>,
): NonNullable<Mount['VolumeOptions']> {
  const driver = {
    ...text('Name', volume.driver),
    ...optionalMap('Options', volume.driverOptions),
  };
  return {
    ...flag('NoCopy', volume.noCopy),
    ...optionalMap('Labels', volume.labels),
    ...text('Subpath', volume.subpath),
    ...(Object.keys(driver).length === 0 ? {} : { DriverConfig: driver }),
  };
}

function orNull<T>(list: readonly T[]): readonly T[] | null {
  return list.length > 0 ? list : null;
}

// Go's omitempty: an empty value has no key.
function text<K extends string>(key: K, value: string): { readonly [P in K]?: string } {
  return (value === '' ? {} : { [key]: value }) as { readonly [P in K]?: string };
}

function flag<K extends string>(key: K, value: boolean): { readonly [P in K]?: boolean } {
  return (value ? { [key]: true } : {}) as { readonly [P in K]?: boolean };
}

function optionalMap<K extends string>(
  key: K,
  map: Readonly<Record<string, string>>,
): { readonly [P in K]?: Readonly<Record<string, string>> } {
  const used = Object.keys(map).length > 0;
  return (used ? { [key]: map } : {}) as { readonly [P in K]?: Readonly<Record<string, string>> };
}
