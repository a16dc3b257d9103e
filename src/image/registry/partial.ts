// A blob's file while it comes: what is there is hashed once, what follows is hashed as it is
// written. Two buffers take turns, so that one is written while the other fills and memory stays
// the same whatever the size.
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import type { Digest } from '#base/digest.ts';
import { EngineError, errnoOf, messageOf } from '#base/error.ts';

const BUFFER_BYTES = 1024 * 1024;

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on device',
  EDQUOT: 'disk quota exceeded',
  EROFS: 'read-only file system',
  EIO: 'input/output error',
};

export class PartialFile implements AsyncDisposable {
  readonly #handle: FileHandle;
  readonly #size: number;
  readonly #buffers: [Buffer, Buffer];
  #hash: Hash = createHash('sha256');
  #filled = 0;
  /** Of the file, that are written or being written. */
  #written = 0;
  #writing: Promise<void> = Promise.resolve();

  private constructor(handle: FileHandle, size: number) {
    this.#handle = handle;
    this.#size = size;
    const bytes = Math.max(1, Math.min(BUFFER_BYTES, size));
    this.#buffers = [Buffer.allocUnsafeSlow(bytes), Buffer.allocUnsafeSlow(bytes)];
  }

  /** Opens or makes it; what is longer than the blob is nothing of it. */
  static async open(file: string, size: number, signal: AbortSignal): Promise<PartialFile> {
    const handle = await open(file, 'a+', 0o600).catch((error: unknown) => {
      throw fileError('open', error);
    });
    const partial = new PartialFile(handle, size);
    try {
      await partial.#rehash(signal);
      return partial;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Bytes of the blob that are here. */
  get have(): number {
    return this.#written + this.#filled;
  }

  async #rehash(signal: AbortSignal): Promise<void> {
    const { size } = await this.#handle.stat();
    if (size > this.#size) return this.restart();
    const [buffer] = this.#buffers;
    while (this.#written < size) {
      signal.throwIfAborted();
      const length = Math.min(buffer.length, size - this.#written);
      const { bytesRead } = await this.#handle.read(buffer, 0, length, this.#written);
      if (bytesRead === 0) break;
      this.#hash.update(buffer.subarray(0, bytesRead));
      this.#written += bytesRead;
    }
  }

  async append(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; ) {
      const buffer = this.#buffers[0];
      const part = chunk.subarray(at, at + buffer.length - this.#filled);
      buffer.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === buffer.length) await this.#turn();
    }
  }

  /** Begins to write the full buffer when the other one is on disk. */
  async #turn(): Promise<void> {
    await this.#writing;
    const [full, other] = this.#buffers;
    const content = full.subarray(0, this.#filled);
    this.#writing = this.#write(content);
    // Told to who waits for it, which may be later than the failure.
    this.#writing.catch(() => {});
    this.#hash.update(content);
    this.#written += content.length;
    this.#filled = 0;
    this.#buffers[0] = other;
    this.#buffers[1] = full;
  }

  /** The file is open for appending, so there is no place to give. */
  async #write(content: Buffer): Promise<void> {
    try {
      for (let at = 0; at < content.length; ) {
        const { bytesWritten } = await this.#handle.write(content, at, content.length - at);
        at += bytesWritten;
      }
    } catch (error) {
      throw fileError('write', error);
    }
  }

  /** Everything that came is in the file. */
  async flush(): Promise<void> {
    if (this.#filled > 0) await this.#turn();
    await this.#writing;
  }

  /** Empties it. */
  async restart(): Promise<void> {
    await this.#writing.catch(() => {});
    await this.#handle.truncate(0);
    this.#hash = createHash('sha256');
    this.#filled = 0;
    this.#written = 0;
  }

  /** Of all that came, when it is whole. */
  async digest(): Promise<Digest> {
    await this.flush();
    return `sha256:${this.#hash.copy().digest('hex')}` as Digest;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.flush();
    } catch {
      // Who appended was told; here it would take the place of another error.
    } finally {
      await this.#handle.close();
    }
  }
}

function fileError(what: 'open' | 'write', error: unknown): EngineError {
  const errno = errnoOf(error) ?? '';
  const reason = REASONS[errno] ?? messageOf(error);
  return new EngineError('kernel_refused', `cannot ${what} a downloaded blob: ${reason}`, {
    cause: error,
    facts: { errno },
  });
}
