// What a command prints comes in frames (attach's stream), and these come cut anywhere.

const HEADER_BYTES = 8;
const STDERR = 2;

export type RunPiece = { readonly stream: 1 | 2; readonly data: Buffer };

export class RunOutput {
  #rest: Buffer = Buffer.alloc(0);

  *add(chunk: Buffer): Generator<RunPiece> {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= HEADER_BYTES) {
      const size = this.#rest.readUInt32BE(4);
      if (this.#rest.length < HEADER_BYTES + size) return;
      const data = this.#rest.subarray(HEADER_BYTES, HEADER_BYTES + size);
      yield { stream: this.#rest[0] === STDERR ? 2 : 1, data };
      this.#rest = this.#rest.subarray(HEADER_BYTES + size);
    }
  }
}
