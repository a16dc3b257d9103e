// The registry thread's side: any number of operations at once, each with its own abort signal.
import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { EngineError } from '#base/error.ts';
import { PROGRESS_MS_MIN } from './limit.ts';
import {
  type Call,
  type FromWorker,
  type Performers,
  sentError,
  type ToWorker,
} from './protocol.ts';
import type { TransferOptions } from './registry.ts';

/** Nice value of this thread: requests to the engine come before hashing. */
const REGISTRY_NICE = 5;

export function serveRegistry(performers: Performers): void {
  const port = parentPort;
  if (port === null) throw new EngineError('internal', 'not a worker thread');
  // On Linux "process" 0 is the calling thread (setpriority(2), "C library/kernel differences").
  setPriority(0, REGISTRY_NICE);
  const running = new Map<number, AbortController>();
  const tell = (message: FromWorker) => port.postMessage(message);

  const run = async (id: number, call: Call): Promise<void> => {
    const abort = new AbortController();
    running.set(id, abort);
    const progress = new Progress((current) => tell({ type: 'progress', id, current }));
    const options: TransferOptions = {
      signal: abort.signal,
      onProgress: (current) => progress.report(current),
      onRetry: (seconds, reason) => tell({ type: 'retry', id, seconds, reason }),
    };
    try {
      const result = await perform(performers, call, options);
      progress.flush();
      tell({ type: 'done', id, result });
    } catch (error) {
      tell({ type: 'failed', id, error: sentError(error, abort.signal) });
    } finally {
      progress.drop();
      running.delete(id);
    }
  };

  port.on('message', (message: ToWorker) => {
    if (message.type === 'abort') running.get(message.id)?.abort();
    else void run(message.id, message.call);
  });
}

function perform(performers: Performers, call: Call, options: TransferOptions): Promise<unknown> {
  // The type of an operation's arguments goes with its name, which the compiler cannot follow.
  const operation = performers[call.op] as (args: unknown, o: TransferOptions) => Promise<unknown>;
  return operation(call.args, options);
}

/** Passes the first on, then at most one in PROGRESS_MS_MIN, and always the last. */
class Progress {
  readonly #tell: (current: number) => void;
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #untold: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(tell: (current: number) => void) {
    this.#tell = tell;
  }

  report(current: number): void {
    this.#untold = current;
    const waitMs = this.#toldAtMs + PROGRESS_MS_MIN - performance.now();
    if (waitMs <= 0) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), waitMs);
  }

  /** Nothing is told after the answer. */
  drop(): void {
    clearTimeout(this.#timer);
    this.#untold = undefined;
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#untold === undefined) return;
    this.#toldAtMs = performance.now();
    this.#tell(this.#untold);
    this.#untold = undefined;
  }
}
