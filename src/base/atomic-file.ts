// Files replaced whole: temp file in the same directory, write, fsync, rename, fsync of the
// directory (rename(2), fsync(2)). A reader sees the old or the new content, never a part.
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

let counter = 0;

/**
 * Replaces `path` by `data`. `durable` (the default) survives a power cut; without it the file only
 * survives the death of this process, which is enough for what the kernel or a monitor can tell
 * again.
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  options: { readonly durable?: boolean; readonly mode?: number } = {},
): Promise<void> {
  const durable = options.durable ?? true;
  counter += 1;
  const temp = `${path}.tmp-${process.pid}-${counter}`;
  try {
    const file = await open(temp, 'wx', options.mode ?? 0o600);
    try {
      await file.writeFile(data);
      if (durable) await file.sync();
    } finally {
      await file.close();
    }
    await rename(temp, path);
  } catch (error) {
    await rm(temp, { force: true });
    throw error;
  }
  if (durable) await syncDirectory(dirname(path));
}

/** Makes renames and unlinks in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
