// The tar decoder: a stream of bytes becomes a stream of entries. It reads what GNU tar, bsdtar and
// Go's archive/tar write (ustar, pax, GNU long names, sparse files, base-256 numbers). It trusts
// nothing: every length has a limit, a bad checksum or an early end throws `corrupt`. It knows no
// file system: which names are dangerous is decided by whoever writes files.
import { ByteReader } from './byte-reader.ts';
import {
  BLOCK_BYTES,
  ENTRY_BYTES_MAX,
  type Header,
  ID_MAX,
  corrupt,
  inRange,
  isZeroBlock,
  parseHeader,
  tooBig,
} from './header.ts';
import { PAX_BYTES_MAX, type PaxRecord, parsePax, parsePaxInteger, parsePaxTime } from './pax.ts';
import { type Sparse, checkSparse, paxSparse, readBodyMap, readOldSparse } from './sparse.ts';

/** Bytes of a GNU long name or long link body. */
export const LONG_NAME_BYTES_MAX = 64 * 1024;
/** Extended headers in front of one entry. */
export const EXTENSIONS_MAX = 16;

const XATTR_PREFIX = 'SCHILY.xattr.';

export type EntryKind = 'file' | 'dir' | 'symlink' | 'link' | 'char' | 'block' | 'fifo' | 'other';

/** A part of a file's content: bytes, or the length of a hole. */
export type Piece = Uint8Array | { readonly hole: number };

export type TarEntry = {
  readonly kind: EntryKind;
  /** The type flag, one character; tells more only for `other`. */
  readonly type: string;
  /** A binary string, exactly as stored: may be absolute, contain `..`, end in `/`. */
  readonly path: string;
  readonly linkPath: string;
  readonly mode: number; // permission, setuid, setgid and sticky bits only
  readonly uid: number;
  readonly gid: number;
  readonly uname: string;
  readonly gname: string;
  readonly mtime: bigint; // nanoseconds
  /** Of the content, holes included. */
  readonly size: number;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: ReadonlyMap<string, Buffer>;
  /** The content, once; what is not read is skipped when the next entry is asked for. */
  readonly body: AsyncIterable<Piece>;
  /**
   * In place of the body: where in the source the content is. undefined if the source is no file,
   * or too short.
   */
  extents(): readonly Extent[] | undefined;
};

const KINDS: Readonly<Record<string, EntryKind>> = {
  '\0': 'file',
  '0': 'file',
  '7': 'file',
  S: 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'dir',
  '6': 'fifo',
};

/** A part of a file's content: where in the archive it is, or the length of a hole. */
export type Extent =
  | { readonly offset: number; readonly length: number }
  | { readonly hole: number };

type Extensions = { pax: PaxRecord[]; longName?: string; longLink?: string };

/**
 * Entries in order. Reads the source to its end, so that a digest taken upstream is of all of it.
 */
export async function* decodeTar(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<TarEntry, void, undefined> {
  const reader = new ByteReader(source);
  try {
    let extensions: Extensions = { pax: [] };
    let pending = 0;
    for (;;) {
      const block = reader.take(BLOCK_BYTES) ?? (await reader.read(BLOCK_BYTES));
      if (block === undefined || isZeroBlock(block)) {
        if (pending > 0) throw corrupt('extended header without an entry');
        await readTrailer(reader, block);
        return;
      }
      const header = parseHeader(block);
      if (await readExtension(reader, header, extensions)) {
        pending += header.type === 'g' ? 0 : 1;
        if (pending > EXTENSIONS_MAX) {
          throw tooBig('number of extended headers', 'EXTENSIONS_MAX', EXTENSIONS_MAX);
        }
        continue;
      }
      const { entry, finish } = await openEntry(reader, block, header, extensions);
      extensions = { pax: [] };
      pending = 0;
      yield entry;
      await finish();
    }
  } finally {
    await reader.close();
  }
}

async function readTrailer(reader: ByteReader, first: Buffer | undefined): Promise<void> {
  // The zero blocks may be missing: some builders write none, and Go and GNU tar want none.
  if (first === undefined) return;
  // One zero block and then the end: Go and GNU tar accept it ("a lone zero block").
  const second = await reader.read(BLOCK_BYTES);
  if (second !== undefined && !isZeroBlock(second)) throw corrupt('data after a zero block');
  await reader.drain();
}

/** Consumes a header that only describes the next one; false for an entry of its own. */
async function readExtension(
  reader: ByteReader,
  header: Header,
  extensions: Extensions,
): Promise<boolean> {
  switch (header.type) {
    case 'x':
    case 'X': // Solaris wrote pax headers with this letter.
      extensions.pax = parsePax(
        await readBody(reader, header.size, 'PAX_BYTES_MAX', PAX_BYTES_MAX),
      );
      return true;
    case 'g': // Docker ignores global headers (git archive writes one, with the commit); so do we.
      await readBody(reader, header.size, 'PAX_BYTES_MAX', PAX_BYTES_MAX);
      return true;
    case 'L':
      extensions.longName = await readName(reader, header.size);
      return true;
    case 'K':
      extensions.longLink = await readName(reader, header.size);
      return true;
    case 'V': // A GNU volume label names the archive, not a file.
      await reader.skip(padded(header.size));
      return true;
    default:
      return false;
  }
}

async function readName(reader: ByteReader, size: number): Promise<string> {
  const body = await readBody(reader, size, 'LONG_NAME_BYTES_MAX', LONG_NAME_BYTES_MAX);
  const end = body.indexOf(0);
  return body.toString('latin1', 0, end < 0 ? body.length : end);
}

async function readBody(
  reader: ByteReader,
  size: number,
  limit: string,
  max: number,
): Promise<Buffer> {
  if (size > max) throw tooBig('extended header', limit, max);
  const body = await reader.read(padded(size));
  if (body === undefined && size > 0) throw corrupt('unexpected end of archive');
  return (body ?? Buffer.alloc(0)).subarray(0, size);
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
}

type Fields = {
  path: string;
  linkPath: string;
  size: number;
  uid: number;
  gid: number;
  uname: string;
  gname: string;
  mtime: bigint;
};

/** The header's fields as the extended headers change them. */
function mergeFields(header: Header, extensions: Extensions): Fields {
  const { name, prefix } = header;
  const fields: Fields = {
    ...header,
    path: prefix === '' ? name : `${prefix}/${name}`,
    linkPath: header.linkName,
  };
  for (const { key, value } of extensions.pax) if (value !== '') mergeRecord(fields, key, value);
  const sparseName = extensions.pax.find((record) => record.key === 'GNU.sparse.name')?.value;
  if (sparseName !== undefined && sparseName !== '') fields.path = sparseName;
  // As Go, which Docker uses: a GNU long name wins over a pax path.
  if (extensions.longName !== undefined) fields.path = extensions.longName;
  if (extensions.longLink !== undefined) fields.linkPath = extensions.longLink;
  if (fields.path.includes('\0') || fields.linkPath.includes('\0')) throw corrupt('NUL in a name');
  return fields;
}

function mergeRecord(fields: Fields, key: string, value: string): void {
  const integer = (max: number, limit: string) =>
    inRange(parsePaxInteger(value, key), max, key, limit);
  switch (key) {
    case 'path':
      fields.path = value;
      break;
    case 'linkpath':
      fields.linkPath = value;
      break;
    case 'size':
      fields.size = integer(ENTRY_BYTES_MAX, 'ENTRY_BYTES_MAX');
      break;
    case 'uid':
      fields.uid = integer(ID_MAX, 'ID_MAX');
      break;
    case 'gid':
      fields.gid = integer(ID_MAX, 'ID_MAX');
      break;
    case 'uname':
      fields.uname = value;
      break;
    case 'gname':
      fields.gname = value;
      break;
    case 'mtime':
      fields.mtime = parsePaxTime(value);
      break;
    // hdrcharset needs nothing: names stay bytes whatever they are said to be.
  }
}

function xattrsOf(records: readonly PaxRecord[]): ReadonlyMap<string, Buffer> {
  const xattrs = new Map<string, Buffer>();
  for (const { key, value } of records) {
    if (!key.startsWith(XATTR_PREFIX)) continue;
    xattrs.set(key.slice(XATTR_PREFIX.length), Buffer.from(value, 'latin1'));
  }
  return xattrs;
}

async function openEntry(
  reader: ByteReader,
  block: Buffer,
  header: Header,
  extensions: Extensions,
): Promise<{ entry: TarEntry; finish: () => Promise<void> }> {
  const fields = mergeFields(header, extensions);
  let kind = KINDS[header.type] ?? 'other';
  const { size: stored, ...named } = fields;
  // v7 had no type for directories: a name that ends in a slash is one (also GNU tar and Go).
  if (kind === 'file' && fields.path.endsWith('/') && stored === 0) kind = 'dir';
  // Links and nodes have no body, whatever size they claim; as Go, so that both see the same
  // entries.
  const bodyBytes = kind === 'file' || kind === 'other' ? stored : 0;
  const map = await readMap(reader, block, header, extensions.pax, bodyBytes);
  const body = new Body(reader, bodyBytes - map.used, padded(bodyBytes) - map.used, map.sparse);
  const entry: TarEntry = {
    ...named,
    kind,
    type: header.type,
    mode: header.mode,
    size: map.sparse?.size ?? bodyBytes,
    major: header.major,
    minor: header.minor,
    xattrs: xattrsOf(extensions.pax),
    body,
    extents: () => body.extents(),
  };
  return { entry, finish: () => body.finish() };
}

async function readMap(
  reader: ByteReader,
  block: Buffer,
  header: Header,
  records: readonly PaxRecord[],
  bodyBytes: number,
): Promise<{ readonly sparse?: Sparse; readonly used: number }> {
  if (header.type === 'S') {
    const sparse = await readOldSparse(Buffer.from(block), reader);
    checkSparse(sparse, bodyBytes);
    return { sparse, used: 0 };
  }
  if (!records.some((record) => record.key.startsWith('GNU.sparse.'))) return { used: 0 };
  const found = paxSparse(records);
  if (found === undefined) return { used: 0 };
  if (found.map === 'records') {
    checkSparse(found, bodyBytes);
    return { sparse: found, used: 0 };
  }
  const { pieces, used } = await readBodyMap(reader, bodyBytes);
  const sparse = { size: found.size, pieces };
  checkSparse(sparse, bodyBytes - used);
  return { sparse, used };
}

/** One entry's content; it ends when the decoder moves on. */
class Body implements AsyncIterable<Piece> {
  readonly #reader: ByteReader;
  readonly #sparse: Sparse | undefined;
  #data: number;
  #stored: number;
  #closed = false;

  constructor(reader: ByteReader, data: number, stored: number, sparse: Sparse | undefined) {
    this.#reader = reader;
    this.#data = data;
    this.#stored = stored;
    this.#sparse = sparse;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Piece, void, undefined> {
    if (this.#sparse === undefined) {
      yield* this.#bytes(this.#data);
      return;
    }
    let at = 0;
    for (const { offset, length } of this.#sparse.pieces) {
      if (offset > at) yield { hole: offset - at };
      yield* this.#bytes(length);
      at = offset + length;
    }
    if (this.#sparse.size > at) yield { hole: this.#sparse.size - at };
  }

  async *#bytes(length: number): AsyncGenerator<Buffer, void, undefined> {
    let missing = length;
    while (missing > 0) {
      if (this.#closed) throw corrupt('content read after its entry has passed');
      const part =
        this.#reader.take(Math.min(missing, this.#data)) ??
        (await this.#reader.some(Math.min(missing, this.#data)));
      if (part === undefined || part.length === 0) throw corrupt('unexpected end of archive');
      missing -= part.length;
      this.#data -= part.length;
      this.#stored -= part.length;
      yield part;
    }
  }

  extents(): readonly Extent[] | undefined {
    const start = this.#reader.positionOf(this.#stored);
    if (start === undefined) return undefined;
    if (this.#sparse === undefined) return [{ offset: start, length: this.#data }];
    const found: Extent[] = [];
    let from = start;
    let at = 0;
    for (const { offset, length } of this.#sparse.pieces) {
      if (offset > at) found.push({ hole: offset - at });
      found.push({ offset: from, length });
      from += length;
      at = offset + length;
    }
    if (this.#sparse.size > at) found.push({ hole: this.#sparse.size - at });
    return found;
  }

  async finish(): Promise<void> {
    this.#closed = true;
    await this.#reader.skip(this.#stored);
    this.#stored = 0;
  }
}
