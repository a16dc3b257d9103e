// An empty volume starts with what the image has in its place: copied once, whichever container
// comes first. A mark beside the data says that a copy is not complete: what a crash has left is
// taken away by the next daemon, and the next container fills the volume again.
import { existsSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { EngineError } from '#base/error.ts';
import { OpError } from '#kernel/native/encode.ts';
import { errnoText } from '#kernel/native/errno.ts';
import type { VolumeMounts } from './mounts.ts';
import type { Volume } from './record.ts';
import type { VolumeStore } from './volume.ts';

const FILLING = 'filling';

export type ImageContent = {
  /** Directories of its layers, the top one first. */
  readonly lower: readonly string[];
  /** For kernels that take all layers in one option. */
  readonly joined: boolean;
  /** Where in the image; links in it are followed inside of the image. */
  readonly path: string;
};

export async function fillVolume(
  store: VolumeStore,
  mounts: VolumeMounts,
  name: string,
  image: ImageContent,
): Promise<void> {
  using _lock = await store.locks.acquire(name);
  const volume = store.get(name);
  await mounts.while(volume, async () => {
    if ((await readdir(volume.mountpoint)).length > 0) return;
    const mark = join(store.pathOf(name), FILLING);
    await writeFile(mark, '');
    try {
      await copyUp(store, volume, image);
    } catch (error) {
      // It was empty, so all that is in it is ours; elsewhere somebody else may write, too.
      if (volume.source.kind === 'directory') {
        await store.needs.carry([{ op: 'empty_directory', path: volume.mountpoint }]);
      }
      throw error;
    } finally {
      await rm(mark);
    }
  });
}

/** After a crash. What a running container has is left alone: some of it may be its own. */
export async function emptyHalfFilled(
  store: VolumeStore,
  mounts: VolumeMounts,
  isRunning: (name: string) => boolean,
): Promise<void> {
  for (const volume of store.list()) {
    const mark = join(store.pathOf(volume.name), FILLING);
    if (!existsSync(mark)) continue;
    using _lock = await store.locks.acquire(volume.name);
    // A directory or a server of somebody else is never emptied.
    if (volume.source.kind === 'directory' && !isRunning(volume.name)) {
      await mounts.while(volume, async () => {
        await store.needs.carry([{ op: 'empty_directory', path: volume.mountpoint }]);
      });
    }
    await rm(mark, { force: true });
  }
}

async function copyUp(store: VolumeStore, volume: Volume, image: ImageContent): Promise<void> {
  const { lower, path, joined } = image;
  const target = volume.mountpoint;
  try {
    await store.needs.carry([{ op: 'copy_up', lower, path, target, joined: joined ? 1 : 0 }]);
  } catch (error) {
    if (!(error instanceof OpError)) throw error;
    const { errno } = error.result;
    if (errno === constants.errno.ENOTDIR) {
      const text = `source ${path} of the image is not directory`;
      throw new EngineError('kernel_refused', text, { cause: error });
    }
    throw new EngineError(
      'kernel_refused',
      `cannot copy ${path} of the image into the volume ${volume.name}: ${errnoText(errno)}`,
      { cause: error },
    );
  }
}
