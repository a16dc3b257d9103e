// Unpack threads: made when there is work, ended when idle, so that an idle daemon pays no memory.
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { EngineError, errnoOf, messageOf } from '#base/error.ts';
import { NativeTreeWriter } from '#kernel/native/tree.ts';
import type { Growth } from './growth.ts';
import type { FromWorker, LayerJob, ToWorker, Unpacked } from './job.ts';

/** A thread only parses and hashes; inflating, and making files, is done beside it. */
export const UNPACK_THREADS_MAX = availableParallelism() < 4 ? 1 : 2;
/** Jobs of one thread at once, each with a C process. */
export const UNPACK_JOBS_MAX = 2;
/** Jobs that may wait for a thread. */
export const UNPACK_QUEUE_MAX = 1024;
/** A layer that needs more heap than this to parse is an attack. */
export const UNPACK_HEAP_MIB_MAX = 512;
/** Small, so that buffers that were used are soon given back. */
const YOUNG_HEAP_MIB = 1;
const IDLE_MS = 2000;

export type UnpackOptions = {
  readonly signal: AbortSignal;
  readonly onProgress?: (blobBytes: number) => void;
  /** The blob is still being written. */
  readonly growth?: Growth;
};

export interface Unpacker {
  /** A job may wait for its blob: another could begin at once, and none does that yet. */
  canFollow(): boolean;
  /** Brings all that a directory's file system holds in memory to the disk. */
  sync(directory: string): Promise<void>;
  run(job: LayerJob, options: UnpackOptions): Promise<Unpacked>;
}

type Running = {
  readonly resolve: (result: Unpacked) => void;
  readonly reject: (error: Error) => void;
  readonly onProgress: ((blobBytes: number) => void) | undefined;
};
type Thread = {
  readonly worker: Worker;
  readonly jobs: Map<number, Running>;
  idle: NodeJS.Timeout | undefined;
};

export class UnpackPool implements Unpacker, AsyncDisposable {
  readonly #nativePath: string;
  readonly #workerUrl: URL;
  readonly #waiting: (() => void)[] = [];
  readonly #all = new Set<Thread>();
  #closed = false;
  #lastId = 0;
  #following = 0;

  constructor(options: { readonly nativePath: string; readonly workerUrl?: URL }) {
    this.#nativePath = options.nativePath;
    this.#workerUrl = options.workerUrl ?? defaultWorkerUrl();
  }

  async run(job: LayerJob, options: UnpackOptions): Promise<Unpacked> {
    const { growth, onProgress, signal } = options;
    signal.throwIfAborted();
    const thread = this.#free() ?? (await this.#wait(signal));
    if (signal.aborted) this.#give(thread);
    signal.throwIfAborted();
    this.#lastId += 1;
    const id = this.#lastId;
    const send = (message: ToWorker) => thread.worker.postMessage(message);
    const { promise, resolve, reject } = Promise.withResolvers<Unpacked>();
    const onAbort = () => send({ type: 'abort', id });
    thread.jobs.set(id, { resolve, reject, onProgress });
    thread.worker.ref();
    signal.addEventListener('abort', onAbort, { once: true });
    send({ type: 'job', id, job, follow: growth !== undefined });
    const grown = () => {
      if (growth !== undefined) {
        send({ type: 'grown', id, bytes: growth.bytes, whole: growth.whole });
      }
    };
    grown();
    using _listening = growth?.listen(grown);
    if (growth !== undefined) this.#following += 1;
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
      if (growth !== undefined) this.#following -= 1;
      thread.jobs.delete(id);
      this.#give(thread);
    }
  }

  canFollow(): boolean {
    if (this.#closed || this.#following > 0 || this.#waiting.length > 0) return false;
    const jobs = [...this.#all].reduce((sum, thread) => sum + thread.jobs.size, 0);
    return jobs < UNPACK_THREADS_MAX * UNPACK_JOBS_MAX;
  }

  async sync(directory: string): Promise<void> {
    if (this.#closed) throw new EngineError('unavailable', 'the engine is shutting down');
    const nativePath = this.#nativePath;
    await using tree = new NativeTreeWriter({ nativePath, root: directory, durable: true });
    // The next layers are made faster so, and this is the process that looks at all of them.
    await tree.spread();
    await tree.finish();
  }

  /** The thread with the least to do, or a new one; undefined if all have enough. */
  #free(): Thread | undefined {
    if (this.#closed) throw new EngineError('unavailable', 'the engine is shutting down');
    const [least] = [...this.#all].sort((a, b) => a.jobs.size - b.jobs.size);
    if (least?.jobs.size !== 0 && this.#all.size < UNPACK_THREADS_MAX) return this.#start();
    if (least === undefined || least.jobs.size >= UNPACK_JOBS_MAX) return undefined;
    clearTimeout(least.idle);
    return least;
  }

  async #wait(signal: AbortSignal): Promise<Thread> {
    if (this.#waiting.length >= UNPACK_QUEUE_MAX) {
      throw new EngineError('limit_exceeded', 'too many layers wait to be unpacked', {
        facts: { limit: 'UNPACK_QUEUE_MAX', max: UNPACK_QUEUE_MAX },
      });
    }
    for (;;) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const onAbort = (): void => {
        const at = this.#waiting.indexOf(resolve);
        if (at < 0) return; // its turn has come already: run() gives it to the next
        this.#waiting.splice(at, 1);
        reject(signal.reason);
      };
      this.#waiting.push(resolve);
      signal.addEventListener('abort', onAbort, { once: true });
      await promise.finally(() => signal.removeEventListener('abort', onAbort));
      const thread = this.#free();
      if (thread !== undefined) return thread;
    }
  }

  #start(): Thread {
    const worker = new Worker(this.#workerUrl, {
      workerData: { nativePath: this.#nativePath },
      resourceLimits: {
        maxOldGenerationSizeMb: UNPACK_HEAP_MIB_MAX,
        maxYoungGenerationSizeMb: YOUNG_HEAP_MIB,
      },
      // Node's flags for the daemon are not a thread's.
      execArgv: [],
    });
    const thread: Thread = { worker, jobs: new Map(), idle: undefined };
    worker.on('message', (message: FromWorker) => answer(thread.jobs.get(message.id), message));
    worker.on('error', (error) => this.#lose(thread, error));
    worker.on('exit', () => this.#lose(thread, undefined));
    worker.unref();
    this.#all.add(thread);
    return thread;
  }

  /** The thread has ended, and with it whatever it was at. */
  #lose(thread: Thread, error: unknown): void {
    this.#all.delete(thread);
    const heap = errnoOf(error) === 'ERR_WORKER_OUT_OF_MEMORY';
    const why = error === undefined ? 'its thread ended' : messageOf(error);
    const text = `cannot unpack layer: ${heap ? 'too large' : why}`;
    const code = heap ? 'limit_exceeded' : 'internal';
    for (const job of thread.jobs.values())
      job.reject(new EngineError(code, text, { cause: error }));
  }

  #give(thread: Thread): void {
    const next = this.#waiting.shift();
    if (next !== undefined) {
      next();
      return;
    }
    if (thread.jobs.size > 0) return;
    thread.worker.unref();
    thread.idle = setTimeout(() => {
      this.#all.delete(thread);
      void thread.worker.terminate();
    }, IDLE_MS);
    thread.idle.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const next of this.#waiting.splice(0)) next(); // to be told so
    for (const thread of this.#all) clearTimeout(thread.idle);
    await Promise.all([...this.#all].map((thread) => thread.worker.terminate()));
  }
}

/** Beside this file: as source, or as the bundle that tools/bundle.ts makes. */
function defaultWorkerUrl(): URL {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'mjs';
  return new URL(`./unpack-worker.${extension}`, import.meta.url);
}

function answer(job: Running | undefined, message: FromWorker): void {
  if (message.type === 'progress') job?.onProgress?.(message.blobBytes);
  else if (message.type === 'done') job?.resolve(message.result);
  else {
    const { code, message: text, facts } = message.error;
    job?.reject(new EngineError(code, text, { facts }));
  }
}
