// The driver for overlayfs: a layer is what its archive says, a top is an upper and a work
// directory. Nothing is copied; the kernel shows all of it as one tree (overlayfs.rst).
import { mkdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { SnapshotDriver } from './driver.ts';
import type { OverlayMount } from './snapshotter.ts';
import { SnapshotStore, type StoreOptions } from './store.ts';

/** In a top, beside its parent. */
const TOP = [
  ['upper', 0o755],
  ['work', 0o700],
] as const;

/** A top for a container to come, in no hurry. */
export async function makeSpareTop(path: string): Promise<void> {
  await mkdir(path, 0o700);
  for (const [name, mode] of TOP) await mkdir(join(path, name), mode);
}

export const OVERLAY: SnapshotDriver<OverlayMount> = {
  name: 'overlay2',
  folder: '',
  stage: 'diff',
  content: 'diff',
  whole: false,
  sized: true,
  finish: async () => {},
  spareRoot: 'upper',
  makeTop: async (path) => {
    // Synchronous on purpose: four directory entries take 0.15 ms, their four trips through the
    // thread pool four times that, and every `docker run` waits for them.
    for (const [name, mode] of TOP) mkdirSync(join(path, name), mode);
    return join(path, 'upper');
  },
  mount: (path, lower) => ({
    kind: 'overlay',
    lower,
    upper: join(path, 'upper'),
    work: join(path, 'work'),
  }),
};

export type OverlaySnapshotter = SnapshotStore<OverlayMount>;
export const OverlaySnapshotter = {
  open: (dataRoot: string, options: StoreOptions = {}): Promise<OverlaySnapshotter> =>
    SnapshotStore.open(dataRoot, OVERLAY, options),
};
