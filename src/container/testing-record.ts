// A plain container for tests: every field present, nothing asked for.
import { PLAIN_CONFIG, PLAIN_HOST } from './plain-spec.ts';
import type { ContainerId } from '#base/id.ts';
import { PLAIN_WISH } from './endpoint.ts';
import type { ContainerRecord } from './record.ts';
import type { ContainerSpec, HostConfig } from './spec.ts';
import type { State } from './state.ts';

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
