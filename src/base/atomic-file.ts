// Files replaced whole: temp file in the same directory, write, fsync, rename, fsync of the
// directory (rename(2), fsync(2)). A reader sees the old or the new content, never a part.
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

let counter = 0;

function tempOf(path: string): string {
  counter += 1;
  return `${path}.tmp-${process.pid}-${counter}`;
}

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
  if (options.durable === false) return replaceFile(path, data, options.mode);
  const temp = tempOf(path);
  try {
    const file = await open(temp, 'wx', options.mode ?? 0o600);
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temp, path);
  } catch (error) {
    await rm(temp, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/**
 * The same without durability, at once: a small file in the page cache is written in less time than
 * one trip to the thread pool takes, and a start makes several.
 */
export function replaceFile(path: string, data: string | Uint8Array, mode = 0o600): void {
  const temp = tempOf(path);
  try {
    writeFileSync(temp, data, { flag: 'wx', mode });
    renameSync(temp, path);
  } catch (error) {
    rmSync(temp, { force: true });
    throw error;
  }
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

/** Makes a file's content durable, and the name that it has. */
export async function syncFile(path: string): Promise<void> {
  await syncDirectory(path);
  await syncDirectory(dirname(path));
}
