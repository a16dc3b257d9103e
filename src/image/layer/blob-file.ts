// A blob on the disk as a source of bytes. Reads are synchronous: they are made in a thread of
// their own, and a trip through the thread pool costs more than what is in the page cache. Of a
// plain archive the decoder passes over the content of files, which goes from file to file inside
// the kernel.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { EngineError } from '#base/error.ts';
import type { SeekableSource } from '#tar/byte-reader.ts';
import type { Growth } from './growth.ts';

/** Many small entries, or one header of a large one. */
const READ_BYTES = 128 * 1024;

/** The file is still being written. */
type Follow = { readonly growth: Growth; readonly signal: AbortSignal };

export class BlobFile implements SeekableSource, Disposable {
  readonly size: number;
  readonly #fd: number;
  readonly #onRead: (position: number) => void;
  readonly #follow: Follow | undefined;
  readonly #memory = Buffer.allocUnsafeSlow(READ_BYTES);
  position = 0;

  constructor(path: string, onRead: (position: number) => void, follow?: Follow) {
    this.#follow = follow;
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
      const wanted = await this.#readable();
      if (wanted === 0) return;
      const count = readSync(this.#fd, this.#memory, 0, wanted, this.position);
      if (count === 0) {
        if (this.#follow === undefined) return;
        await this.#behind(this.#follow);
        continue;
      }
      this.position += count;
      this.#onRead(this.position);
      yield this.#memory.subarray(0, count);
    }
  }

  /** What was told to be there is not: it is written a moment later, or the file begins again. */
  async #behind({ growth, signal }: Follow): Promise<void> {
    if (!growth.whole) return growth.next(signal);
    throw new EngineError('corrupt', 'the file became shorter while it was followed');
  }

  /** Bytes that may be read now; 0 at the end. */
  async #readable(): Promise<number> {
    if (this.#follow === undefined) return READ_BYTES;
    const { growth, signal } = this.#follow;
    for (;;) {
      const there = growth.bytes - this.position;
      if (there > 0) return Math.min(there, READ_BYTES);
      if (growth.whole) return 0;
      await growth.next(signal);
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
