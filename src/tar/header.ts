// One 512-byte tar header block: POSIX ustar (pax(1), "ustar Interchange Format"), the old GNU
// format and v7. Names are binary strings (latin1: one character is one byte), because tar names
// are bytes and Linux file names need not be UTF-8.
import { EngineError } from '#base/error.ts';

export const BLOCK_BYTES = 512;
/** No entry may claim more: 8 TiB, far beyond any layer and far below 2^53. */
export const ENTRY_BYTES_MAX = 2 ** 43;
/** The kernel's uid_t and gid_t, without (uid_t) -1, which means "no change" to chown(2). */
export const ID_MAX = 2 ** 32 - 2;

export type Header = {
  readonly name: string;
  readonly prefix: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: bigint; // nanoseconds
  readonly type: string;
  readonly linkName: string;
  readonly format: 'v7' | 'ustar' | 'gnu';
  readonly uname: string;
  readonly gname: string;
  readonly major: number;
  readonly minor: number;
};

export function corrupt(message: string): EngineError {
  return new EngineError('corrupt', `invalid tar archive: ${message}`);
}

export function tooBig(what: string, limit: string, max: number): EngineError {
  return new EngineError(
    'limit_exceeded',
    `invalid tar archive: ${what} exceeds ${limit} (${max})`,
    {
      facts: { limit, max },
    },
  );
}

/** The text up to the first NUL. */
function field(block: Buffer, offset: number, length: number): string {
  let end = offset;
  while (end < offset + length && block[end] !== 0) end += 1;
  return block.toString('latin1', offset, end);
}

/**
 * A number field: octal digits with spaces or NULs around, or (GNU) base-256 when the first bit is
 * set, two's complement below that.
 */
export function numberField(block: Buffer, offset: number, length: number, what: string): bigint {
  const first = block[offset] ?? 0;
  if ((first & 0x80) !== 0) return base256(block, offset, length);
  const text = field(block, offset, length).trim();
  if (text === '') return 0n;
  if (!/^[0-7]+$/.test(text)) throw corrupt(`bad ${what} field`);
  return BigInt(`0o${text}`);
}

function base256(block: Buffer, offset: number, length: number): bigint {
  const negative = ((block[offset] ?? 0) & 0x40) !== 0;
  let value = negative ? -1n : 0n;
  for (let i = 0; i < length; i += 1) {
    let byte = block[offset + i] ?? 0;
    if (i === 0) byte = negative ? byte | 0x80 : byte & 0x7f;
    value = (value << 8n) | BigInt(byte);
  }
  return value;
}

/** Checks the range before a bigint becomes a number. */
export function inRange(value: bigint, max: number, what: string, limit: string): number {
  if (value < 0n) throw corrupt(`negative ${what}`);
  if (value > BigInt(max)) throw tooBig(what, limit, max);
  return Number(value);
}

export function isZeroBlock(block: Buffer): boolean {
  for (let i = 0; i < BLOCK_BYTES; i += 4) if (block.readUInt32LE(i) !== 0) return false;
  return true;
}

function checksumMatches(block: Buffer): boolean {
  const stored = Number(numberField(block, 148, 8, 'checksum'));
  let unsigned = 8 * 0x20;
  let signed = unsigned; // Some old writers summed signed characters; readers accept both.
  for (let i = 0; i < BLOCK_BYTES; i += 1) {
    if (i === 148) i = 156;
    const byte = block[i] ?? 0;
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  return stored === unsigned || stored === signed;
}

function formatOf(block: Buffer): Header['format'] {
  if (block.toString('latin1', 257, 262) !== 'ustar') return 'v7';
  return block.toString('latin1', 257, 265) === 'ustar  \0' ? 'gnu' : 'ustar';
}

/** Parses a header block that is not zero. */
export function parseHeader(block: Buffer): Header {
  if (!checksumMatches(block)) throw corrupt('header checksum does not match');
  const format = formatOf(block);
  const type = String.fromCharCode(block[156] ?? 0);
  const device = format !== 'v7' && (type === '3' || type === '4');
  return {
    name: field(block, 0, 100),
    mode: Number(numberField(block, 100, 8, 'mode') & 0o7777n),
    uid: inRange(numberField(block, 108, 8, 'uid'), ID_MAX, 'uid', 'ID_MAX'),
    gid: inRange(numberField(block, 116, 8, 'gid'), ID_MAX, 'gid', 'ID_MAX'),
    size: inRange(numberField(block, 124, 12, 'size'), ENTRY_BYTES_MAX, 'size', 'ENTRY_BYTES_MAX'),
    mtime: numberField(block, 136, 12, 'mtime') * 1_000_000_000n,
    type,
    linkName: field(block, 157, 100),
    format,
    uname: format === 'v7' ? '' : field(block, 265, 32),
    gname: format === 'v7' ? '' : field(block, 297, 32),
    major: device ? Number(numberField(block, 329, 8, 'devmajor') & 0xffffffffn) : 0,
    minor: device ? Number(numberField(block, 337, 8, 'devminor') & 0xffffffffn) : 0,
    // In the GNU format these bytes hold atime, ctime and the sparse map, not a prefix.
    prefix: format === 'ustar' ? field(block, 345, 155) : '',
  };
}

/** The unsigned sum of a header whose checksum field counts as spaces. */
export function checksumOf(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let i = 0; i < BLOCK_BYTES; i += 1) if (i < 148 || i >= 156) sum += block[i] ?? 0;
  return sum;
}
