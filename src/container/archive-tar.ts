// Records of a tree → the bytes of a tar archive, as dockerd's: whole seconds, modes with their
// kind, hard links to the first name, holes as zeros. Bytes go out as soon as there are enough of
// them; nothing is kept but what is between two of those.
import {
  type EncodeEntry,
  type EncodeKind,
  encodeHeader,
  paddingOf,
  TRAILER,
} from '#tar/encode.ts';
import type { TreeEntry, TreeRecord } from '#runtime/visit.ts';
import { capabilityToInside, type IdShift } from './id-shift.ts';

/** Pieces that go out are about so large. */
const PIECE_BYTES = 64 * 1024;
const ZEROS = Buffer.alloc(PIECE_BYTES);
const NANOSECONDS = 1_000_000_000n;
const CAPABILITY = 'security.capability';

const KINDS: ReadonlyMap<number, EncodeKind> = new Map([
  [0o100000, 'file'],
  [0o040000, 'dir'],
  [0o120000, 'symlink'],
  [0o020000, 'char'],
  [0o060000, 'block'],
  [0o010000, 'fifo'],
]);

/** What an entry is called in the archive; undefined leaves it out. */
export type Naming = (path: string) => string | undefined;

/** One entry's headers. */
export type HeaderOf = (entry: TreeEntry) => readonly EncodeEntry[];

/** As `docker cp` and `export` have them. */
export function plainHeader(nameOf: Naming, ids: IdShift): HeaderOf {
  return (entry) => {
    const path = nameOf(entry.path);
    return path === undefined ? [] : [headerOf(entry, path, nameOf, ids)];
  };
}

export function headerOf(
  entry: TreeEntry,
  path: string,
  nameOf: Naming,
  ids: IdShift,
): EncodeEntry {
  const kind = entry.hardLink ? 'link' : (KINDS.get(entry.mode & 0o170000) ?? 'file');
  return {
    kind,
    path,
    linkPath: entry.hardLink ? (nameOf(entry.link) ?? '') : entry.link,
    mode: entry.mode,
    uid: ids.toInside(entry.uid),
    gid: ids.toInside(entry.gid),
    mtime: (entry.mtime / NANOSECONDS) * NANOSECONDS,
    size: kind === 'file' ? entry.size : 0,
    major: entry.major,
    minor: entry.minor,
    xattrs: insideXattrs(entry.xattrs),
  };
}

function insideXattrs(xattrs: ReadonlyMap<string, Buffer>): ReadonlyMap<string, Buffer> {
  const value = xattrs.get(CAPABILITY);
  if (value === undefined) return xattrs;
  return new Map(xattrs).set(CAPABILITY, capabilityToInside(value));
}

export async function* encodeTree(
  batches: AsyncIterable<readonly TreeRecord[]>,
  headersOf: HeaderOf,
): AsyncGenerator<Uint8Array, void, undefined> {
  const out = new Pieces();
  let padding: Uint8Array | undefined;
  let content = false;
  for await (const records of batches) {
    for (const record of records) {
      if (record.kind === 'entry') {
        if (padding !== undefined) out.add(padding);
        padding = undefined;
        const headers = headersOf(record);
        for (const header of headers) out.add(encodeHeader(header));
        const file = headers.find(({ kind, size = 0 }) => kind === 'file' && size > 0);
        content = file !== undefined;
        if (file !== undefined) padding = paddingOf(file.size ?? 0);
      } else if (content && record.kind === 'data') {
        out.add(record.data);
      } else if (content && record.kind === 'zeros') {
        yield* out.take();
        yield* zeros(record.length);
      }
      if (out.bytes >= PIECE_BYTES) yield* out.take();
    }
  }
  if (padding !== undefined) out.add(padding);
  out.add(TRAILER);
  yield* out.take();
}

function* zeros(length: number): Generator<Uint8Array> {
  for (let left = length; left > 0; left -= PIECE_BYTES) {
    yield left < PIECE_BYTES ? ZEROS.subarray(0, left) : ZEROS;
  }
}

/** Small pieces that become one. */
class Pieces {
  #parts: Uint8Array[] = [];
  bytes = 0;

  add(part: Uint8Array): void {
    if (part.length === 0) return;
    this.#parts.push(part);
    this.bytes += part.length;
  }

  *take(): Generator<Uint8Array> {
    const [first] = this.#parts;
    if (first === undefined) return;
    const whole = this.#parts.length === 1 ? first : Buffer.concat(this.#parts, this.bytes);
    this.#parts = [];
    this.bytes = 0;
    yield whole;
  }
}
