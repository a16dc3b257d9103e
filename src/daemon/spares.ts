// What every container needs, made before it comes: its own directory, its top, its monitor.
import { join } from 'node:path';
import { SPARE_DIRECTORIES, type SpareDirectories, type SpareKind, Spares } from '#base/spare.ts';
import { makeSpareDirectory } from '#container/store.ts';
import { connectMonitor } from '#kernel/native/monitor.ts';
import type { Agent } from '#kernel/native/native.ts';
import { openSpareMonitors } from '#runtime/spare-monitors.ts';
import type { SpareMonitors } from '#runtime/task.ts';
import { makeSpareTop } from '#snapshot/overlay.ts';
import type { Config } from './config.ts';

export type AllSpares = {
  readonly containers: SpareDirectories;
  readonly tops: SpareDirectories;
  readonly monitors: SpareMonitors;
};

export async function openSpares(
  agent: Agent,
  { dataRoot, execRoot }: Pick<Config, 'dataRoot' | 'execRoot'>,
  parts: AsyncDisposableStack,
): Promise<AllSpares> {
  const open = async <T>(root: string, kind: SpareKind<T>): Promise<Spares<T>> => {
    const spares = parts.use(new Spares(root, kind));
    // Only ext4 and its like know of this; others do not need it.
    await agent.perform([{ op: 'spread', path: root }]).catch(() => {});
    await spares.begin();
    return spares;
  };
  const directories = (name: string, make: (path: string) => Promise<void>) =>
    open(join(dataRoot, 'spare', name), {
      count: SPARE_DIRECTORIES,
      make: async (path) => {
        await make(path);
        return true as const;
      },
    });
  return {
    containers: await directories('containers', makeSpareDirectory),
    tops: await directories('tops', makeSpareTop),
    monitors: await openSpareMonitors({ agent, connectMonitor }, (name, kind) =>
      open(join(execRoot, 'spare', name), kind),
    ),
  };
}
