// One download a blob, however many pulls ask for it: they share it, and it stops when the last of
// them has gone. What came so far stays as a partial, which has one writer at a time.
import type { Digest } from '#base/digest.ts';
import { EngineError } from '#base/error.ts';
import type { ContentStore, Ingest } from '../content/content.ts';
import type { BlobName, Repository } from '../registry/registry.ts';

/** Blobs that may wait for their turn, of all pulls. */
export const DOWNLOADS_QUEUE_MAX = 4096;

/** What one of those who ask is told. */
export type DownloadAsker = {
  readonly signal: AbortSignal;
  /** It must wait: as many downloads run as may. */
  readonly onWaiting?: () => void;
  readonly onProgress?: (current: number) => void;
  readonly onRetry?: (seconds: number) => void;
};

type Shared = {
  readonly askers: Set<DownloadAsker>;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
  waiting: boolean;
  current: number;
};

export class Downloads {
  readonly #content: ContentStore;
  readonly #max: number;
  readonly #running = new Map<Digest, Shared>();
  readonly #queue: (() => void)[] = [];
  #active = 0;
  /** Partials that are whole and checked, as long as somebody holds them. */
  readonly #whole = new Set<Digest>();

  constructor(content: ContentStore, max: number) {
    this.#content = content;
    this.#max = max;
  }

  /**
   * To be held by a pull for all blobs that it will ask for, until they are blobs or it has failed.
   */
  hold(digests: readonly Digest[]): Disposable {
    const hold = this.#content.partials.hold(digests);
    return {
      [Symbol.dispose]: () => {
        hold[Symbol.dispose]();
        for (const digest of digests) {
          if (!this.#content.partials.held(digest)) this.#whole.delete(digest);
        }
      },
    };
  }

  /** The blob, whole and checked; its commit() makes it a blob of the store. */
  async fetch(blob: BlobName, repository: Repository, asker: DownloadAsker): Promise<Ingest> {
    const { digest } = blob;
    for (let failed = 0; ; ) {
      asker.signal.throwIfAborted();
      if (this.#content.has(digest)) return this.#content.stored(digest, blob.size);
      if (this.#whole.has(digest)) return this.#content.adopt(digest, blob.size);
      const found = this.#running.get(digest);
      if (found?.stop.signal.aborted === true) {
        // Its last asker has gone, but its writer has not yet.
        await found.ended.catch(() => {});
        continue;
      }
      try {
        await join(found ?? this.#start(blob, repository), asker);
      } catch (error) {
        failed += 1;
        // What failed was another pull's, with its credentials: once, it is tried with ours.
        if (found === undefined || failed > 1 || asker.signal.aborted) throw error;
      }
    }
  }

  #start(blob: BlobName, repository: Repository): Shared {
    const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
    const stop = new AbortController();
    const shared: Shared = { askers: new Set(), stop, ended, waiting: true, current: 0 };
    this.#running.set(blob.digest, shared);
    this.#run(blob, repository, shared)
      .finally(() => this.#running.delete(blob.digest))
      .then(resolve, reject);
    ended.catch(() => {}); // told where it is awaited
    return shared;
  }

  async #run(blob: BlobName, repository: Repository, shared: Shared): Promise<void> {
    const { stop } = shared;
    await this.#enter(stop.signal);
    try {
      shared.waiting = false;
      await repository.download(blob, this.#content.partials.path(blob.digest), {
        signal: stop.signal,
        onProgress: (current) => {
          shared.current = current;
          for (const asker of shared.askers) asker.onProgress?.(current);
        },
        onRetry: (seconds) => {
          for (const asker of shared.askers) asker.onRetry?.(seconds);
        },
      });
      this.#whole.add(blob.digest);
    } finally {
      this.#leave();
    }
  }

  async #enter(signal: AbortSignal): Promise<void> {
    if (this.#active < this.#max) {
      this.#active += 1;
      return;
    }
    if (this.#queue.length >= DOWNLOADS_QUEUE_MAX) {
      throw new EngineError('limit_exceeded', 'too many layers wait to be downloaded', {
        facts: { limit: 'DOWNLOADS_QUEUE_MAX', max: DOWNLOADS_QUEUE_MAX },
      });
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = (): void => {
      const at = this.#queue.indexOf(resolve);
      if (at >= 0) this.#queue.splice(at, 1);
      reject(signal.reason);
    };
    this.#queue.push(resolve);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** The place goes to who has waited longest. */
  #leave(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#active -= 1;
    else next();
  }
}

async function join(shared: Shared, asker: DownloadAsker): Promise<void> {
  const { promise: left, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(asker.signal.reason);
  asker.signal.addEventListener('abort', onAbort, { once: true });
  shared.askers.add(asker);
  // A place that is free is taken within this turn: only who really waits is told.
  await Promise.resolve();
  if (shared.waiting) asker.onWaiting?.();
  else if (shared.current > 0) asker.onProgress?.(shared.current);
  try {
    await Promise.race([shared.ended, left]);
  } finally {
    asker.signal.removeEventListener('abort', onAbort);
    shared.askers.delete(asker);
    if (shared.askers.size === 0) shared.stop.abort(asker.signal.reason);
  }
}
