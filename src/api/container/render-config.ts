// ContainerView -> Docker's Config: what really runs, with the image's defaults merged in.
import type { ContainerView } from '#container/engine.ts';
import type { ContainerConfig, HealthConfig, KeySet } from '#wire/container-config.ts';
import { emptyMap } from '../decode.ts';

export function renderConfig(view: ContainerView): ContainerConfig {
  const { config } = view.spec;
  const { merged } = view;
  const health = merged.healthcheck;
  // Of the main network: here until 1.44, and still shown.
  const mac = Object.values(view.spec.networking)[0]?.mac;
  return {
    Hostname: merged.hostname,
    Domainname: config.domainname,
    User: merged.user,
    AttachStdin: config.attachStdin,
    AttachStdout: config.attachStdout,
    AttachStderr: config.attachStderr,
    ...(merged.exposedPorts.length > 0 ? { ExposedPorts: keySet(merged.exposedPorts) } : {}),
    Tty: config.tty,
    OpenStdin: config.openStdin,
    StdinOnce: config.stdinOnce,
    Env: merged.env.length > 0 ? merged.env : null,
    Cmd: merged.cmd ?? null,
    ...(health === undefined ? {} : { Healthcheck: renderHealth(health) }),
    Image: view.imageName,
    Volumes: merged.volumes.length > 0 ? keySet(merged.volumes) : null,
    WorkingDir: merged.workingDir,
    Entrypoint: merged.entrypoint ?? null,
    ...(config.networkDisabled ? { NetworkDisabled: true } : {}),
    ...(mac === undefined ? {} : { MacAddress: mac }),
    OnBuild: config.onBuild.length > 0 ? config.onBuild : null,
    Labels: merged.labels,
    ...(merged.stopSignal === undefined ? {} : { StopSignal: merged.stopSignal }),
    ...(config.stopTimeout === undefined ? {} : { StopTimeout: config.stopTimeout }),
    ...(config.shell === undefined ? {} : { Shell: config.shell }),
  };
}

/** Zero durations are left out, as Go's omitempty does. */
export function renderHealth(health: {
  readonly test: readonly string[];
  readonly interval: number;
  readonly timeout: number;
  readonly retries: number;
  readonly startPeriod: number;
  readonly startInterval: number;
}): HealthConfig {
  return {
    ...(health.test.length > 0 ? { Test: health.test } : {}),
    ...(health.interval === 0 ? {} : { Interval: health.interval }),
    ...(health.timeout === 0 ? {} : { Timeout: health.timeout }),
    ...(health.startPeriod === 0 ? {} : { StartPeriod: health.startPeriod }),
    ...(health.startInterval === 0 ? {} : { StartInterval: health.startInterval }),
    ...(health.retries === 0 ? {} : { Retries: health.retries }),
  };
}

export function keySet(keys: readonly string[]): KeySet {
  const set = emptyMap<Record<string, never>>();
  for (const key of keys) set[key] = {};
  return set;
}
