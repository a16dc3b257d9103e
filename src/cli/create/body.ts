// The flags of `run` and `create` as the body of POST /containers/create: field by field what the
// docker CLI 28 sends, which test/compat/create-body.test.ts checks against the real one.
import { isAbsolute, resolve } from 'node:path';
import { invalid } from '../flag-kind.ts';
import type { Flags } from '../flags.ts';
import type { ThrottleDevice, Ulimit, WeightDevice } from './kinds.ts';
import { readEnv, readLabels } from './kv-file.ts';
import { planOwnLimits } from './limit-kinds.ts';
import type { Mount } from './mount.ts';
import { planNetRate } from './net-rate.ts';
import { isMac, type NetworkAttachment, planEndpoints } from './network.ts';
import { addExposed, parsePublish } from './port.ts';
import {
  checkModes,
  isCdiName,
  pairs,
  parseDevice,
  parseRestartPolicy,
  parseSecurity,
  parseStorageOptions,
  planHealth,
} from './security.ts';

export interface CreateBody {
  AttachStdin: boolean;
  AttachStdout: boolean;
  AttachStderr: boolean;
  readonly Tty: boolean;
  readonly OpenStdin: boolean;
  StdinOnce: boolean;
  readonly Image: string;
  readonly HostConfig: {
    readonly AutoRemove: boolean;
    ConsoleSize: readonly [number, number];
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

/** Builds the body; throws with docker's texts where the flags do not fit together. */
export function planCreate(flags: Flags, image: string, command: readonly string[]): CreateBody {
  const mac = flags.string('mac-address');
  if (mac !== '' && !isMac(mac.trim())) throw invalid(`${mac} is not a valid mac address`);
  const attach = flags.list('attach');
  const open = flags.bool('interactive');
  const stdin = open || attach.includes('stdin');
  const swappiness = flags.number('memory-swappiness', -1);
  if (swappiness !== -1 && (swappiness < 0 || swappiness > 100)) {
    const range = 'Valid memory swappiness range is 0-100';
    throw invalid(`invalid value: ${swappiness}. ${range}`);
  }
  const { binds, volumes } = planVolumes(flags.list('volume'));
  const published = parsePublish(flags.list('publish'));
  const exposed = { ...published.exposed };
  addExposed(exposed, flags.list('expose'));
  const resources = planResources(flags, swappiness);
  const env = readEnv(flags.list('env-file'), lastOfEach(flags.list('env')));
  const labels = readLabels(flags.list('label-file'), flags.list('label'));
  checkModes(flags);
  const hostRest = planHost(flags);
  const netRate = planNetRate(flags, 'create');
  const health = planHealth(flags);
  return {
    Hostname: flags.string('hostname'),
    Domainname: flags.string('domainname'),
    User: flags.string('user'),
    AttachStdin: stdin,
    AttachStdout: attach.length === 0 || attach.includes('stdout'),
    AttachStderr: attach.length === 0 || attach.includes('stderr'),
    ...(Object.keys(exposed).length === 0 ? {} : { ExposedPorts: exposed }),
    Tty: flags.bool('tty'),
    OpenStdin: open,
    // One client feeds stdin: when it goes away the program sees end of file.
    StdinOnce: open && stdin,
    Env: orNull(env),
    Cmd: orNull(command),
    ...(health === undefined ? {} : { Healthcheck: health }),
    Image: image,
    Volumes: volumes,
    WorkingDir: flags.string('workdir'),
    Entrypoint: planEntrypoint(flags),
    OnBuild: null,
    Labels: labels,
    ...optional('StopSignal', flags.string('stop-signal')),
    ...(flags.has('stop-timeout') ? { StopTimeout: flags.number('stop-timeout') } : {}),
    HostConfig: {
      Binds: orNull(binds),
      PortBindings: published.bindings,
      AutoRemove: flags.bool('rm'),
      ConsoleSize: [0, 0],
      ...hostRest,
      ...resources,
      ...(netRate === undefined ? {} : { NetRate: netRate }),
    },
    NetworkingConfig: { EndpointsConfig: planNetworks(flags, mac) },
  };
}

/** `--entrypoint ""` resets the image's; Docker writes that as one empty string. */
function planEntrypoint(flags: Flags): readonly string[] | null {
  return flags.has('entrypoint') ? [flags.string('entrypoint')] : null;
}

/** The last value of each variable, in the order in which the variables came up. */
function lastOfEach(values: readonly string[]): string[] {
  const last = new Map(values.map((text) => [text.split('=', 1)[0] ?? '', text]));
  return [...last.values()];
}

/** `-v /a:/b` is a bind, `-v /b` an anonymous volume. */
function planVolumes(values: readonly string[]): {
  binds: string[];
  volumes: Record<string, object>;
} {
  const binds: string[] = [];
  const volumes: Record<string, object> = {};
  for (const text of new Set(values)) {
    if (text === '') throw invalid('invalid empty volume spec');
    const colon = text.indexOf(':');
    if (colon < 0 || text.length <= 2) volumes[text] = {};
    else {
      // Docker also looks for Windows drives here (`a:/b` is one path to it); we do not.
      const parts = text.split(':');
      const source = text.slice(0, colon);
      if (parts.includes('')) throw invalid(`invalid spec: ${text}: empty section between colons`);
      if (parts.length > 3) throw invalid(`invalid spec: ${text}: too many colons`);
      const relative = !isAbsolute(source) && source.startsWith('.');
      binds.push(`${relative ? resolve(source) : source}${text.slice(colon)}`);
    }
  }
  return { binds, volumes };
}

function planNetworks(flags: Flags, mac: string): Record<string, object> {
  return planEndpoints(flags.list<NetworkAttachment>('network'), {
    aliases: flags.list('network-alias'),
    links: flags.list('link'),
    ip: flags.string('ip'),
    ip6: flags.string('ip6'),
    mac,
    linkLocal: flags.list('link-local-ip'),
  });
}

function planHost(flags: Flags): Record<string, unknown> {
  const restart = parseRestartPolicy(flags.string('restart', 'no'));
  if (flags.bool('rm') && !['', 'no'].includes(restart.Name)) {
    throw invalid('conflicting options: cannot specify both --restart and --rm');
  }
  const logDriver = flags.string('log-driver');
  const logOptions = pairs(flags.list('log-opt'));
  if (logDriver === 'none' && Object.keys(logOptions).length > 0) {
    throw invalid(`invalid logging opts for driver ${logDriver}`);
  }
  const security = parseSecurity(flags.list('security-opt'));
  const storage = parseStorageOptions(flags.list('storage-opt'));
  const network = flags.list<NetworkAttachment>('network')[0]?.target ?? 'default';
  const mounts = flags.list<Mount>('mount');
  return {
    ContainerIDFile: flags.string('cidfile'),
    LogConfig: { Type: logDriver, Config: logOptions },
    NetworkMode: network,
    RestartPolicy: restart,
    VolumeDriver: flags.string('volume-driver'),
    VolumesFrom: orNull(flags.list('volumes-from')),
    ...nonEmpty('Annotations', flags.map('annotation')),
    CapAdd: capabilities(flags.list('cap-add')),
    CapDrop: capabilities(flags.list('cap-drop')),
    CgroupnsMode: flags.string('cgroupns'),
    Dns: flags.list('dns'),
    DnsOptions: flags.list('dns-option'),
    DnsSearch: flags.list('dns-search'),
    ExtraHosts: orNull(flags.list('add-host')),
    GroupAdd: orNull(flags.list('group-add')),
    IpcMode: flags.string('ipc'),
    Cgroup: '',
    Links: orNull(flags.list('link')),
    OomScoreAdj: flags.number('oom-score-adj'),
    PidMode: flags.string('pid'),
    Privileged: flags.bool('privileged'),
    PublishAllPorts: flags.bool('publish-all'),
    ReadonlyRootfs: flags.bool('read-only'),
    SecurityOpt: security.options,
    ...nonEmpty('StorageOpt', storage),
    ...nonEmpty('Tmpfs', planTmpfs(flags.list('tmpfs'))),
    UTSMode: flags.string('uts'),
    UsernsMode: flags.string('userns'),
    ...optional('TimensMode', flags.string('timens')),
    ...optional('Slice', flags.string('slice')),
    ShmSize: flags.number('shm-size'),
    ...nonEmpty('Sysctls', flags.map('sysctl')),
    ...optional('Runtime', flags.string('runtime')),
    Isolation: flags.string('isolation'),
    ...(mounts.length === 0 ? {} : { Mounts: mounts }),
    MaskedPaths: security.maskedPaths,
    ReadonlyPaths: security.readonlyPaths,
    ...(flags.has('init') ? { Init: flags.bool('init') } : {}),
  };
}

/** "net_admin" and "CAP_NET_ADMIN" are the same one; sorted, each once. */
function capabilities(names: readonly string[]): readonly string[] | null {
  const full = names.map((name) => {
    const upper = name.trim().toUpperCase();
    return upper === 'ALL' || upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  });
  return orNull([...new Set(full)].sort());
}

function planTmpfs(values: readonly string[]): Record<string, string> {
  const made: Record<string, string> = {};
  for (const text of values) {
    const colon = text.indexOf(':');
    made[colon < 0 ? text : text.slice(0, colon)] = colon < 0 ? '' : text.slice(colon + 1);
  }
  return made;
}

function planResources(flags: Flags, swappiness: number): Record<string, unknown> {
  const devices = flags.list('device');
  const cdi = devices.filter(isCdiName);
  const paths = devices.filter((text) => !isCdiName(text)).map(parseDevice);
  const ulimits = Object.values(flags.map<Record<string, Ulimit>>('ulimit'));
  return {
    CpuShares: flags.number('cpu-shares'),
    Memory: flags.number('memory'),
    NanoCpus: flags.number('cpus'),
    CgroupParent: flags.string('cgroup-parent'),
    BlkioWeight: flags.number('blkio-weight'),
    BlkioWeightDevice: flags.list<WeightDevice>('blkio-weight-device'),
    BlkioDeviceReadBps: flags.list<ThrottleDevice>('device-read-bps'),
    BlkioDeviceWriteBps: flags.list<ThrottleDevice>('device-write-bps'),
    BlkioDeviceReadIOps: flags.list<ThrottleDevice>('device-read-iops'),
    BlkioDeviceWriteIOps: flags.list<ThrottleDevice>('device-write-iops'),
    CpuPeriod: flags.number('cpu-period'),
    CpuQuota: flags.number('cpu-quota'),
    CpuRealtimePeriod: flags.number('cpu-rt-period'),
    CpuRealtimeRuntime: flags.number('cpu-rt-runtime'),
    CpusetCpus: flags.string('cpuset-cpus'),
    CpusetMems: flags.string('cpuset-mems'),
    Devices: paths,
    DeviceCgroupRules: orNull(flags.list('device-cgroup-rule')),
    DeviceRequests: orNull([...flags.list('gpus'), ...(cdi.length === 0 ? [] : [cdiRequest(cdi)])]),
    MemoryReservation: flags.number('memory-reservation'),
    MemorySwap: flags.number('memory-swap'),
    MemorySwappiness: swappiness,
    OomKillDisable: flags.bool('oom-kill-disable'),
    PidsLimit: flags.number('pids-limit'),
    Ulimits: ulimits,
    // Windows only; the docker CLI sends them as zeros to Linux.
    CpuCount: 0,
    CpuPercent: 0,
    IOMaximumIOps: 0,
    IOMaximumBandwidth: 0,
    ...planOwnLimits(flags),
  };
}

function cdiRequest(names: readonly string[]): object {
  return { Driver: 'cdi', Count: 0, DeviceIDs: names, Capabilities: null, Options: null };
}

function orNull<T>(values: readonly T[]): readonly T[] | null {
  return values.length === 0 ? null : values;
}

function nonEmpty(name: string, value: Readonly<Record<string, string>>): Record<string, unknown> {
  return Object.keys(value).length === 0 ? {} : { [name]: value };
}

function optional(name: string, value: string): Record<string, string> {
  return value === '' ? {} : { [name]: value };
}
