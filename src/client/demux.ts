// The framing of attach, exec and logs without a terminal: an 8-byte header (stream, 0, 0, 0,
// length as 32 bits big-endian), then the payload (Engine API, "Attach to a container").
import { ClientError } from './error.ts';

export const HEADER_BYTES = 8;
/** An in-band error text longer than this is cut. */
export const SYSTEM_ERROR_BYTES_MAX = 64 * 1024;

export type StreamName = 'stdin' | 'stdout' | 'stderr' | 'systemerr';
const STREAMS: readonly StreamName[] = ['stdin', 'stdout', 'stderr', 'systemerr'];

/** Splits frames at any chunk border; a payload is passed on at once, never held. */
export class Demux {
  readonly #sink: (stream: StreamName, piece: Buffer) => void;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #held = 0;
  #left = 0;
  #stream: StreamName = 'stdout';
  #systemError = '';

  constructor(sink: (stream: 'stdout' | 'stderr', piece: Buffer) => void) {
    this.#sink = (stream, piece) => {
      if (stream === 'systemerr') {
        const room = this.#systemError.length < SYSTEM_ERROR_BYTES_MAX;
        if (room) this.#systemError += piece.toString();
      } else sink(stream === 'stderr' ? 'stderr' : 'stdout', piece);
    };
  }

  feed(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const size = Math.min(this.#left, chunk.length - at);
        this.#sink(this.#stream, chunk.subarray(at, at + size));
        this.#left -= size;
        at += size;
        continue;
      }
      const size = Math.min(HEADER_BYTES - this.#held, chunk.length - at);
      chunk.copy(this.#header, this.#held, at, at + size);
      this.#held += size;
      at += size;
      if (this.#held === HEADER_BYTES) this.#takeHeader();
    }
  }

  /** Call when the source ends: throws for a cut frame or for an error that came in band. */
  end(): void {
    if (this.#systemError !== '') {
      throw new ClientError('internal', `error from daemon in stream: ${this.#systemError}`);
    }
    if (this.#left > 0 || this.#held > 0) {
      throw new ClientError('unavailable', 'the stream ended in the middle of a frame');
    }
  }

  #takeHeader(): void {
    const stream = STREAMS[this.#header[0] ?? 255];
    if (stream === undefined) {
      const text = `Unrecognized input header: ${this.#header[0]}`;
      throw new ClientError('corrupt', text);
    }
    this.#stream = stream;
    this.#left = this.#header.readUInt32BE(4);
    this.#held = 0;
  }
}
