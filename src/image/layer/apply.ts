// A layer archive becomes a tree: the one extractor for load, import, pull and build. It decides
// what each entry means (whiteouts, replaced entries, which xattrs); the Tree only does. The OCI
// rules are in image-spec layer.md; where it is silent we do as Docker's pkg/archive does.
import { lstatSync } from 'node:fs';
import { EngineError } from '#base/error.ts';
import { type TarEntry, decodeTar } from '#tar/decode.ts';
import { classify } from '#tar/whiteout.ts';
import { KnownPaths } from './known.ts';
import { splitHardLink, splitLayerPath } from './path.ts';
import type { Tree, TreeMeta } from './tree.ts';
import { keepsXattr } from './xattr.ts';

/** Entries of one layer; the largest public images have under a million. */
export const LAYER_ENTRIES_MAX = 5_000_000;

export type Applied = {
  readonly bytes: number;
  readonly entries: number;
  /** The archive said what the root directory looks like. */
  readonly ownRoot: boolean;
  /** Directories that still must be made look like those below: see adoptParents(). */
  readonly orphans: readonly string[];
};

type Context = {
  readonly tree: Tree;
  readonly known: KnownPaths;
  readonly lower: readonly string[] | undefined;
};

/** Unpacks a plain (uncompressed) archive; reads it to its end. Does not finish() the tree. */
export async function applyLayer(
  source: AsyncIterable<Uint8Array>,
  tree: Tree,
  options: {
    /**
     * Directories of the layers below, top first: where implied parents get their attributes.
     * undefined if those layers are not there yet: then implied parents are told as orphans.
     */
    readonly lower: readonly string[] | undefined;
    readonly signal: AbortSignal;
  },
): Promise<Applied> {
  const context: Context = { tree, known: new KnownPaths(), lower: options.lower };
  let bytes = 0;
  let entries = 0;
  for await (const entry of decodeTar(source)) {
    options.signal.throwIfAborted();
    entries += 1;
    if (entries > LAYER_ENTRIES_MAX) {
      throw new EngineError('limit_exceeded', 'layer exceeds LAYER_ENTRIES_MAX', {
        facts: { limit: 'LAYER_ENTRIES_MAX', max: LAYER_ENTRIES_MAX },
      });
    }
    await applyEntry(context, entry, options.signal);
    if (entry.kind === 'file') bytes += entry.size;
  }
  const implied = [...context.known.implied()];
  const ownRoot = implied[0]?.length !== 0;
  const orphans = options.lower === undefined ? implied.slice(ownRoot ? 0 : 1) : [];
  return { bytes, entries, ownRoot, orphans: orphans.map((parts) => parts.join('/')) };
}

/** Gives the orphans of applyLayer() the attributes that they have in the layers below. */
export async function adoptParents(
  tree: Tree,
  orphans: readonly string[],
  lower: readonly string[],
): Promise<void> {
  for (const path of orphans) {
    const meta = lowerMeta(lower, path.split('/'));
    if (meta !== undefined) await tree.dir(path, meta);
  }
}

async function applyEntry(context: Context, entry: TarEntry, signal: AbortSignal): Promise<void> {
  const { tree, known } = context;
  const parts = splitLayerPath(entry.path);
  const path = parts.join('/');
  const meaning = classify(path);
  if (meaning.kind === 'ignored') return;
  if (meaning.kind === 'whiteout') {
    await makeParents(context, parts, entry.mtime);
    known.set(meaning.path.split('/'), 'other');
    await tree.whiteout(meaning.path);
    return;
  }
  if (meaning.kind === 'opaque') {
    await makeParents(context, parts, entry.mtime);
    await tree.opaque(meaning.path);
    return;
  }
  if (parts.length === 0) {
    if (entry.kind !== 'dir') throw new EngineError('corrupt', 'layer entry without a name');
    known.set(parts, 'dir');
    await tree.dir('', metaOf(entry));
    return;
  }
  await makeParents(context, parts, entry.mtime);
  const kind = entry.kind;
  known.set(parts, kind === 'dir' || kind === 'symlink' ? kind : 'other');
  await makeEntry(tree, entry, path, signal);
}

async function makeEntry(
  tree: Tree,
  entry: TarEntry,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const { kind } = entry;
  const meta = metaOf(entry);
  switch (kind) {
    case 'dir':
      await tree.dir(path, meta);
      break;
    case 'file':
      await tree.file(path, meta, entry.size);
      await fillFile(tree, entry, signal);
      break;
    case 'symlink':
      if (entry.linkPath === '' || entry.linkPath.length > 4095) {
        throw new EngineError('corrupt', `invalid symlink ${JSON.stringify(path)}`);
      }
      await tree.symlink(path, entry.linkPath, meta);
      break;
    case 'link':
      await tree.link(path, splitHardLink(path, entry.linkPath));
      return; // One inode with the entry it points to: that one has the attributes.
    case 'char':
    case 'block':
    case 'fifo':
      await tree.node(path, kind, entry.major, entry.minor, meta);
      break;
    case 'other': {
      const type = entry.type.charCodeAt(0);
      throw new EngineError('corrupt', `unhandled tar header type ${type}`);
    }
    default:
      kind satisfies never;
  }
  // Last: chown(2) and write(2) clear file capabilities (capabilities(7)).
  for (const [name, value] of entry.xattrs) {
    if (keepsXattr(name, kind)) await tree.xattr(path, name, value);
  }
}

async function fillFile(tree: Tree, entry: TarEntry, signal: AbortSignal): Promise<void> {
  const extents = entry.extents();
  if (extents !== undefined) {
    for (const extent of extents) {
      if ('hole' in extent) await tree.hole(extent.hole);
      else if (extent.length > 0) await tree.copy(extent.offset, extent.length);
    }
    return;
  }
  for await (const piece of entry.body) {
    signal.throwIfAborted();
    if (piece instanceof Uint8Array) await tree.data(piece);
    else await tree.hole(piece.hole);
  }
}

function metaOf(entry: TarEntry): TreeMeta {
  return { mode: entry.mode, uid: entry.uid, gid: entry.gid, mtime: entry.mtime };
}

/**
 * Directories that entries imply. In the union such a directory covers the lower one of the same
 * name, so it must look like that one; Docker makes it 0755 root.
 */
async function makeParents(
  context: Context,
  parts: readonly string[],
  mtime: bigint,
): Promise<void> {
  for (const parent of context.known.missingParents(parts)) {
    const meta = lowerMeta(context.lower ?? [], parent) ?? { mode: 0o755, uid: 0, gid: 0, mtime };
    await context.tree.dir(parent.join('/'), meta);
  }
}

/**
 * Synchronous on purpose: this runs in a worker, and a thread-pool trip costs more than lstat(2).
 */
function lowerMeta(lower: readonly string[], parts: readonly string[]): TreeMeta | undefined {
  next: for (const root of lower) {
    let path = root;
    let meta: TreeMeta | undefined;
    for (const part of parts) {
      path = `${path}/${part}`;
      const bytes = Buffer.concat([
        Buffer.from(root),
        Buffer.from(path.slice(root.length), 'latin1'),
      ]);
      // Component by component, so that a link in a lower layer is never followed.
      const stat = lstatSync(bytes, { bigint: true, throwIfNoEntry: false });
      if (stat === undefined) continue next;
      if (!stat.isDirectory()) return undefined;
      meta = {
        mode: Number(stat.mode & 0o7777n),
        uid: Number(stat.uid),
        gid: Number(stat.gid),
        mtime: stat.mtimeNs,
      };
    }
    return meta;
  }
  return undefined;
}
