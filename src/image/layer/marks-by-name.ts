// A tree whose whiteouts are files called as in the archive, for a snapshot driver that puts layers
// together itself. No entry of a layer can have such a name (tar/whiteout.ts).
import type { TreeWriter } from '#kernel/native/tree.ts';
import type { Tree } from './tree.ts';

const PREFIX = '.wh.';
const OPAQUE = '.wh..wh..opq';
const MARK = { mode: 0o600, uid: 0, gid: 0, mtime: 0n };

export function withMarksByName(tree: TreeWriter): Tree {
  return {
    dir: (path, meta) => tree.dir(path, meta),
    file: (path, meta, size) => tree.file(path, meta, size),
    data: (chunk) => tree.data(chunk),
    copy: (offset, length) => tree.copy(offset, length),
    hole: (bytes) => tree.hole(bytes),
    symlink: (path, target, meta) => tree.symlink(path, target, meta),
    link: (path, existing) => tree.link(path, existing),
    node: (path, kind, major, minor, meta) => tree.node(path, kind, major, minor, meta),
    xattr: (path, name, value) => tree.xattr(path, name, value),
    finish: () => tree.finish(),
    whiteout: async (path) => {
      const at = path.lastIndexOf('/') + 1;
      // The last word is the mark's, as it is in an overlay.
      await tree.remove(path);
      await tree.file(`${path.slice(0, at)}${PREFIX}${path.slice(at)}`, MARK, 0);
    },
    opaque: (path) => tree.file(path === '' ? OPAQUE : `${path}/${OPAQUE}`, MARK, 0),
    [Symbol.asyncDispose]: () => tree[Symbol.asyncDispose](),
  };
}
