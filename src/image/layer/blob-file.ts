// A blob on the disk as a source of bytes. Reads are synchronous: they are made in a thread of
// their own, and a trip through the thread pool costs more than what is in the page cache. Of a
// plain archive the decoder passes over the content of files, which goes from file to file inside
// the kernel.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { SeekableSource } from '#tar/byte-reader.ts';

/** Many small entries, or one header of a large one. */
const READ_BYTES = 128 * 1024;

export class BlobFile implements SeekableSource, Disposable {
  readonly size: number;
  readonly #fd: number;
  readonly #onRead: (position: number) => void;
  readonly #memory = Buffer.allocUnsafeSlow(READ_BYTES);
  position = 0;

  constructor(path: string, onRead: (position: number) => void) {
    this.#fd = openSync(path, 'r');
    this.#onRead = onRead;
    this.size = fstatSync(this.#fd).size;
  }

  seek(position: number): void {
    this.position = position;
  }

  /** Each chunk takes the place of the one before. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const count = readSync(this.#fd, this.#memory, 0, READ_BYTES, this.position);
      if (count === 0) return;
      this.position += count;
      this.#onRead(this.position);
      yield this.#memory.subarray(0, count);
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
