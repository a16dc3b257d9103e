// Sparse files as GNU tar stores them: the old map in the header ('S'), and the pax formats 0.0,
// 0.1 and 1.0 (tar manual, "Storing Sparse Files"). A map lists the pieces that hold data; the rest
// are holes.
import type { ByteReader } from './byte-reader.ts';
import { BLOCK_BYTES, ENTRY_BYTES_MAX, corrupt, inRange, numberField, tooBig } from './header.ts';
import { type PaxRecord, parsePaxInteger } from './pax.ts';

/** Pieces in one file's map. */
export const SPARSE_PIECES_MAX = 65_536;

export type SparsePiece = { readonly offset: number; readonly length: number };
export type Sparse = { readonly size: number; readonly pieces: readonly SparsePiece[] };

/** The map must be ordered, without overlap, inside the file, and its data must fill the body. */
export function checkSparse(sparse: Sparse, dataBytes: number): void {
  let end = 0;
  let sum = 0;
  for (const piece of sparse.pieces) {
    if (piece.offset < end) throw corrupt('sparse map out of order');
    end = piece.offset + piece.length;
    sum += piece.length;
  }
  if (end > sparse.size) throw corrupt('sparse map beyond the end of the file');
  if (sum !== dataBytes) throw corrupt('sparse map does not match the data');
}

const size = (value: bigint) => inRange(value, ENTRY_BYTES_MAX, 'sparse size', 'ENTRY_BYTES_MAX');

function add(pieces: SparsePiece[], offset: bigint, length: bigint): void {
  if (pieces.length === SPARSE_PIECES_MAX) {
    throw tooBig('sparse map', 'SPARSE_PIECES_MAX', SPARSE_PIECES_MAX);
  }
  pieces.push({ offset: size(offset), length: size(length) });
}

/** Old GNU: four pieces and the real size in the header, 21 more in each continuation block. */
export async function readOldSparse(block: Buffer, reader: ByteReader): Promise<Sparse> {
  const pieces: SparsePiece[] = [];
  const realSize = size(numberField(block, 483, 12, 'real size'));
  addBlock(pieces, block, 386, 4);
  let more = block[482] !== 0;
  while (more) {
    const next = await reader.read(BLOCK_BYTES);
    if (next === undefined) throw corrupt('unexpected end of archive');
    addBlock(pieces, next, 0, 21);
    more = next[504] !== 0;
  }
  return { size: realSize, pieces };
}

function addBlock(pieces: SparsePiece[], block: Buffer, offset: number, count: number): void {
  for (let i = 0; i < count; i += 1) {
    const at = offset + i * 24;
    if (block[at] === 0) return; // An unused slot; and so are those after it.
    const start = numberField(block, at, 12, 'sparse offset');
    add(pieces, start, numberField(block, at + 12, 12, 'sparse length'));
  }
}

/** What pax records say of sparseness: pieces (0.0, 0.1), or that the map leads the body (1.0). */
export type PaxSparse =
  | { readonly map: 'records'; readonly size: number; readonly pieces: readonly SparsePiece[] }
  | { readonly map: 'body'; readonly size: number };

export function paxSparse(records: readonly PaxRecord[]): PaxSparse | undefined {
  const values = new Map(records.map((record) => [record.key, record.value]));
  const real = values.get('GNU.sparse.realsize') ?? values.get('GNU.sparse.size');
  const version = `${values.get('GNU.sparse.major') ?? 0}.${values.get('GNU.sparse.minor') ?? 0}`;
  const integer = (text: string | undefined) => parsePaxInteger(text ?? '', 'sparse number');
  if (version === '1.0') return { map: 'body', size: size(integer(real)) };
  if (version !== '0.0' && version !== '0.1') throw corrupt(`unknown sparse format ${version}`);
  const pieces: SparsePiece[] = [];
  const map = values.get('GNU.sparse.map');
  if (map !== undefined) {
    const numbers = map === '' ? [] : map.split(',');
    if (numbers.length % 2 !== 0) throw corrupt('bad sparse map');
    for (let i = 0; i < numbers.length; i += 2) {
      add(pieces, integer(numbers[i]), integer(numbers[i + 1]));
    }
  } else if (values.has('GNU.sparse.numblocks')) {
    let offset: string | undefined;
    for (const { key, value } of records) {
      if (key === 'GNU.sparse.offset') offset = value;
      if (key === 'GNU.sparse.numbytes') add(pieces, integer(offset), integer(value));
    }
  } else {
    return undefined;
  }
  return { map: 'records', size: size(integer(real)), pieces };
}

/** Format 1.0: decimal lines at the start of the body, padded to a block. */
export async function readBodyMap(
  reader: ByteReader,
  bodyBytes: number,
): Promise<{ readonly pieces: SparsePiece[]; readonly used: number }> {
  let text = '';
  let used = 0;
  const lines: string[] = [];
  const wanted = (): number => (lines.length === 0 ? 1 : 1 + 2 * count(lines[0] ?? ''));
  while (lines.length < wanted()) {
    if (used + BLOCK_BYTES > bodyBytes) throw corrupt('sparse map beyond the body');
    const block = await reader.read(BLOCK_BYTES);
    if (block === undefined) throw corrupt('unexpected end of archive');
    used += BLOCK_BYTES;
    const parts = (text + block.toString('latin1')).split('\n');
    text = parts.pop() ?? '';
    if (text.length > BLOCK_BYTES) throw corrupt('bad sparse map');
    for (const part of parts) if (lines.length < 1 || lines.length < wanted()) lines.push(part);
  }
  const pieces: SparsePiece[] = [];
  for (let i = 1; i < lines.length; i += 2) {
    const offset = parsePaxInteger(lines[i] ?? '', 'sparse number');
    add(pieces, offset, parsePaxInteger(lines[i + 1] ?? '', 'sparse number'));
  }
  return { pieces, used };
}

function count(line: string): number {
  const value = parsePaxInteger(line, 'sparse number');
  return inRange(value, SPARSE_PIECES_MAX, 'sparse map', 'SPARSE_PIECES_MAX');
}
