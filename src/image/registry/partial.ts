// A blob's file while it comes: what is there is hashed once, what follows is hashed as it is
// written. All writes are of one buffer and made by this thread: those of a slow disk would
// otherwise fill libuv's pool of four threads, in which the whole engine opens its files.
import { createHash, type Hash } from 'node:crypto';
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import type { Digest } from '#base/digest.ts';
import { EngineError, errnoOf, messageOf } from '#base/error.ts';

const BUFFER_BYTES = 1024 * 1024;

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on device',
  EDQUOT: 'disk quota exceeded',
  EROFS: 'read-only file system',
  EIO: 'input/output error',
};

export class PartialFile implements Disposable {
  readonly #fd: number;
  readonly #size: number;
  readonly #buffer: Buffer;
  #hash: Hash = createHash('sha256');
  #filled = 0;
  #written = 0;
  /** A write has failed, of which a part may be in the file. */
  #broken = false;

  private constructor(fd: number, size: number) {
    this.#fd = fd;
    this.#size = size;
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(1, Math.min(BUFFER_BYTES, size)));
  }

  /** Opens or makes it; what is longer than the blob is nothing of it. */
  static async open(file: string, size: number, signal: AbortSignal): Promise<PartialFile> {
    const partial = new PartialFile(
      attempt('open', () => openSync(file, 'a+', 0o600)),
      size,
    );
    try {
      await partial.#rehash(signal);
      return partial;
    } catch (error) {
      closeSync(partial.#fd);
      throw error;
    }
  }

  /** Bytes of the blob that are here. */
  get have(): number {
    return this.#written + this.#filled;
  }

  async #rehash(signal: AbortSignal): Promise<void> {
    const { size } = fstatSync(this.#fd);
    if (size > this.#size) this.restart();
    else {
      while (this.#written < size) {
        // Other downloads, and who gives this one up, have their turn meanwhile.
        await turn();
        signal.throwIfAborted();
        const length = Math.min(this.#buffer.length, size - this.#written);
        const read = attempt('read', () =>
          readSync(this.#fd, this.#buffer, 0, length, this.#written),
        );
        if (read === 0) break;
        this.#hash.update(this.#buffer.subarray(0, read));
        this.#written += read;
      }
    }
  }

  append(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + this.#buffer.length - this.#filled);
      this.#buffer.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === this.#buffer.length) this.flush();
    }
  }

  /** Everything that came is in the file, whose end is where it is written. */
  flush(): void {
    const content = this.#buffer.subarray(0, this.#filled);
    this.#broken = true;
    for (let at = 0; at < content.length; ) {
      at += attempt('write', () => writeSync(this.#fd, content, at));
    }
    this.#broken = false;
    this.#hash.update(content);
    this.#written += content.length;
    this.#filled = 0;
  }

  /** Empties it. */
  restart(): void {
    attempt('truncate', () => ftruncateSync(this.#fd, 0));
    this.#hash = createHash('sha256');
    this.#filled = 0;
    this.#written = 0;
  }

  /** Of all that came, when it is whole. */
  digest(): Digest {
    this.flush();
    return `sha256:${this.#hash.copy().digest('hex')}` as Digest;
  }

  [Symbol.dispose](): void {
    try {
      if (!this.#broken) this.flush();
    } catch {
      // It would take the place of the error that ends the download, or come with the next one.
    } finally {
      closeSync(this.#fd);
    }
  }
}

function attempt<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    const errno = errnoOf(error) ?? '';
    const reason = REASONS[errno] ?? messageOf(error);
    throw new EngineError('kernel_refused', `cannot ${what} a downloaded blob: ${reason}`, {
      cause: error,
      facts: { errno },
    });
  }
}
