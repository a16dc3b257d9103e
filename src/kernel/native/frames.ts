// A stream of frames over a socket: cuts the incoming bytes into frames, and can hand the socket
// over when the rest of the connection is a raw stream.
import type { Socket } from 'node:net';
import { EngineError } from '#base/error.ts';
import { FRAME_BYTES_MAX, FRAME_HEADER_BYTES } from './encode.ts';

export type Frame = { readonly kind: number; readonly id: number; readonly body: Buffer };

const NOTHING = Buffer.alloc(0);

export class FrameReader {
  readonly #socket: Socket;
  readonly #onFrame: (frame: Frame) => void;
  #held: Buffer = NOTHING;
  /** A frame that came only in part, as far as it came: large ones come in many pieces. */
  #partial: { readonly frame: Buffer; used: number } | undefined;
  readonly #onData = (chunk: Buffer): void => this.#take(chunk);

  constructor(socket: Socket, onFrame: (frame: Frame) => void) {
    this.#socket = socket;
    this.#onFrame = onFrame;
    socket.on('data', this.#onData);
  }

  #take(chunk: Buffer): void {
    const rest = this.#partial === undefined ? chunk : this.#fill(this.#partial, chunk);
    if (rest !== undefined && !this.#released) this.#cut(rest);
  }

  /** What is left of the chunk when the frame is whole. */
  #fill(partial: { readonly frame: Buffer; used: number }, chunk: Buffer): Buffer | undefined {
    const { frame } = partial;
    const wanted = frame.length - partial.used;
    chunk.copy(frame, partial.used, 0, wanted);
    partial.used += Math.min(wanted, chunk.length);
    if (chunk.length <= wanted) giveBack(chunk);
    if (partial.used < frame.length) return undefined;
    this.#partial = undefined;
    // One that was given back has nothing left, and cannot even be asked.
    const rest = chunk.length > wanted ? chunk.subarray(wanted) : NOTHING;
    this.#held = rest;
    this.#onFrame({
      kind: frame.readUInt32LE(4),
      id: frame.readUInt32LE(8),
      body: frame.subarray(FRAME_HEADER_BYTES),
    });
    if (this.#released) return undefined;
    this.#held = NOTHING;
    return rest;
  }

  #cut(chunk: Buffer): void {
    let data = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = NOTHING;
    while (data.length >= FRAME_HEADER_BYTES) {
      const length = data.readUInt32LE(0);
      if (length > FRAME_BYTES_MAX) {
        this.#socket.destroy(
          new EngineError('internal', 'the C program sent a frame that is too large'),
        );
        return;
      }
      const whole = FRAME_HEADER_BYTES + length;
      if (data.length < whole) {
        const frame = Buffer.allocUnsafe(whole);
        this.#partial = { frame, used: data.copy(frame) };
        return;
      }
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
    const partial = this.#partial?.frame.subarray(0, this.#partial.used);
    const held = partial ?? this.#held;
    if (held.length > 0) this.#socket.unshift(held);
    this.#held = NOTHING;
    this.#partial = undefined;
    // As if never read from: a 'data' listener or pipe() of the next owner starts the flow again.
    (this.#socket as { readableFlowing: boolean | null }).readableFlowing = null;
  }
}

/**
 * Frees what was read and copied, at once: else the collector marks the whole heap for each 64 MB
 * that go through here.
 */
function giveBack(chunk: Buffer): void {
  const { buffer } = chunk;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === chunk.length) buffer.transfer(0);
}
