// The name of the file system that a directory is on, by its magic number (statfs(2)).
import { statfs } from 'node:fs/promises';

/** As Docker calls them. */
const NAMES: ReadonlyMap<number, string> = new Map([
  [0x6969, 'nfs'],
  [0xef53, 'extfs'],
  [0x0102_1994, 'tmpfs'],
  [0x2fc1_2fc1, 'zfs'],
  [0x5846_5342, 'xfs'],
  [0x794c_7630, 'overlayfs'],
  [0x9123_683e, 'btrfs'],
  [0xca45_1a4e, 'bcachefs'],
  [0xf2f5_2010, 'f2fs'],
]);

export async function fileSystemOf(path: string): Promise<string> {
  const { type } = await statfs(path);
  return NAMES.get(type) ?? `0x${type.toString(16)}`;
}
