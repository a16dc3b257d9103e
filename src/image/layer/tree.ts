// The port through which a layer's files are made. kernel/native's TreeWriter implements it in the
// C program, where every path is confined to the tree (openat2, RESOLVE_IN_ROOT). Calls are
// pipelined: a failure may surface on a later call or at finish(). Paths are binary strings
// relative to the root, '' is the root; missing parents are made; what stands at a path is
// replaced, but a directory by a directory is kept and gets the new attributes.

export type TreeMeta = {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: bigint; // nanoseconds
};

export interface Tree extends AsyncDisposable {
  dir(path: string, meta: TreeMeta): Promise<void>;
  /** Followed by data() and hole() for exactly `size` bytes. */
  file(path: string, meta: TreeMeta, size: number): Promise<void>;
  data(chunk: Uint8Array): Promise<void>;
  /** The next bytes of the file are these of the archive that the tree was opened with. */
  copy(offset: number, length: number): Promise<void>;
  hole(bytes: number): Promise<void>;
  symlink(path: string, target: string, meta: TreeMeta): Promise<void>;
  link(path: string, existing: string): Promise<void>;
  node(
    path: string,
    kind: 'char' | 'block' | 'fifo',
    major: number,
    minor: number,
    meta: TreeMeta,
  ): Promise<void>;
  whiteout(path: string): Promise<void>;
  opaque(path: string): Promise<void>;
  xattr(path: string, name: string, value: Uint8Array): Promise<void>;
  /** Directory times; and what failed before is told at last. */
  finish(): Promise<void>;
}
