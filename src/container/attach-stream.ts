// The stream that an attached client talks through. It exists before the process does: what is
// written waits, and the process's stream is connected between "made" and "go", so no byte is lost.
import { Duplex } from 'node:stream';
import type { DetachScanner } from './detach-keys.ts';
import type { Streams } from './port.ts';

export type AttachOptions = {
  readonly streams: Streams;
  /** With a tty only. */
  readonly scanner: DetachScanner | undefined;
  readonly onDetach: () => void;
};

export class AttachStream extends Duplex {
  readonly streams: Streams;
  readonly #scanner: DetachScanner | undefined;
  readonly #onDetach: () => void;
  #inner: Duplex | undefined;
  #ended = false;
  /** A write, or the end of writing, that came before the process. */
  #held: (() => void) | undefined;
  #wanted: (() => void) | undefined;

  constructor(options: AttachOptions) {
    super({ allowHalfOpen: true });
    this.streams = options.streams;
    this.#scanner = options.scanner;
    this.#onDetach = options.onDetach;
  }

  get connected(): boolean {
    return this.#inner !== undefined;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Sends chunks of the past to the client, as fast as it reads. */
  async replay(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const chunk of chunks) {
      if (this.destroyed) return;
      if (this.push(chunk)) continue;
      await new Promise<void>((resolve) => {
        this.#wanted = resolve;
      });
    }
  }

  /**
   * With `over`, the end waits for it: a client asks for the exit code as soon as it sees the end.
   */
  connect(inner: Duplex, over?: Promise<void>): void {
    if (this.destroyed || this.#ended) {
      inner.destroy();
      return;
    }
    this.#inner = inner;
    inner.on('data', (chunk: Buffer) => {
      if (!this.#ended && !this.push(chunk)) inner.pause();
    });
    const end = (): void => {
      if (over === undefined) this.finish();
      else over.then(() => this.finish());
    };
    inner.on('end', end);
    inner.on('close', end);
    // A monitor that goes away ends the output; the exit is told elsewhere.
    inner.on('error', end);
    const held = this.#held;
    this.#held = undefined;
    held?.();
  }

  /** Nothing more will come. */
  finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (!this.destroyed) this.push(null);
    const held = this.#held;
    this.#held = undefined;
    held?.();
  }

  override _read(): void {
    this.#wanted?.();
    this.#wanted = undefined;
    this.#inner?.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (!this.streams.stdin || this.#ended) return done();
    if (this.#inner === undefined) {
      this.#held = () => this._write(chunk, _encoding, done);
      return;
    }
    const { pass, detached } = this.#scanner?.scan(chunk) ?? { pass: chunk, detached: false };
    if (detached) {
      const inner = this.#inner;
      this.finish();
      inner.destroy();
      this.#onDetach();
      return done();
    }
    // Input that the process no longer takes is dropped, as with a closed pipe.
    if (pass.length === 0 || !this.#inner.writable) return done();
    this.#inner.write(pass, () => done());
  }

  override _final(done: () => void): void {
    if (!this.streams.stdin || this.#ended) return done();
    if (this.#inner === undefined) {
      this.#held = () => this._final(done);
      return;
    }
    if (this.#inner.writable) this.#inner.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#ended = true;
    this.#wanted?.();
    this.#inner?.destroy();
    const held = this.#held;
    this.#held = undefined;
    held?.();
    done(error);
  }
}
