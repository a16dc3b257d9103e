// Exact reads over a stream of chunks. Nothing is read ahead of what is asked for, beyond the chunk
// in hand: back-pressure reaches the source. Chunks are passed on as views; nothing is copied that
// lies within one chunk.
import { corrupt } from './header.ts';

const EMPTY = Buffer.alloc(0);

/** A source that can leave bytes out, as a file can. */
export interface SeekableSource extends AsyncIterable<Uint8Array> {
  /** Where its next chunk begins, and its end. */
  readonly position: number;
  readonly size: number;
  seek(position: number): void;
}

export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #seekable: SeekableSource | undefined;
  #chunk: Buffer = EMPTY;
  #offset = 0;
  #ended = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
    this.#seekable = 'seek' in source ? (source as SeekableSource) : undefined;
  }

  /** Where in a seekable source the next byte is, if `length` more are there. */
  positionOf(length: number): number | undefined {
    const source = this.#seekable;
    if (source === undefined) return undefined;
    const position = source.position - (this.#chunk.length - this.#offset);
    return length <= source.size - position ? position : undefined;
  }

  /** `length` bytes if they lie in the chunk in hand: spares the await for small entries. */
  take(length: number): Buffer | undefined {
    if (this.#chunk.length - this.#offset < length) return undefined;
    this.#offset += length;
    return this.#chunk.subarray(this.#offset - length, this.#offset);
  }

  /** Exactly `length` bytes; undefined at a clean end; throws `corrupt` in between. */
  async read(length: number): Promise<Buffer | undefined> {
    const direct = this.take(length);
    if (direct !== undefined) return direct;
    const parts: Buffer[] = [];
    let missing = length;
    while (missing > 0) {
      const part = await this.some(missing);
      if (part === undefined) {
        if (missing === length) return undefined;
        throw corrupt('unexpected end of archive');
      }
      parts.push(Buffer.from(part)); // the next chunk may have the same memory
      missing -= part.length;
    }
    return parts.length === 1 ? parts[0] : Buffer.concat(parts);
  }

  /** Between 1 and `max` bytes; undefined at the end. */
  async some(max: number): Promise<Buffer | undefined> {
    while (this.#offset === this.#chunk.length) {
      if (this.#ended) return undefined;
      const next = await this.#source.next();
      if (next.done === true) {
        this.#ended = true;
        return undefined;
      }
      const { buffer, byteOffset, byteLength } = next.value;
      this.#chunk = Buffer.from(buffer, byteOffset, byteLength);
      this.#offset = 0;
    }
    const end = Math.min(this.#chunk.length, this.#offset + max);
    const part = this.#chunk.subarray(this.#offset, end);
    this.#offset = end;
    return part;
  }

  async skip(length: number): Promise<void> {
    const here = this.positionOf(length);
    if (here !== undefined && length > this.#chunk.length - this.#offset) {
      this.#chunk = EMPTY;
      this.#offset = 0;
      this.#seekable?.seek(here + length);
      return;
    }
    let missing = length;
    while (missing > 0) {
      const part = await this.some(missing);
      if (part === undefined) throw corrupt('unexpected end of archive');
      missing -= part.length;
    }
  }

  /**
   * Reads to the end: what follows the archive's trailer still belongs to the stream's digest. That
   * of a file is known.
   */
  async drain(): Promise<void> {
    if (this.#seekable !== undefined) return;
    while ((await this.some(Number.MAX_SAFE_INTEGER)) !== undefined);
  }

  async close(): Promise<void> {
    this.#ended = true;
    this.#chunk = EMPTY;
    this.#offset = 0;
    await this.#source.return?.();
  }
}
