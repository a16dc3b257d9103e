// A plain container for tests: every field present, nothing asked for.
import type { ContainerId } from '#base/id.ts';
import { PLAIN_WISH } from './endpoint.ts';
import type { ContainerRecord } from './record.ts';
import { NO_LIMITS } from './resources.ts';
import type { ContainerConfig, ContainerSpec, HostConfig } from './spec.ts';
import type { State } from './state.ts';

export const PLAIN_CONFIG: ContainerConfig = {
  hostname: '',
  domainname: '',
  user: '',
  attachStdin: false,
  attachStdout: true,
  attachStderr: true,
  exposedPorts: [],
  tty: false,
  openStdin: false,
  stdinOnce: false,
  env: [],
  cmd: ['true'],
  healthcheck: undefined,
  image: 'busybox',
  volumes: [],
  workingDir: '',
  entrypoint: undefined,
  networkDisabled: false,
  onBuild: [],
  labels: {},
  stopSignal: undefined,
  stopTimeout: undefined,
  shell: undefined,
};

export const PLAIN_HOST: HostConfig = {
  ...NO_LIMITS,
  binds: [],
  mounts: [],
  tmpfs: {},
  volumesFrom: [],
  volumeDriver: '',
  containerIdFile: '',
  logConfig: { type: '', config: {} },
  networkMode: 'none',
  netRate: undefined,
  portBindings: {},
  publishAllPorts: false,
  restartPolicy: { name: 'no', maximumRetryCount: 0 },
  autoRemove: false,
  consoleSize: [0, 0],
  annotations: {},
  capAdd: [],
  capDrop: [],
  cgroupnsMode: '',
  dns: [],
  dnsOptions: [],
  dnsSearch: [],
  extraHosts: [],
  groupAdd: [],
  ipcMode: '',
  cgroup: '',
  links: [],
  oomScoreAdj: 0,
  pidMode: '',
  privileged: false,
  readonlyRootfs: false,
  securityOpt: [],
  storageOpt: {},
  utsMode: '',
  usernsMode: '',
  timensMode: '',
  slice: '',
  shmSize: undefined,
  sysctls: {},
  runtime: '',
  init: undefined,
  maskedPaths: undefined,
  readonlyPaths: undefined,
};

export function plainSpec(change: Partial<HostConfig> = {}): ContainerSpec {
  return {
    name: undefined,
    config: PLAIN_CONFIG,
    host: { ...PLAIN_HOST, ...change },
    networking: { none: { ...PLAIN_WISH, network: 'none' } },
    platform: undefined,
  };
}

export function plainRecord(
  digit: string,
  state: State,
  host: Partial<HostConfig> = {},
): ContainerRecord {
  return {
    version: 2,
    id: digit.repeat(64) as ContainerId,
    name: `name_${digit}`,
    createdAt: 1_700_000_000_123_456_789n,
    spec: plainSpec(host),
    merged: {
      path: 'true',
      args: [],
      env: [],
      workingDir: '',
      user: '',
      entrypoint: undefined,
      cmd: ['true'],
      labels: {},
      exposedPorts: [],
      volumes: [],
      stopSignal: undefined,
      healthcheck: undefined,
      hostname: digit.repeat(12),
    },
    image: { id: `sha256:${'1'.repeat(64)}`, name: 'busybox', chain: undefined },
    platform: 'linux/amd64',
    mounts: [],
    userns: undefined,
    state,
    restartCount: 0,
    manuallyStopped: false,
    hasRun: state.status !== 'created',
    startError: undefined,
  };
}
