// The keys that leave a terminal without ending what runs in it (`--detach-keys`). Pure.
import { EngineError } from '#base/error.ts';

export const DEFAULT_DETACH_KEYS = 'ctrl-p,ctrl-q';
const KEYS_MAX = 16;

/** "ctrl-p,ctrl-q", "a", "ctrl-@" → bytes; "" = the default. */
export function parseDetachKeys(text: string): Uint8Array {
  const parts = (text === '' ? DEFAULT_DETACH_KEYS : text).split(',');
  const bytes = parts.map((part) => byteOf(part));
  if (bytes.length > KEYS_MAX || bytes.some((byte) => byte === undefined)) {
    throw new EngineError('invalid_argument', `Invalid escape keys (${text}) provided`);
  }
  return Uint8Array.from(bytes as number[]);
}

function byteOf(key: string): number | undefined {
  if (key.length === 1 && key >= ' ' && key <= '~') return key.charCodeAt(0);
  const match = /^ctrl-([a-z@[\\\]^_])$/.exec(key);
  if (match?.[1] === undefined) return undefined;
  // Control characters are the letter without its upper three bits (ascii(7)).
  return match[1].toUpperCase().charCodeAt(0) & 0x1f;
}

/** Finds the keys in a stream of input; what turns out not to be them is passed on. */
export class DetachScanner {
  readonly #keys: Uint8Array;
  #matched = 0;

  constructor(keys: Uint8Array) {
    this.#keys = keys;
  }

  /** `pass` goes to the process; `detached` when the last key has come (the rest is dropped). */
  scan(chunk: Uint8Array): { readonly pass: Uint8Array; readonly detached: boolean } {
    const out: number[] = [];
    for (const byte of chunk) {
      this.#step(byte, out);
      if (this.#matched === this.#keys.length) {
        this.#matched = 0;
        return { pass: Uint8Array.from(out), detached: true };
      }
    }
    return { pass: out.length === chunk.length ? chunk : Uint8Array.from(out), detached: false };
  }

  #step(byte: number, out: number[]): void {
    if (byte === this.#keys[this.#matched]) {
      this.#matched += 1;
      return;
    }
    // Not the keys after all: give back what was held, but for a tail that may still begin them.
    const held = [...this.#keys.subarray(0, this.#matched), byte];
    this.#matched = 0;
    while (held.length > 0 && !this.#begins(held)) out.push(held.shift() ?? 0);
    this.#matched = held.length;
  }

  #begins(held: readonly number[]): boolean {
    return held.length <= this.#keys.length && held.every((byte, i) => byte === this.#keys[i]);
  }
}
