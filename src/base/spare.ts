// Directories that are made before they are needed, when nothing else goes on. A new inode can cost
// most of a millisecond where many were deleted lately (ext4 passes over each of them for minutes),
// and every `docker run` needs a dozen; taking a spare is one rename.
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const SPARES = 4;
/** After the last one was taken: a short container is over by then. */
const IDLE_MS = 20;

export class Spares implements AsyncDisposable {
  readonly #root: string;
  readonly #make: (path: string) => Promise<void>;
  readonly #ready: string[] = [];
  readonly #missing: string[] = [];
  #timer: NodeJS.Timeout | undefined;
  #making: Promise<void> = Promise.resolve();
  #closed = false;

  /** `make` makes a directory whole; it is not told of one before. */
  constructor(root: string, make: (path: string) => Promise<void>) {
    this.#root = root;
    this.#make = make;
    mkdirSync(root, { recursive: true, mode: 0o700 });
    for (let slot = 0; slot < SPARES; slot += 1) this.#missing.push(join(root, String(slot)));
  }

  /** Takes away what an earlier life has left, perhaps half made, and begins to make new ones. */
  begin(): void {
    for (const name of readdirSync(this.#root)) {
      rmSync(join(this.#root, name), { recursive: true, force: true });
    }
    this.#later();
  }

  /** A spare becomes this directory, which is not there yet; false when there is none. */
  take(path: string): boolean {
    const spare = this.#ready.pop();
    if (spare === undefined) return false;
    this.#missing.push(spare);
    this.#later();
    try {
      renameSync(spare, path);
      return true;
    } catch {
      return false; // whoever makes it plainly tells what is wrong
    }
  }

  #later(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#making = this.#making.then(() => this.#refill());
    }, IDLE_MS).unref();
  }

  async #refill(): Promise<void> {
    for (let path = this.#missing.pop(); path !== undefined; path = this.#missing.pop()) {
      try {
        if (this.#closed) return;
        rmSync(path, { recursive: true, force: true });
        await this.#make(path);
        this.#ready.push(path);
      } catch {
        this.#missing.push(path);
        return; // a full disk is told to those who need a directory now
      }
    }
  }

  /** What is ready stays for begin() of the next life. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#making;
  }
}
