// /info.
import { readdir } from 'node:fs/promises';
import { formatTime, now } from '#base/clock.ts';
import type { Info } from '#wire/system.ts';
import { olderThan } from '#wire/version.ts';
import { type Exchange, sendJson } from '../exchange.ts';

const NO_COMMIT = { ID: '' };
const INDEX = 'https://index.docker.io/v1/';

export async function getInfo(exchange: Exchange): Promise<void> {
  const { containers, images, events, facts } = exchange.deps;
  const statuses = containers.list().map(({ state }) => state.status);
  const count = (wanted: string): number => statuses.filter((one) => one === wanted).length;
  const running = count('running') + count('restarting');
  const paused = count('paused');
  const info: Info = {
    ID: facts.id,
    Containers: statuses.length,
    ContainersRunning: running,
    ContainersPaused: paused,
    ContainersStopped: statuses.length - running - paused,
    Images: images.list({ all: true }).length,
    Driver: facts.driver,
    DriverStatus: facts.driverStatus,
    Plugins: {
      Volume: facts.volumeDrivers,
      Network: facts.networkDrivers,
      Authorization: null,
      Log: facts.logDrivers,
    },
    ...facts.limits,
    Debug: facts.debug,
    NFd: (await readdir('/proc/self/fd')).length,
    NGoroutines: 0,
    SystemTime: formatTime(now()),
    LoggingDriver: facts.defaultLogDriver,
    CgroupDriver: facts.cgroupDriver,
    CgroupVersion: String(facts.cgroupVersion),
    NEventsListener: events.listeners,
    KernelVersion: facts.kernelVersion,
    OperatingSystem: facts.operatingSystem,
    OSVersion: facts.osVersion,
    OSType: 'linux',
    Architecture: facts.machine,
    IndexServerAddress: INDEX,
    RegistryConfig: { ...facts.registries, ...nondistributable(exchange.version) },
    NCPU: facts.cpus,
    MemTotal: facts.memoryBytes,
    GenericResources: null,
    DockerRootDir: facts.dataRoot,
    HttpProxy: facts.proxies.http,
    HttpsProxy: facts.proxies.https,
    NoProxy: facts.proxies.none,
    Name: facts.hostname,
    Labels: facts.labels,
    ExperimentalBuild: true,
    ServerVersion: facts.version,
    Runtimes: facts.runtimes,
    DefaultRuntime: facts.defaultRuntime,
    Swarm: {
      NodeID: '',
      NodeAddr: '',
      LocalNodeState: 'inactive',
      ControlAvailable: false,
      Error: '',
      RemoteManagers: null,
    },
    // Monitors outlive the daemon, whatever the configuration.
    LiveRestoreEnabled: true,
    Isolation: '',
    InitBinary: '',
    ContainerdCommit: NO_COMMIT,
    RuncCommit: NO_COMMIT,
    InitCommit: NO_COMMIT,
    SecurityOptions: facts.securityOptions,
    ...networkFields(facts.firewallBackend, exchange.version),
    CDISpecDirs: [],
    Warnings: facts.warnings,
  };
  sendJson(exchange, 200, info);
}

function nondistributable(version: string): Partial<Info['RegistryConfig']> {
  if (!olderThan(version, '1.49')) return {};
  return { AllowNondistributableArtifactsCIDRs: [], AllowNondistributableArtifactsHostnames: [] };
}

/** Frames that a bridge forwards do not need to pass the rules of IP: isolation is ours. */
function networkFields(
  backend: string,
  version: string,
): Pick<Info, 'FirewallBackend' | 'BridgeNfIptables' | 'BridgeNfIp6tables'> {
  return {
    ...(olderThan(version, '1.49') ? {} : { FirewallBackend: { Driver: backend } }),
    ...(olderThan(version, '1.50') ? { BridgeNfIptables: false, BridgeNfIp6tables: false } : {}),
  };
}
