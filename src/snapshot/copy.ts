// The driver without a union file system: the content of a layer is the whole tree up to it, and a
// top is a copy of that. Trees of layers share their files as hard links, because nobody writes to
// them; a top shares bytes where the file system can (FICLONE), else a container costs its image's
// size once more. A layer's marks are names here (.wh.NAME): device nodes and attributes of the
// kind that overlayfs uses may not exist where it does not.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Perform } from '#kernel/disk/disk.ts';
import { LAYER_COPY } from '#kernel/native/op.ts';
import { type SnapshotDriver, STAGE_BY_NAME } from './driver.ts';

/** Below the data root, and in a top. */
export const COPY_FOLDER = 'copy';
const ROOT = 'root';

export function copyDriver(carry: Perform): SnapshotDriver {
  const copy = async (from: string | undefined, to: string, how: number): Promise<void> => {
    if (from === undefined) await mkdir(to, { mode: 0o755 });
    else await carry([{ op: 'layer_copy', from, to, how }]);
  };
  return {
    name: 'copy',
    folder: COPY_FOLDER,
    stage: STAGE_BY_NAME,
    content: 'tree',
    whole: true,
    sized: false,
    finish: async (path, below) => {
      const [from, to] = [join(path, STAGE_BY_NAME), join(path, 'tree')];
      await copy(below, to, LAYER_COPY.LINKS);
      // What is left of the stage: empty directories and marks.
      await carry([
        { op: 'layer_merge', from, to },
        { op: 'remove_tree', path: from },
      ]);
    },
    spareRoot: undefined,
    makeTop: async (path, below) => {
      const root = join(path, ROOT);
      await copy(below, root, 0);
      return root;
    },
    mount: (path) => ({ kind: 'bind', path: join(path, ROOT) }),
  };
}
