// The wiring of build/: its cache is read before the images are, which otherwise would collect what
// only the cache needs.
import { join } from 'node:path';
import { BuildCache } from '#build/cache.ts';
import { CacheMounts, type MountDisk } from '#build/cache-mounts.ts';
import { EphemeralImages } from '#build/ephemeral.ts';
import { AgentCalls } from '#build/ssh-agent.ts';
import { BuildService } from '#build/service.ts';
import type { BuildDeps } from '#build/shared.ts';
import type { Config } from './config.ts';
import { NO_BRIDGE } from '#network/predefined.ts';

export type BuildParts = Pick<BuildDeps, 'cache' | 'cacheMounts' | 'ephemeral'>;

export function makeBuildParts({ dataRoot }: Config, disk: MountDisk): BuildParts {
  return {
    cache: new BuildCache(dataRoot),
    cacheMounts: new CacheMounts(join(dataRoot, 'build-mounts'), disk),
    ephemeral: new EphemeralImages(),
  };
}

export async function openBuilds(
  config: Config,
  parts: BuildParts,
  {
    images,
    containers,
    deps,
  }: Pick<BuildDeps, 'images' | 'containers'> & {
    readonly deps: Pick<BuildDeps, 'visits'>;
  },
): Promise<BuildService & AsyncDisposable> {
  const noBridge = config.network.defaultBridge.bridge === NO_BRIDGE;
  const service = new BuildService({
    ...parts,
    images,
    containers,
    agentCalls: new AgentCalls(),
    visits: deps.visits,
    folder: join(config.dataRoot, 'build'),
    memoryFolder: join(config.execRoot, 'build'),
    defaultNetwork: noBridge ? 'none' : 'bridge',
  });
  await service.recover();
  return Object.assign(service, { [Symbol.asyncDispose]: () => parts.cache.flush() });
}
