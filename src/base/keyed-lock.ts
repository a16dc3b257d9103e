// One mutation per key at a time, first come first served. The lock is a queue of promises; a key
// with nobody waiting holds no memory.

export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>();

  /** Waits for the key, then holds it until the returned handle is disposed. */
  async acquire(key: string): Promise<Disposable> {
    const before = this.#tails.get(key);
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const tail = before === undefined ? held : before.then(() => held);
    this.#tails.set(key, tail);
    if (before !== undefined) await before;
    return {
      [Symbol.dispose]: () => {
        release();
        if (this.#tails.get(key) === tail) this.#tails.delete(key);
      },
    };
  }

  /** True while somebody holds or waits for the key. */
  busy(key: string): boolean {
    return this.#tails.has(key);
  }
}
