// How much of a file is there that somebody still writes: what its reader waits for.

export class Growth {
  #bytes = 0;
  #whole = false;
  readonly #listeners = new Set<() => void>();

  /** Bytes that may be read. */
  get bytes(): number {
    return this.#bytes;
  }

  /** There will be no more. */
  get whole(): boolean {
    return this.#whole;
  }

  set(bytes: number, whole: boolean): void {
    this.#bytes = bytes;
    this.#whole = whole;
    for (const listener of [...this.#listeners]) listener();
  }

  listen(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Resolves at the next change. */
  async next(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    using _listening = this.listen(resolve);
    await promise.finally(() => signal.removeEventListener('abort', onAbort));
  }
}
