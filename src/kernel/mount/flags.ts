// Flags of the mount system calls: mount(2), mount_setattr(2), umount2(2), open_tree(2).

/** linux/mount.h and sys/mount.h. */
export const MS = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  SYNCHRONOUS: 16,
  REMOUNT: 32,
  MANDLOCK: 64,
  DIRSYNC: 128,
  NOSYMFOLLOW: 256,
  NOATIME: 1024,
  NODIRATIME: 2048,
  BIND: 4096,
  MOVE: 8192,
  REC: 16_384,
  SILENT: 32_768,
  UNBINDABLE: 1 << 17,
  PRIVATE: 1 << 18,
  SLAVE: 1 << 19,
  SHARED: 1 << 20,
  RELATIME: 1 << 21,
  STRICTATIME: 1 << 24,
  LAZYTIME: 1 << 25,
} as const;

/** Of fsmount(2) and mount_setattr(2). */
export const MOUNT_ATTR = {
  RDONLY: 0x01,
  NOSUID: 0x02,
  NODEV: 0x04,
  NOEXEC: 0x08,
  /** Mask of the three atime modes; to set one, clear the mask in the same call. */
  ATIME: 0x70,
  RELATIME: 0x00,
  NOATIME: 0x10,
  STRICTATIME: 0x20,
  NODIRATIME: 0x80,
  IDMAP: 0x0010_0000,
  NOSYMFOLLOW: 0x0020_0000,
} as const;

export const MNT = { FORCE: 1, DETACH: 2, EXPIRE: 4, UMOUNT_NOFOLLOW: 8 } as const;

export const OPEN_TREE = { CLONE: 1, CLOEXEC: 0o200_0000 } as const;

/** Names of -v and --mount, and the flags that mount(2) and mount_setattr(2) take. */
export const PROPAGATION = {
  private: MS.PRIVATE,
  rprivate: MS.PRIVATE | MS.REC,
  shared: MS.SHARED,
  rshared: MS.SHARED | MS.REC,
  slave: MS.SLAVE,
  rslave: MS.SLAVE | MS.REC,
  unbindable: MS.UNBINDABLE,
  runbindable: MS.UNBINDABLE | MS.REC,
} as const;
export type Propagation = keyof typeof PROPAGATION;

export function isPropagation(text: string): text is Propagation {
  return Object.hasOwn(PROPAGATION, text);
}
