// Directories of RUN --mount=type=cache: who uses which, so that a private one is nobody else's and a
// locked one is one's at a time.
import { KeyedLock } from '#base/keyed-lock.ts';

export class CacheMounts {
  readonly folder: string;
  readonly #locks = new KeyedLock();
  readonly #users = new Map<string, number>();

  constructor(folder: string) {
    this.folder = folder;
  }

  inUse(name: string): boolean {
    return this.#users.has(name);
  }

  use(name: string): Disposable {
    this.#users.set(name, (this.#users.get(name) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        const left = (this.#users.get(name) ?? 1) - 1;
        if (left === 0) this.#users.delete(name);
        else this.#users.set(name, left);
      },
    };
  }

  lock(name: string, signal: AbortSignal): Promise<Disposable> {
    return this.#locks.acquire(name, signal);
  }
}
