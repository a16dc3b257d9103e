// Removing trees that strangers filled: names may be any bytes and paths longer than PATH_MAX.
// Links are never followed (readdir gives types, unlink(2) and rmdir(2) act on the last component).
// Only for trees that nobody else changes meanwhile; names are Buffers, because Node's strings lose
// bytes.
import { randomBytes } from 'node:crypto';
import { lstat, readdir, rename, rmdir, unlink } from 'node:fs/promises';
import { errnoOf } from '#base/error.ts';

/** Longer paths are first moved up to the root: the limit is 4095 bytes (PATH_MAX), a name 255. */
const PATH_BYTES_MAX = 3500;
const PARALLEL_MAX = 32;
const SLASH = Buffer.from('/');

/** Removes a directory and all below it; a missing one is success. */
export async function removeTree(path: string): Promise<void> {
  const root = Buffer.from(path);
  await removeDirectory(root, root);
}

/** The same for several, one after the other. */
export async function removeTrees(paths: readonly string[]): Promise<void> {
  for (const path of paths) await removeTree(path);
}

/** Bytes on disk of all below a directory. */
export async function treeUsage(path: string): Promise<number> {
  const seen = new Set<string>();
  let blocks = 0;
  const visit = async (directory: Buffer): Promise<void> => {
    const entries = await readdir(directory, { withFileTypes: true, encoding: 'buffer' });
    await inSlices(entries, async (entry) => {
      const child = Buffer.concat([directory, SLASH, entry.name]);
      if (child.length > PATH_BYTES_MAX) return; // Too deep to reach by path; not worth a rename.
      const stat = await lstat(child);
      if (stat.nlink > 1 && !stat.isDirectory()) {
        if (seen.has(`${stat.dev}:${stat.ino}`)) return;
        seen.add(`${stat.dev}:${stat.ino}`);
      }
      if (!stat.isDirectory()) blocks += stat.blocks;
      else await visit(child);
    });
  };
  await visit(Buffer.from(path));
  return blocks * 512;
}

async function removeDirectory(root: Buffer, directory: Buffer): Promise<void> {
  let entries: Awaited<ReturnType<typeof list>>;
  try {
    entries = await list(directory);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  const directories = entries.filter((entry) => entry.isDirectory());
  const rest = entries.filter((entry) => !entry.isDirectory());
  await inSlices(rest, (entry) => unlink(Buffer.concat([directory, SLASH, entry.name])));
  for (const entry of directories) {
    let child = Buffer.concat([directory, SLASH, entry.name]);
    if (child.length > PATH_BYTES_MAX) {
      const shallow = Buffer.concat([
        root,
        Buffer.from(`/.deep-${randomBytes(8).toString('hex')}`),
      ]);
      await rename(child, shallow);
      child = shallow;
    }
    await removeDirectory(root, child);
  }
  await rmdir(directory);
}

function list(directory: Buffer) {
  return readdir(directory, { withFileTypes: true, encoding: 'buffer' });
}

async function inSlices<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  for (let i = 0; i < items.length; i += PARALLEL_MAX) {
    await Promise.all(items.slice(i, i + PARALLEL_MAX).map(run));
  }
}
