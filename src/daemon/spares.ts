// The directories that every container needs, made before it comes: its own, its top, its run
// directory.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Spares } from '#base/spare.ts';
import { makeSpareDirectory } from '#container/store.ts';
import type { Agent } from '#kernel/native/native.ts';
import { makeSpareTop } from '#snapshot/overlay.ts';
import type { Config } from './config.ts';

export type AllSpares = {
  readonly containers: Spares;
  readonly tops: Spares;
  readonly runs: Spares;
};

export async function openSpares(
  agent: Agent,
  { dataRoot, execRoot }: Pick<Config, 'dataRoot' | 'execRoot'>,
  parts: AsyncDisposableStack,
): Promise<AllSpares> {
  const open = async (root: string, make: (path: string) => Promise<void>): Promise<Spares> => {
    const spares = parts.use(new Spares(root, make));
    // Only ext4 and its like know of this; others do not need it.
    await agent.perform([{ op: 'spread', path: root }]).catch(() => {});
    spares.begin();
    return spares;
  };
  return {
    containers: await open(join(dataRoot, 'spare/containers'), makeSpareDirectory),
    tops: await open(join(dataRoot, 'spare/tops'), makeSpareTop),
    runs: await open(join(execRoot, 'spare'), (path) => mkdir(path, { mode: 0o700 })),
  };
}
