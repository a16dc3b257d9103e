// The bus behind `docker events`. It keeps the last EVENT_HISTORY_MAX events for `since`; nothing
// is written to disk. A reader that does not keep up is ended, so that memory stays flat.
import { now } from '#base/clock.ts';
import { EngineError } from '#base/error.ts';
import { type EngineEvent, type Happening, type Publisher, stamp } from './event.ts';
import { compileFilters, type Filters } from './filter.ts';

/** As many as Docker keeps (daemon/events/events.go). */
export const EVENT_HISTORY_MAX = 256;
export const EVENT_QUEUE_MAX = 4096;
/** setTimeout(2^31) fires at once; longer waits are made of several. */
const TIMER_MS_MAX = 2_000_000_000;

export type EventWish = {
  /** Nanoseconds since 1970; undefined = nothing of the past. */
  readonly since?: bigint | undefined;
  /** The stream ends then; in the past = only the kept events. */
  readonly until?: bigint | undefined;
  readonly filters?: Filters;
};

type Subscriber = {
  readonly wanted: (event: EngineEvent) => boolean;
  readonly queue: EngineEvent[];
  overflowed: boolean;
  wake: () => void;
};

export class EventBus implements Publisher {
  #history: EngineEvent[] = [];
  readonly #subscribers = new Set<Subscriber>();
  readonly #watchers = new Set<(event: EngineEvent) => void>();

  publish(happening: Happening): void {
    const event = stamp(happening);
    this.#history.push(event);
    if (this.#history.length > EVENT_HISTORY_MAX) this.#history.shift();
    for (const subscriber of this.#subscribers) {
      if (!subscriber.wanted(event)) continue;
      if (subscriber.queue.length >= EVENT_QUEUE_MAX) subscriber.overflowed = true;
      else subscriber.queue.push(event);
      subscriber.wake();
    }
    for (const look of this.#watchers) look(event);
  }

  /** Told of every event as it happens, before publish() returns; for parts of this program. */
  watch(look: (event: EngineEvent) => void): Disposable {
    this.#watchers.add(look);
    return { [Symbol.dispose]: () => this.#watchers.delete(look) };
  }

  /** How many streams are open; for `info`. */
  get listeners(): number {
    return this.#subscribers.size;
  }

  /** Subscribes at once, so that no event between this call and the first read is lost. */
  subscribe(wish: EventWish, signal: AbortSignal): AsyncIterable<EngineEvent> {
    const wanted = compileFilters(wish.filters ?? new Map());
    const { since, until } = wish;
    const past = this.#history.filter(
      (event) =>
        since !== undefined &&
        event.time >= since &&
        (until === undefined || event.time <= until) &&
        wanted(event),
    );
    const subscriber: Subscriber = { wanted, queue: past, overflowed: false, wake: () => {} };
    this.#subscribers.add(subscriber);
    const leave = () => {
      this.#subscribers.delete(subscriber);
      subscriber.wake();
    };
    signal.addEventListener('abort', leave, { once: true });
    return this.#read(subscriber, until, signal);
  }

  async *#read(
    subscriber: Subscriber,
    until: bigint | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<EngineEvent> {
    try {
      for (;;) {
        for (let event = subscriber.queue.shift(); event; event = subscriber.queue.shift()) {
          if (signal.aborted) return;
          if (until !== undefined && event.time > until) return;
          yield event;
        }
        if (signal.aborted || (until !== undefined && now() >= until)) return;
        if (subscriber.overflowed) {
          throw new EngineError('limit_exceeded', 'events came faster than they were read', {
            facts: { queue: EVENT_QUEUE_MAX },
          });
        }
        await sleep(subscriber, until);
      }
    } finally {
      this.#subscribers.delete(subscriber);
    }
  }
}

/** Until an event comes, the end is reached, or the reader goes. */
function sleep(subscriber: Subscriber, until: bigint | undefined): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const wait = until === undefined ? undefined : Number((until - now()) / 1_000_000n) + 1;
  const timer =
    wait === undefined ? undefined : setTimeout(resolve, Math.min(Math.max(wait, 0), TIMER_MS_MAX));
  subscriber.wake = resolve;
  return promise.finally(() => {
    clearTimeout(timer);
    subscriber.wake = () => {};
  });
}
