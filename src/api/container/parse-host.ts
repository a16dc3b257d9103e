// Docker's HostConfig: what depends on the host.
import { EngineError } from '#base/error.ts';
import type { HostConfig, RestartPolicy } from '#container/spec.ts';
import { emptyMap, Fields } from '../decode.ts';
import { parseNetRate } from './parse-endpoint.ts';
import { parseMount } from './parse-mount.ts';
import { parseResources } from './parse-resources.ts';

export function parseHostConfig(given: Fields | undefined): HostConfig {
  const host = given ?? new Fields('CreateRequest.HostConfig', undefined);
  const isolation = host.string('Isolation');
  if (isolation !== '' && isolation !== 'default') {
    throw new EngineError(
      'invalid_argument',
      `invalid isolation: ${JSON.stringify(isolation.slice(0, 100))} - linux only supports 'default'`,
    );
  }
  const shmSize = host.int('ShmSize');
  const resources = parseResources(host);
  return {
    ...resources,
    memorySwap: defaultSwap(resources.memory, resources.memorySwap),
    binds: host.strings('Binds') ?? [],
    mounts: host.objects('Mounts').map(parseMount),
    tmpfs: host.stringMap('Tmpfs'),
    volumesFrom: host.strings('VolumesFrom') ?? [],
    volumeDriver: host.string('VolumeDriver'),
    containerIdFile: host.string('ContainerIDFile'),
    logConfig: parseLogConfig(host.object('LogConfig')),
    networkMode: host.string('NetworkMode'),
    netRate: parseNetRate(host.object('NetRate')),
    portBindings: parsePortBindings(host, 'PortBindings'),
    publishAllPorts: host.bool('PublishAllPorts'),
    restartPolicy: parseRestartPolicy(host.object('RestartPolicy')),
    autoRemove: host.bool('AutoRemove'),
    consoleSize: parseConsoleSize(host.get('ConsoleSize')) ?? [0, 0],
    annotations: host.stringMap('Annotations'),
    capAdd: host.stringOrStrings('CapAdd') ?? [],
    capDrop: host.stringOrStrings('CapDrop') ?? [],
    cgroupnsMode: host.string('CgroupnsMode'),
    dns: host.strings('Dns') ?? [],
    dnsOptions: host.strings('DnsOptions') ?? [],
    dnsSearch: host.strings('DnsSearch') ?? [],
    extraHosts: host.strings('ExtraHosts') ?? [],
    groupAdd: host.strings('GroupAdd') ?? [],
    ipcMode: host.string('IpcMode'),
    cgroup: host.string('Cgroup'),
    links: host.strings('Links') ?? [],
    oomScoreAdj: host.int('OomScoreAdj'),
    pidMode: host.string('PidMode'),
    privileged: host.bool('Privileged'),
    readonlyRootfs: host.bool('ReadonlyRootfs'),
    securityOpt: host.strings('SecurityOpt') ?? [],
    storageOpt: host.stringMap('StorageOpt'),
    utsMode: host.string('UTSMode'),
    usernsMode: host.string('UsernsMode'),
    timensMode: host.string('TimensMode'),
    slice: host.string('Slice').replace(/^\/|\/$/g, ''),
    shmSize: shmSize === 0 ? undefined : shmSize,
    sysctls: host.stringMap('Sysctls'),
    runtime: host.string('Runtime'),
    init: host.optionalBool('Init'),
    maskedPaths: host.strings('MaskedPaths'),
    readonlyPaths: host.strings('ReadonlyPaths'),
  };
}

/** Without a word on swap Docker allows as much swap as memory. */
function defaultSwap(memory: number, memorySwap: number): number {
  return memory > 0 && memorySwap === 0 ? 2 * memory : memorySwap;
}

export function parseRestartPolicy(policy: Fields | undefined): RestartPolicy {
  const name = policy?.string('Name') || 'no';
  const maximumRetryCount = policy?.int('MaximumRetryCount') ?? 0;
  const refuse = (why: string): EngineError =>
    new EngineError('invalid_argument', `invalid restart policy: ${why}`);
  switch (name) {
    case 'no':
    case 'always':
    case 'unless-stopped':
      if (maximumRetryCount > 0) {
        throw refuse("maximum retry count can only be used with 'on-failure'");
      }
      break;
    case 'on-failure':
      break;
    default:
      throw refuse(
        `unknown policy '${name.slice(0, 100)}'; ` +
          "use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
      );
  }
  if (maximumRetryCount < 0) throw refuse('maximum retry count cannot be negative');
  return { name, maximumRetryCount };
}

export function parseConsoleSize(value: unknown): readonly [number, number] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw badConsoleSize();
  const [height = 0, width = 0] = value as unknown[];
  if (!isCellCount(height) || !isCellCount(width)) throw badConsoleSize();
  return [height, width];
}

/** struct winsize holds 16 bits (ioctl_tty(2)). */
function isCellCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 65_535;
}

function badConsoleSize(): EngineError {
  const text = 'invalid JSON: ConsoleSize must be [height, width], each from 0 to 65535';
  return new EngineError('invalid_argument', text);
}

function parseLogConfig(log: Fields | undefined): HostConfig['logConfig'] {
  return { type: log?.string('Type') ?? '', config: log?.stringMap('Config') ?? emptyMap() };
}

export function parsePortBindings(fields: Fields, name: string): HostConfig['portBindings'] {
  const bindings = emptyMap<readonly { hostIp: string; hostPort: string }[]>();
  for (const [port, value] of fields.entries(name)) {
    // The list of one port is decoded as a field of its own, to say which port is wrong.
    const list = new Fields(name, { [port]: value }).objects(port);
    bindings[port] = list.map((item) => ({
      hostIp: item.string('HostIp'),
      hostPort: item.string('HostPort'),
    }));
  }
  return bindings;
}
