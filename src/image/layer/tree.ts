// The port through which a layer's files are made: what of kernel/native's TreeWriter a layer
// needs. There every path is confined to the tree (openat2, RESOLVE_IN_ROOT). Calls are pipelined:
// a failure may surface on a later call or at finish(). Paths are binary strings relative to the
// root, '' is the root; missing parents are made; what stands at a path is replaced, but a
// directory by a directory is kept and gets the new attributes.
import type { TreeWriter } from '#kernel/native/tree.ts';

export type { TreeMeta } from '#kernel/native/tree.ts';
export type Tree = Omit<TreeWriter, 'remove'>;
