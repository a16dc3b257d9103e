// What mounts come from, beyond plain directories of the host.
import { chmodSync, chownSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { EngineError } from '#base/error.ts';
import type { ChainId } from '#snapshot/chain.ts';
import type { Deps } from './deps.ts';
import type { MountPoint } from './record.ts';

/** Directories of an image's layers, the top one first. */
export function layersOf(deps: Pick<Deps, 'snapshots'>, chain: ChainId): readonly string[] {
  return deps.snapshots.layers(chain);
}

/** It is there, and no directory. */
export function isFile(path: string): boolean {
  return !(statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? true);
}

/** An empty top for a directory of the host, which looks like that directory (overlayfs.rst). */
export function makeTop(
  mount: MountPoint,
  { upper, work }: { readonly upper: string; readonly work: string },
): void {
  const stat = statSync(mount.source);
  if (!stat.isDirectory()) {
    const why = `O needs a directory, and ${mount.source} is none`;
    throw new EngineError('invalid_argument', `cannot mount at ${mount.destination}: ${why}`);
  }
  rmSync(dirname(upper), { recursive: true, force: true });
  mkdirSync(upper, { recursive: true });
  mkdirSync(work);
  chownSync(upper, stat.uid, stat.gid);
  chmodSync(upper, stat.mode & 0o7777);
}
