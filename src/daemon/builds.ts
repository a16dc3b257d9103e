// The wiring of build/: its cache is read before the images are, which otherwise would collect what
// only the cache needs.
import { join } from 'node:path';
import { BuildCache } from '#build/cache.ts';
import { CacheMounts, type MountDisk } from '#build/cache-mounts.ts';
import { EphemeralImages } from '#build/ephemeral.ts';
import { AgentCalls } from '#build/ssh-agent.ts';
import { BuildService } from '#build/service.ts';
import type { GitHost } from '#build/git/program.ts';
import type { BuildDeps } from '#build/shared.ts';
import { startConfined } from '#kernel/native/confine.ts';
import type { Config } from './config.ts';
import { NO_BRIDGE } from '#network/predefined.ts';

export type BuildParts = Pick<BuildDeps, 'cache' | 'cacheMounts' | 'ephemeral' | 'git'>;

export function makeBuildParts(
  { dataRoot }: Config,
  disk: MountDisk,
  nativePath: string,
): BuildParts {
  return {
    cache: new BuildCache(dataRoot),
    cacheMounts: new CacheMounts(join(dataRoot, 'build-mounts'), disk),
    ephemeral: new EphemeralImages(),
    git: gitHost(nativePath, process.env),
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

/** Whom the daemon's own requests trust, git's do. */
const PASSED_ON = /^ssl_cert_(?:file|dir)$/i;

function gitHost(nativePath: string, env: NodeJS.ProcessEnv): GitHost {
  const passedOn = Object.entries(env).flatMap(([name, value]) =>
    value !== undefined && PASSED_ON.test(name) ? [[name, value] as const] : [],
  );
  return {
    start: (program) => startConfined(nativePath, program),
    path: env['PATH'] ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    env: Object.fromEntries(passedOn),
    proxies: env,
  };
}
