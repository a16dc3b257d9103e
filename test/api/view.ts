// A container as the engine shows it, for tests of the API: every field of HostConfig that has a
// default has it; a test says only what it is about.
import { settleNetworking } from '#container/endpoint.ts';
import type { ContainerView } from '#container/engine.ts';
import type { ContainerSpec } from '#container/spec.ts';
import { Fields } from '#api/decode.ts';
import { parseCreate } from '#api/container/parse-create.ts';

export const CONTAINER_ID = 'c0ffee'.padEnd(64, '0');
export const IMAGE_ID = `sha256:${'ab'.repeat(32)}`;

export function specOf(body: object, name = 'web'): ContainerSpec {
  return parseCreate(new Fields('CreateRequest', { Image: 'busybox', ...body }), {
    name,
    platform: '',
    version: '1.51',
  });
}

export function viewOf(
  body: object = {},
  more: Partial<ContainerView> & { readonly name?: string } = {},
): ContainerView {
  const wish = specOf(body, more.name);
  const { config } = wish;
  const spec = { ...wish, networking: settleNetworking(wish, () => undefined) };
  const [path = 'sh', ...args] = [...(config.entrypoint ?? []), ...(config.cmd ?? ['sh'])];
  return {
    id: CONTAINER_ID,
    name: 'web',
    createdAt: 1_767_323_045_600_000_000n,
    spec,
    merged: {
      path,
      args,
      env: config.env,
      workingDir: config.workingDir,
      user: config.user,
      entrypoint: config.entrypoint,
      cmd: config.cmd ?? ['sh'],
      labels: config.labels,
      exposedPorts: config.exposedPorts,
      volumes: config.volumes,
      stopSignal: config.stopSignal,
      healthcheck: config.healthcheck,
      hostname: config.hostname || CONTAINER_ID.slice(0, 12),
    },
    imageId: IMAGE_ID,
    imageName: config.image,
    health: undefined,
    state: { status: 'created' },
    restartCount: 0,
    startError: undefined,
    paths: {
      log: '/d/c/log',
      hosts: '/d/c/hosts',
      hostname: '/d/c/hostname',
      resolvConf: '/d/c/resolv.conf',
    },
    execIds: [],
    mounts: [],
    driver: 'overlay2',
    graph: { LowerDir: '/d/l', MergedDir: '/d/m', UpperDir: '/d/u', WorkDir: '/d/w' },
    platform: 'linux/amd64',
    cgroupPath: `/coracle/${CONTAINER_ID}`,
    sandbox: undefined,
    links: [],
    linkedAs: [],
    ...more,
  };
}
