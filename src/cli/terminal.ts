// The user's terminal: raw mode, size, and the key sequence that detaches.
import { spawnSync } from 'node:child_process';
import { EngineError } from '#base/error.ts';

export interface TerminalSize {
  readonly height: number;
  readonly width: number;
}

export const NO_SIZE: TerminalSize = { height: 0, width: 0 };

export function terminalSize(): TerminalSize {
  const { stdout } = process;
  if (stdout.isTTY !== true) return NO_SIZE;
  return { height: stdout.rows, width: stdout.columns };
}

/** Raw mode until disposed. Nothing happens when stdin is no terminal. */
export function rawMode(): Disposable {
  const { stdin } = process;
  if (stdin.isTTY !== true) return { [Symbol.dispose]: () => {} };
  stdin.setRawMode(true);
  // libuv keeps ONLCR on, and a line feed would go to column 0 behind the back of a full-screen
  // program. Leaving raw mode puts the old setting back (uv_tty_set_mode). Without stty, as it is.
  spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] });
  return {
    [Symbol.dispose]: () => {
      stdin.setRawMode(false);
      stdin.pause();
    },
  };
}

export const DETACH_KEYS_DEFAULT = 'ctrl-p,ctrl-q';

/** "ctrl-a,b" as bytes. */
export function parseDetachKeys(text: string): readonly number[] {
  return text.split(',').map((key) => {
    const control = /^ctrl-([a-zA-Z@[\\\]^_])$/.exec(key)?.[1];
    if (control !== undefined) return control.toUpperCase().charCodeAt(0) & 0x1f;
    if (/^[\x20-\x7e]$/.test(key)) return key.charCodeAt(0);
    const reason = `invalid detach keys (${text}): unknown key '${key}'`;
    throw new EngineError('invalid_argument', reason);
  });
}

/**
 * Watches typed bytes for the detach keys. A beginning of the sequence is held back until it is
 * clear whether the rest follows, as moby's EscapeProxy does.
 */
export class DetachWatch {
  readonly #keys: readonly number[];
  #matched = 0;

  constructor(keys: readonly number[]) {
    this.#keys = keys;
  }

  /** The bytes to pass on; `detached` when the sequence is complete. */
  feed(chunk: Buffer): { readonly bytes: Buffer; readonly detached: boolean } {
    const out: number[] = [];
    for (const byte of chunk) {
      if (byte === this.#keys[this.#matched]) {
        this.#matched += 1;
        if (this.#matched === this.#keys.length) {
          return { bytes: Buffer.from(out), detached: true };
        }
        continue;
      }
      out.push(...this.#keys.slice(0, this.#matched));
      this.#matched = byte === this.#keys[0] ? 1 : 0;
      if (this.#matched === 0) out.push(byte);
    }
    return { bytes: Buffer.from(out), detached: false };
  }
}
