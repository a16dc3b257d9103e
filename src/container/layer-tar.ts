// What a container has written, as the archive of a layer (OCI image-spec layer.md): whiteouts for
// what is gone, a mark for a directory that hides all below it. Owners are as on disk, where they
// are the container's own.
import { EngineError } from '#base/error.ts';
import type { TreeEntry, TreeRecord } from '#runtime/visit.ts';
import { toText } from '#tar/binary-path.ts';
import type { EncodeEntry } from '#tar/encode.ts';
import { encodeTree, headerOf, type HeaderOf } from './archive-tar.ts';
import { isDirectory } from './archive-path.ts';
import { idShift } from './id-shift.ts';

const PREFIX = '.wh.';
const OPAQUE = '.wh..wh..opq';
const MARK_MODE = 0o600;
const S_IFREG = 0o100000;
const NANOSECONDS = 1_000_000_000n;
const SAME_IDS = idShift(undefined);

export function encodeLayer(
  batches: AsyncIterable<readonly TreeRecord[]>,
  options: { readonly marks: boolean },
): AsyncGenerator<Uint8Array, void, undefined> {
  return encodeTree(batches, layerHeaders(options.marks));
}

/** The archive is empty when nothing was written. */
export function layerHeaders(marks: boolean): HeaderOf {
  const opaque = new Set<string>();
  const same = (path: string): string => path;
  return (entry) => {
    const { path } = entry;
    const at = path.lastIndexOf('/') + 1;
    const [directory, name] = [path.slice(0, at), path.slice(at)];
    // The root belongs to the image, and an archive that only names it is a layer of nothing.
    if (path === '') return [];
    // What is in a directory that hides all below it needs no mark of its own.
    if (entry.gone && marks && opaque.has(directory)) return [];
    if (entry.gone) return [mark(entry, `${directory}${PREFIX}${name}`)];
    if (name.startsWith(PREFIX)) throw unspeakable(path);
    const header = headerOf(entry, path, same, SAME_IDS);
    if (!entry.opaque || !isDirectory(entry.mode)) return [header];
    opaque.add(`${path}/`);
    const { mode, uid, gid } = header;
    const hides = mark(entry, `${path}/${OPAQUE}`);
    return [header, { ...hides, mode: S_IFREG | (mode & 0o777), uid: uid ?? 0, gid: gid ?? 0 }];
  };
}

function mark({ mtime }: TreeEntry, path: string): EncodeEntry {
  return {
    kind: 'file',
    path,
    mode: S_IFREG | MARK_MODE,
    mtime: mtime - (mtime % NANOSECONDS),
  };
}

function unspeakable(path: string): EngineError {
  const shown = JSON.stringify(`/${toText(path)}`);
  return new EngineError(
    'invalid_argument',
    `${shown} cannot be in a layer: names that begin with "${PREFIX}" say there that a file is gone`,
  );
}
