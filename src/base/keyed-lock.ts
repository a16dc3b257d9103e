// One mutation per key at a time, first come first served. The lock is a queue of promises; a key
// with nobody waiting holds no memory.

export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>();

  /** Waits for the key, then holds it until the returned handle is disposed. */
  async acquire(key: string, signal?: AbortSignal): Promise<Disposable> {
    const turn = this.#queue(key);
    if (signal === undefined) return turn;
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      signal.throwIfAborted();
      return await Promise.race([turn, aborted]);
    } catch (error) {
      // Its turn comes nevertheless, and goes to the next.
      void turn.then((lock) => lock[Symbol.dispose]());
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  async #queue(key: string): Promise<Disposable> {
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
