// Which storage driver a data root has: the one that it was made with, else the one that is asked
// for, else overlayfs where the kernel can mount it there, and copies where it cannot (on another
// overlay, on NFS, in some user namespaces).
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError, messageOf } from '#base/error.ts';
import type { Log } from '#base/log.ts';
import type { Perform } from '#kernel/disk/disk.ts';
import type { HostFacts } from '#runtime/facts.ts';
import { canMountOverlay } from '#runtime/visit.ts';
import { COPY_FOLDER, copyDriver } from '#snapshot/copy.ts';
import type { DriverName, SnapshotDriver } from '#snapshot/driver.ts';
import { OVERLAY } from '#snapshot/overlay.ts';

const PROBE = '.overlay-probe';

export type StorageRoot = {
  readonly dataRoot: string;
  readonly wish: DriverName | undefined;
  readonly native: string;
  readonly carry: Perform;
  readonly log: Log;
  readonly host: HostFacts;
};

export async function chooseDriver(root: StorageRoot): Promise<SnapshotDriver> {
  const { dataRoot, wish } = root;
  const made = madeWith(dataRoot);
  if (made !== undefined && wish !== undefined && made !== wish) {
    const advice = `start with --storage-driver ${made}, or with another --data-root`;
    const text = `the data root ${dataRoot} was made with the storage driver ${made}: ${advice}`;
    throw new EngineError('invalid_argument', text);
  }
  const name = wish ?? made ?? (await probe(root));
  return name === 'copy' ? copyDriver(root.carry) : OVERLAY;
}

/** Layers of one driver cannot be read by the other. */
function madeWith(dataRoot: string): DriverName | undefined {
  if (existsSync(join(dataRoot, COPY_FOLDER, 'layers'))) return 'copy';
  const layers = join(dataRoot, 'layers');
  const isUsed = existsSync(layers) && readdirSync(layers).some((name) => !name.startsWith('.'));
  return isUsed ? 'overlay2' : undefined;
}

async function probe({ dataRoot, native, log, host }: StorageRoot): Promise<DriverName> {
  const path = join(dataRoot, PROBE);
  const at = (name: string): string => join(path, name);
  const root = { lower: [at('lower')], upper: at('upper'), work: at('work') };
  try {
    for (const name of ['lower', 'upper', 'work']) await mkdir(at(name), { recursive: true });
    await canMountOverlay(native, host, root);
    return 'overlay2';
  } catch (error) {
    log.warn('overlayfs cannot be mounted on the data root, using copies of layers instead', {
      driver: 'copy',
      dataRoot,
      error: messageOf(error),
    });
    return 'copy';
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}
