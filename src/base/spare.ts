// Directories that are made before they are needed, when nothing else goes on, with what lives in
// them. A new inode can cost most of a millisecond where many were deleted lately (ext4 passes over
// each of them for minutes), and every `docker run` needs a dozen; taking a spare is one rename.
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/**
 * After the last one was taken: a short container is over by then, and the next of a row of them is
 * not asked for yet, its client takes ten milliseconds to begin.
 */
const IDLE_MS = 13;

export type SpareKind<T> = {
  /** How many are held ready. */
  readonly count: number;
  /** Makes a directory whole; it is not told of one before. */
  readonly make: (path: string) => Promise<T>;
  /** Ends what may live in one of an earlier life. */
  readonly end?: (path: string) => Promise<void>;
  /** What a spare is worth nothing without. */
  readonly works?: (what: T) => boolean;
  /** Lets go what came with a spare that nobody gets. */
  readonly drop?: (what: T) => Promise<void>;
};

type Spare<T> = { readonly path: string; readonly what: T };

export class Spares<T> implements AsyncDisposable {
  readonly #root: string;
  readonly #kind: SpareKind<T>;
  readonly #ready: Spare<T>[] = [];
  readonly #missing: string[] = [];
  #timer: NodeJS.Timeout | undefined;
  #making: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(root: string, kind: SpareKind<T>) {
    this.#root = root;
    this.#kind = kind;
    mkdirSync(root, { recursive: true, mode: 0o700 });
    for (let slot = 0; slot < kind.count; slot += 1) this.#missing.push(join(root, String(slot)));
  }

  /** Takes away what an earlier life has left, perhaps half made, and begins to make new ones. */
  async begin(): Promise<void> {
    for (const name of readdirSync(this.#root)) {
      const path = join(this.#root, name);
      await this.#kind.end?.(path);
      rmSync(path, { recursive: true, force: true });
    }
    this.#later();
  }

  /** A spare becomes this directory, which is not there yet; undefined when there is none. */
  take(path: string): T | undefined {
    const spare = this.#ready.pop();
    if (spare === undefined) return undefined;
    this.#missing.push(spare.path);
    this.#later();
    try {
      if (this.#kind.works?.(spare.what) !== false) {
        renameSync(spare.path, path);
        return spare.what;
      }
    } catch {
      // whoever makes it plainly tells what is wrong
    }
    void this.#kind.drop?.(spare.what);
    return undefined;
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
        this.#ready.push({ path, what: await this.#kind.make(path) });
      } catch {
        this.#missing.push(path);
        return; // a full disk is told to those who need a directory now
      }
    }
  }

  /** The directories stay for begin() of the next life. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#making;
    for (const { what } of this.#ready.splice(0)) await this.#kind.drop?.(what);
  }
}

/** Nothing lives in them. */
export type SpareDirectories = Spares<true>;
export const SPARE_DIRECTORIES = 4;
