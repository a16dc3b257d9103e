// The tar encoder: ustar headers, and a pax header in front where ustar cannot say it (long or
// non-ASCII names, big numbers, fractions of a second, xattrs). The same entries always give the
// same bytes.
import { EngineError } from '#base/error.ts';
import { BLOCK_BYTES, checksumOf } from './header.ts';
import { encodePaxRecord, formatPaxTime } from './pax.ts';

export type EncodeKind = 'file' | 'dir' | 'symlink' | 'link' | 'char' | 'block' | 'fifo';

export type EncodeEntry = {
  readonly kind: EncodeKind;
  /** A binary string; directories get their slash here. */
  readonly path: string;
  readonly linkPath?: string;
  /**
   * Permissions; with the kind of the file too, as Go's writer has it, when the caller gives it.
   */
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly uname?: string;
  readonly gname?: string;
  readonly mtime?: bigint; // nanoseconds
  readonly size?: number;
  readonly major?: number;
  readonly minor?: number;
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
};

export type EncodeItem = EncodeEntry & {
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
};

const TYPES: Readonly<Record<EncodeKind, string>> = {
  file: '0',
  link: '1',
  symlink: '2',
  char: '3',
  block: '4',
  dir: '5',
  fifo: '6',
};

/** Two zero blocks end an archive. */
export const TRAILER = Buffer.alloc(2 * BLOCK_BYTES);

/** Zeros that fill the last block of a body. */
export function paddingOf(size: number): Buffer {
  return Buffer.alloc((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES);
}

/** All header blocks of one entry. */
export function encodeHeader(entry: EncodeEntry): Buffer {
  const path = entry.kind === 'dir' && !entry.path.endsWith('/') ? `${entry.path}/` : entry.path;
  const records: [string, string][] = [];
  const split = splitPath(path);
  if (split === undefined || !isAscii(path)) records.push(['path', path]);
  const link = entry.linkPath ?? '';
  if (link.length > 100 || !isAscii(link)) records.push(['linkpath', link]);
  const size = entry.kind === 'file' ? (entry.size ?? 0) : 0;
  if (size > 0o77777777777) records.push(['size', String(size)]);
  if ((entry.uid ?? 0) > 0o7777777) records.push(['uid', String(entry.uid)]);
  if ((entry.gid ?? 0) > 0o7777777) records.push(['gid', String(entry.gid)]);
  const mtime = entry.mtime ?? 0n;
  if (mtime % 1_000_000_000n !== 0n || mtime < 0n || mtime / 1_000_000_000n > 0o77777777777n) {
    records.push(['mtime', formatPaxTime(mtime)]);
  }
  for (const [name, value] of entry.xattrs ?? []) {
    records.push([`SCHILY.xattr.${name}`, Buffer.from(value).toString('latin1')]);
  }
  const main = block(entry, split ?? { prefix: '', name: path.slice(0, 100) }, size);
  return records.length === 0 ? main : Buffer.concat([paxBlocks(path, records), main]);
}

function paxBlocks(path: string, records: readonly [string, string][]): Buffer {
  const text = records.map(([key, value]) => encodePaxRecord(key, value)).join('');
  const body = Buffer.from(text, 'latin1');
  const base = path.replace(/\/+$/, '').split('/').at(-1) ?? '';
  const name = `PaxHeaders.0/${base.replace(/[^\x21-\x7e]/g, '_')}`.slice(0, 100);
  const entry: EncodeEntry = { kind: 'file', path: name, mode: 0o644 };
  const head = block(entry, { prefix: '', name }, body.length, 'x');
  return Buffer.concat([head, body, paddingOf(body.length)]);
}

function block(
  entry: EncodeEntry,
  where: { readonly prefix: string; readonly name: string },
  size: number,
  type: string = TYPES[entry.kind],
): Buffer {
  const out = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number | bigint, at: number, length: number) => {
    const max = 8n ** BigInt(length - 1) - 1n;
    const big = BigInt(value);
    // What does not fit is in a pax record, which readers prefer.
    const fit = big < 0n || big > max ? 0n : big;
    out.write(fit.toString(8).padStart(length - 1, '0'), at, 'latin1');
  };
  out.write(where.name, 0, 100, 'latin1');
  octal(entry.mode & 0o177777, 100, 8);
  octal(entry.uid ?? 0, 108, 8);
  octal(entry.gid ?? 0, 116, 8);
  octal(size, 124, 12);
  octal((entry.mtime ?? 0n) / 1_000_000_000n, 136, 12);
  out.write(type, 156, 'latin1');
  out.write(entry.linkPath ?? '', 157, 100, 'latin1');
  out.write('ustar\u000000', 257, 'latin1');
  out.write(entry.uname ?? '', 265, 31, 'latin1');
  out.write(entry.gname ?? '', 297, 31, 'latin1');
  const device = entry.kind === 'char' || entry.kind === 'block';
  octal(device ? (entry.major ?? 0) : 0, 329, 8);
  octal(device ? (entry.minor ?? 0) : 0, 337, 8);
  out.write(where.prefix, 345, 155, 'latin1');
  out.write(`${checksumOf(out).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return out;
}

function isAscii(text: string): boolean {
  return /^[\x00-\x7f]*$/.test(text);
}

/** name alone, or prefix + "/" + name; undefined if ustar cannot hold it. */
function splitPath(path: string): { prefix: string; name: string } | undefined {
  if (path.length <= 100) return { prefix: '', name: path };
  for (let at = path.indexOf('/', path.length - 101); at > 0; at = path.indexOf('/', at + 1)) {
    if (at > 155) return undefined;
    if (at < path.length - 1) return { prefix: path.slice(0, at), name: path.slice(at + 1) };
  }
  return undefined;
}

/** An archive as a stream. A body must have exactly the size that its entry says. */
export async function* encodeTar(
  items: Iterable<EncodeItem> | AsyncIterable<EncodeItem>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const item of items) {
    const size = item.body instanceof Uint8Array ? item.body.length : (item.size ?? 0);
    yield encodeHeader({ ...item, size });
    if (item.kind !== 'file' || size === 0) continue;
    let written = 0;
    for await (const chunk of chunksOf(item.body)) {
      written += chunk.length;
      if (written > size) break;
      yield chunk;
    }
    if (written !== size) {
      throw new EngineError('internal', 'tar entry content does not have its announced size', {
        facts: { path: item.path, size, written },
      });
    }
    if (size % BLOCK_BYTES !== 0) yield paddingOf(size);
  }
  yield TRAILER;
}

async function* chunksOf(
  body: Uint8Array | AsyncIterable<Uint8Array> | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (body instanceof Uint8Array) yield body;
  else if (body !== undefined) yield* body;
}
