// Several archives in one body, one after the other: pieces with their length before them (four
// bytes, big-endian), and a length of 0 behind each archive. So each may be compressed or not, and
// nobody needs to know beforehand how long it is.
import { EngineError } from '#base/error.ts';

const LENGTH_BYTES = 4;

export async function* encodeParts(
  archives: Iterable<AsyncIterable<Uint8Array>>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (const archive of archives) {
    for await (const bytes of archive) {
      if (bytes.length === 0) continue;
      yield lengthOf(bytes.length);
      yield bytes;
    }
    yield lengthOf(0);
  }
}

function lengthOf(bytes: number): Uint8Array {
  const buffer = Buffer.alloc(LENGTH_BYTES);
  buffer.writeUInt32BE(bytes);
  return buffer;
}

/** Reads them in their order, and holds no more than one chunk of the body. */
export class PartReader implements AsyncDisposable {
  readonly #body: AsyncIterator<Uint8Array>;
  /** Parts whose end has not been read. */
  #parts: number;
  #chunk: Uint8Array = new Uint8Array();
  /** Of the piece that is being read. */
  #left = 0;
  /** Between the first piece of a part and the length of 0 behind it. */
  #isOpen = false;

  constructor(body: AsyncIterable<Uint8Array>, parts: number) {
    this.#parts = parts;
    this.#body = body[Symbol.asyncIterator]();
  }

  /** The next one; who stops before its end leaves the rest to be skipped. */
  async *part(): AsyncGenerator<Uint8Array, void, undefined> {
    while (this.#isOpen) await this.#piece();
    this.#isOpen = true;
    for (;;) {
      const piece = await this.#piece();
      if (piece === undefined) return;
      yield piece;
    }
  }

  /** Lets go of the body, so that somebody else may read or throw away what is left of it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#body.return?.();
  }

  async #piece(): Promise<Uint8Array | undefined> {
    if (this.#left === 0) {
      this.#left = await this.#length();
      this.#isOpen = this.#left > 0;
      if (!this.#isOpen) {
        this.#parts -= 1;
        if (this.#parts === 0) await this.#end();
        return undefined;
      }
    }
    const piece = await this.#take(this.#left);
    this.#left -= piece.length;
    return piece;
  }

  /** A body that is not read to its end would hold up its connection. */
  async #end(): Promise<void> {
    while (this.#chunk.length === 0) {
      const next = await this.#body.next();
      if (next.done === true) return;
      this.#chunk = next.value;
    }
    throw new EngineError('invalid_argument', 'the body goes on behind its last build context');
  }

  async #length(): Promise<number> {
    const bytes = Buffer.alloc(LENGTH_BYTES);
    for (let at = 0; at < LENGTH_BYTES; ) {
      const piece = await this.#take(LENGTH_BYTES - at);
      bytes.set(piece, at);
      at += piece.length;
    }
    return bytes.readUInt32BE();
  }

  /** At least one byte, and no more than that. */
  async #take(bytes: number): Promise<Uint8Array> {
    while (this.#chunk.length === 0) {
      const next = await this.#body.next();
      if (next.done === true) {
        throw new EngineError('invalid_argument', 'the body ends within a build context');
      }
      this.#chunk = next.value;
    }
    const piece = this.#chunk.subarray(0, bytes);
    this.#chunk = this.#chunk.subarray(bytes);
    return piece;
  }
}
