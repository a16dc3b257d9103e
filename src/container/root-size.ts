// `--storage-opt size=1g`: how much a container may write to its root, and more of it later.
import { EngineError } from '#base/error.ts';
import { parseRootSize } from '#snapshot/size.ts';
import type { Deps } from './deps.ts';
import { isRunning } from './guard.ts';
import type { ContainerRecord } from './record.ts';
import type { HostConfig } from './spec.ts';

/** Bytes; undefined = no limit. Texts are dockerd's (overlay2.go, parseStorageOpt). */
export function rootSize({ storageOpt }: Pick<HostConfig, 'storageOpt'>): number | undefined {
  for (const key of Object.keys(storageOpt)) {
    if (key.toLowerCase() !== 'size') {
      throw new EngineError('invalid_argument', `Unknown option ${key}`);
    }
  }
  const size = Object.values(storageOpt)[0];
  return size === undefined ? undefined : parseRootSize(size);
}

/** Also while it runs; the caller holds the lock, and stores what the size is then. */
export async function growRoot(
  deps: Pick<Deps, 'snapshots'>,
  { id, state }: ContainerRecord,
  size: string,
): Promise<void> {
  await deps.snapshots.grow(id, parseRootSize(size), isRunning(state));
}
