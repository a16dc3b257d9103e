// What /info and /version tell of this host and this engine.
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { cpus, hostname, machine, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { writeFileAtomic } from '#base/atomic-file.ts';
import { errnoOf } from '#base/error.ts';
import type { SystemFacts } from '#api/system/facts.ts';
import { LOG_DRIVERS } from '#container/log-config.ts';
import type { CgroupFeatures } from '#kernel/cgroup/features.ts';
import { MASKED_PATHS, READONLY_PATHS } from '#runtime/baseline.ts';
import type { HostFacts } from '#runtime/facts.ts';
import type { Config } from './config.ts';
import { fileSystemOf } from './file-system.ts';
import { proxyFacts } from './proxies.ts';
import { registryFacts } from './registry-config.ts';
import { randomUUID } from 'node:crypto';

export const ENGINE_VERSION = '0.1.0';
/** As Docker lists them; ipvlan is refused where the kernel does not have it. */
const NETWORK_DRIVERS = ['bridge', 'host', 'ipvlan', 'macvlan', 'null'] as const;

export async function collectFacts(
  config: Config,
  host: HostFacts,
  features: CgroupFeatures,
  storage: SystemFacts['driver'],
): Promise<SystemFacts> {
  const release_ = parseOsRelease(readText('/etc/os-release'));
  return {
    version: ENGINE_VERSION,
    gitCommit: '',
    buildTime: '',
    id: await engineId(config.dataRoot),
    hostname: hostname(),
    dataRoot: config.dataRoot,
    debug: config.logLevel === 'debug',
    kernelVersion: release(),
    operatingSystem: release_['PRETTY_NAME'] ?? 'Linux',
    osVersion: release_['VERSION_ID'] ?? '',
    machine: machine(),
    cpus: cpus().length,
    memoryBytes: totalmem(),
    driver: storage,
    driverStatus: [
      ['Backing Filesystem', await fileSystemOf(config.dataRoot)],
      storage === 'copy'
        ? ['Each container', 'is a copy of its image']
        : ['Mounted by', 'the container itself'],
    ],
    cgroupDriver: config.cgroupDriver,
    cgroupVersion: host.cgroups.version,
    limits: {
      MemoryLimit: features.memory,
      SwapLimit: features.memorySwap,
      CpuCfsPeriod: features.cpuQuota,
      CpuCfsQuota: features.cpuQuota,
      CPUShares: features.cpuShares,
      CPUSet: features.cpusetCpus,
      PidsLimit: features.pidsLimit,
      OomKillDisable: features.oomKillDisable,
      IPv4Forwarding: forwards(config),
    },
    runtimes: runtimesOf(config),
    defaultRuntime: config.defaultRuntime,
    securityOptions: securityOptions(config),
    networkDrivers: NETWORK_DRIVERS,
    firewallBackend: config.network.firewallBackend,
    volumeDrivers: ['local'],
    registries: registryFacts(config.registry),
    logDrivers: LOG_DRIVERS,
    defaultLogDriver: config.logConfig.type,
    labels: config.labels,
    proxies: proxyFacts(process.env),
    warnings: [
      ...warningsOf(features),
      ...(forwards(config) ? [] : ['WARNING: IPv4 forwarding is disabled']),
    ],
    maskedPaths: [...MASKED_PATHS, ...host.thermalThrottle],
    readonlyPaths: READONLY_PATHS,
  };
}

/** It is, or will be as soon as a network needs it. */
function forwards(config: Config): boolean {
  return config.network.mayForward || readText('/proc/sys/net/ipv4/ip_forward').trim() === '1';
}

function runtimesOf(config: Config): SystemFacts['runtimes'] {
  const external = Object.entries(config.runtimes).map(([name, path]) => [name, { path }] as const);
  return { coracle: { path: 'coracle-native' }, ...Object.fromEntries(external) };
}

function securityOptions(config: Config): readonly string[] {
  const profile = config.seccompProfile === '' ? 'builtin' : config.seccompProfile;
  return [
    ...(profile === 'unconfined' ? [] : [`name=seccomp,profile=${profile}`]),
    ...(config.noNewPrivileges ? ['name=no-new-privileges'] : []),
  ];
}

function warningsOf(features: CgroupFeatures): readonly string[] {
  const lacks = (has: boolean, what: string): string[] =>
    has ? [] : [`WARNING: No ${what} support`];
  return [
    ...lacks(features.memory, 'memory limit'),
    ...lacks(features.memorySwap, 'swap limit'),
    ...lacks(features.cpuQuota, 'cpu cfs quota'),
    ...lacks(features.cpuShares, 'cpu shares'),
    ...lacks(features.cpusetCpus, 'cpuset'),
    ...lacks(features.pidsLimit, 'pids limit'),
  ];
}

/** Made once, kept in the data root. */
async function engineId(dataRoot: string): Promise<string> {
  const path = join(dataRoot, 'engine-id');
  const known = await readFile(path, 'utf8').catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return '';
    throw error;
  });
  if (known.trim() !== '') return known.trim();
  const id = randomUUID();
  await writeFileAtomic(path, `${id}\n`);
  return id;
}

/** NAME="value" lines, os-release(5). */
function parseOsRelease(text: string): Readonly<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const match = /^([A-Z_]+)=(.*)$/.exec(line);
    if (match?.[1] !== undefined)
      values[match[1]] = (match[2] ?? '').replace(/^(["'])(.*)\1$/, '$2');
  }
  return values;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Facts for people: a host without the file is told of by what is missing.
    return '';
  }
}
