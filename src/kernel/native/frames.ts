// A stream of frames over a socket: cuts the incoming bytes into frames, and can hand the socket
// over when the rest of the connection is a raw stream.
import type { Socket } from 'node:net';
import { EngineError } from '#base/error.ts';
import { FRAME_BYTES_MAX, FRAME_HEADER_BYTES } from './encode.ts';

export type Frame = { readonly kind: number; readonly id: number; readonly body: Buffer };

export class FrameReader {
  readonly #socket: Socket;
  readonly #onFrame: (frame: Frame) => void;
  #held: Buffer = Buffer.alloc(0);
  readonly #onData = (chunk: Buffer): void => this.#take(chunk);

  constructor(socket: Socket, onFrame: (frame: Frame) => void) {
    this.#socket = socket;
    this.#onFrame = onFrame;
    socket.on('data', this.#onData);
  }

  #take(chunk: Buffer): void {
    let data = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = Buffer.alloc(0);
    while (data.length >= FRAME_HEADER_BYTES) {
      const length = data.readUInt32LE(0);
      if (length > FRAME_BYTES_MAX) {
        this.#socket.destroy(
          new EngineError('internal', 'the C program sent a frame that is too large'),
        );
        return;
      }
      const whole = FRAME_HEADER_BYTES + length;
      if (data.length < whole) break;
      const frame = {
        kind: data.readUInt32LE(4),
        id: data.readUInt32LE(8),
        body: data.subarray(FRAME_HEADER_BYTES, whole),
      };
      data = data.subarray(whole);
      this.#held = data;
      this.#onFrame(frame);
      if (this.#released) return;
    }
    this.#held = data;
  }

  #released = false;

  /** Stops cutting; bytes that came after the last frame go back to the socket, which is paused. */
  release(): void {
    this.#released = true;
    this.#socket.off('data', this.#onData);
    this.#socket.pause();
    if (this.#held.length > 0) this.#socket.unshift(this.#held);
    this.#held = Buffer.alloc(0);
    // As if never read from: a 'data' listener or pipe() of the next owner starts the flow again.
    (this.#socket as { readableFlowing: boolean | null }).readableFlowing = null;
  }
}
