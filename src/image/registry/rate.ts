// The rate cap of all downloads together, and how many transfers run at once.
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '#base/error.ts';

/** What may come at once after a pause. */
const BURST_MS = 200;
/** Transfers that wait for their turn. */
export const WAITING_MAX = 10_000;

/** A token bucket: who takes more than there is waits until it would be there. */
export class ByteRate {
  readonly #bytesPerMs: number;
  readonly #clock: () => number;
  /** When all that was taken will have been earned. */
  #paidUntil = 0;

  /** 0 bytes a second is no limit. */
  constructor(bytesPerSecond: number, clock: () => number = () => performance.now()) {
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#clock = clock;
  }

  /** Takes them and answers how long to wait before the next are taken. */
  charge(bytes: number): number {
    if (this.#bytesPerMs === 0) return 0;
    const now = this.#clock();
    this.#paidUntil = Math.max(this.#paidUntil, now - BURST_MS) + bytes / this.#bytesPerMs;
    return Math.max(0, this.#paidUntil - now);
  }

  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const ms = this.charge(bytes);
    if (ms > 0) await sleep(ms, undefined, { signal });
  }
}

/** At most so many at once; the others wait in the order in which they came. */
export class Slots {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(max: number) {
    this.#free = max;
  }

  async take(signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.#free > 0) this.#free -= 1;
    else await this.#wait(signal);
    return { [Symbol.dispose]: () => this.#give() };
  }

  #give(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#free += 1;
    else next();
  }

  async #wait(signal: AbortSignal): Promise<void> {
    if (this.#waiting.size >= WAITING_MAX) {
      throw new EngineError('limit_exceeded', 'too many transfers wait for their turn', {
        facts: { limit: 'WAITING_MAX', max: WAITING_MAX },
      });
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const next = (): void => {
      this.#waiting.delete(next);
      signal.removeEventListener('abort', onAbort);
      resolve();
    };
    const onAbort = (): void => {
      this.#waiting.delete(next);
      reject(signal.reason);
    };
    this.#waiting.add(next);
    signal.addEventListener('abort', onAbort, { once: true });
    await promise;
  }
}
