// A local file or directory as a tar stream. Names are bytes, so directories are read as such.
import {
  type BigIntStats,
  closeSync,
  constants,
  createReadStream,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
} from 'node:fs';
import { posix } from 'node:path';
import { toBinary } from '#tar/binary-path.ts';
import { type EncodeItem, type EncodeKind, encodeTar } from '#tar/encode.ts';
import { type CopyInfo, rename, splitEntry } from './place.ts';

const PIECE_BYTES = 256 * 1024;
const SLASH = Buffer.from('/');
const NANOSECONDS = 1_000_000_000n;

/** `rename` as place.ts prepared it. */
export function pack(
  source: CopyInfo,
  renamed: { readonly from: string; readonly to: string },
): AsyncGenerator<Uint8Array, void, undefined> {
  return encodeTar(items(source, renamed));
}

type Named = (name: string) => string;

/** One entry by itself, without what is in a directory. */
export function* itemsOf(path: Buffer, name: string): Generator<EncodeItem> {
  const stat = lstatSync(path, { bigint: true });
  const kind = kindOf(stat);
  if (kind === undefined) return; // a socket: its listener's
  yield itemOf(path, name, { ...stat, nlink: 1n } as BigIntStats, kind, (same) => same, new Map());
}

function* items(
  source: CopyInfo,
  renamed: { readonly from: string; readonly to: string },
): Generator<EncodeItem> {
  const [directory, base] = splitEntry(source.path);
  const own = toBinary(source.rebase === '' ? base : source.rebase);
  const { from, to } = { from: toBinary(renamed.from), to: toBinary(renamed.to) };
  const nameOf: Named = (name) => rename(name, { from, to });
  yield* walk(Buffer.from(posix.join(directory, base)), own, nameOf, new Map());
}

function* walk(
  path: Buffer,
  name: string,
  nameOf: Named,
  links: Map<string, string>,
): Generator<EncodeItem> {
  const stat = lstatSync(path, { bigint: true });
  const kind = kindOf(stat);
  if (kind === undefined) return; // a socket: its listener's
  yield itemOf(path, name, stat, kind, nameOf, links);
  if (kind !== 'dir') return;
  for (const entry of readdirSync(path, { encoding: 'buffer' }).sort(Buffer.compare)) {
    yield* walk(
      Buffer.concat([path, SLASH, entry]),
      `${name}/${entry.toString('latin1')}`,
      nameOf,
      links,
    );
  }
}

function kindOf(stat: BigIntStats): EncodeKind | undefined {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'dir';
  if (stat.isSymbolicLink()) return 'symlink';
  if (stat.isCharacterDevice()) return 'char';
  if (stat.isBlockDevice()) return 'block';
  return stat.isFIFO() ? 'fifo' : undefined;
}

function itemOf(
  path: Buffer,
  name: string,
  stat: BigIntStats,
  kind: EncodeKind,
  nameOf: Named,
  links: Map<string, string>,
): EncodeItem {
  const inode = `${stat.dev}:${stat.ino}`;
  const first = kind !== 'dir' && stat.nlink > 1n ? links.get(inode) : undefined;
  if (kind !== 'dir' && stat.nlink > 1n && first === undefined) links.set(inode, name);
  const link = kind === 'symlink' ? readlinkSync(path, { encoding: 'buffer' }) : undefined;
  const size = Number(stat.size);
  return {
    kind: first === undefined ? kind : 'link',
    path: nameOf(name),
    ...(link === undefined ? {} : { linkPath: link.toString('latin1') }),
    ...(first === undefined ? {} : { linkPath: nameOf(first) }),
    mode: Number(stat.mode),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtime: (stat.mtimeNs / NANOSECONDS) * NANOSECONDS,
    size: kind === 'file' && first === undefined ? size : 0,
    ...deviceOf(stat.rdev),
    ...(kind === 'file' && first === undefined && size > 0 ? { body: content(path, size) } : {}),
  };
}

/** makedev(3), backwards. */
function deviceOf(rdev: bigint): { readonly major: number; readonly minor: number } {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n);
  return { major: Number(major), minor: Number(minor) };
}

/** As many bytes as the header says, whatever is written meanwhile. */
async function* content(path: Buffer, size: number): AsyncGenerator<Uint8Array> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  let left = size;
  try {
    const stream = createReadStream('', {
      fd,
      autoClose: false,
      end: size - 1,
      highWaterMark: PIECE_BYTES,
    });
    for await (const piece of stream as AsyncIterable<Buffer>) {
      left -= piece.length;
      yield piece;
    }
  } finally {
    closeSync(fd);
  }
  for (; left > 0; left -= PIECE_BYTES) yield Buffer.alloc(Math.min(left, PIECE_BYTES));
}
