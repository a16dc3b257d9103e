// A plain archive in a file, as the tar decoder reads it: the content of files is passed over, for it
// goes from file to file inside the kernel. Reads are synchronous: they are made in a thread of their
// own, and a trip through the thread pool costs more than what is in the page cache.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { SeekableSource } from '#tar/byte-reader.ts';

/** Many small entries, or one header of a large one. */
const READ_BYTES = 64 * 1024;

export class PlainFile implements SeekableSource, Disposable {
  readonly size: number;
  readonly #fd: number;
  readonly #onRead: (position: number) => void;
  position = 0;

  constructor(path: string, onRead: (position: number) => void) {
    this.#fd = openSync(path, 'r');
    this.#onRead = onRead;
    this.size = fstatSync(this.#fd).size;
  }

  seek(position: number): void {
    this.position = position;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const chunk = Buffer.allocUnsafe(READ_BYTES);
      const count = readSync(this.#fd, chunk, 0, READ_BYTES, this.position);
      if (count === 0) return;
      this.position += count;
      this.#onRead(this.position);
      yield chunk.subarray(0, count);
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
