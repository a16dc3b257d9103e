// Unpack threads: made when there is work, ended when idle, so that an idle daemon pays no memory.
import { Worker } from 'node:worker_threads';
import { EngineError, errnoOf, messageOf } from '#base/error.ts';
import { NativeTreeWriter } from '#kernel/native/tree.ts';
import type { FromWorker, LayerJob, ToWorker, Unpacked } from './job.ts';

/** Threads at once; each may also keep one C process and one inflater busy. */
export const UNPACK_THREADS_MAX = 2;
/** Jobs that may wait for a thread. */
export const UNPACK_QUEUE_MAX = 1024;
/** A layer that needs more heap than this to parse is an attack. */
export const UNPACK_HEAP_MIB_MAX = 512;
/** Small, so that buffers that were used are soon given back. */
const YOUNG_HEAP_MIB = 4;
const IDLE_MS = 2000;

export type UnpackOptions = {
  readonly signal: AbortSignal;
  readonly onProgress?: (blobBytes: number) => void;
};

export interface Unpacker {
  /** Brings all that a directory's file system holds in memory to the disk. */
  sync(directory: string): Promise<void>;
  run(job: LayerJob, options: UnpackOptions): Promise<Unpacked>;
}

type Thread = { readonly worker: Worker; idle: NodeJS.Timeout | undefined };

export class UnpackPool implements Unpacker, AsyncDisposable {
  readonly #nativePath: string;
  readonly #workerUrl: URL;
  readonly #idle: Thread[] = [];
  readonly #waiting: ((thread: Thread) => void)[] = [];
  readonly #all = new Set<Thread>();
  #closed = false;

  constructor(options: { readonly nativePath: string; readonly workerUrl?: URL }) {
    this.#nativePath = options.nativePath;
    this.#workerUrl = options.workerUrl ?? defaultWorkerUrl();
  }

  async run(job: LayerJob, options: UnpackOptions): Promise<Unpacked> {
    options.signal.throwIfAborted();
    const thread = await this.#take(options.signal);
    let healthy = false;
    try {
      const result = await runJob(thread.worker, job, options);
      healthy = true;
      return result;
    } catch (error) {
      // An EngineError came from the job itself; anything else means that the thread is gone.
      healthy = error instanceof EngineError && error.facts['thread'] !== 'lost';
      throw error;
    } finally {
      this.#give(thread, healthy);
    }
  }

  async sync(directory: string): Promise<void> {
    if (this.#closed) throw new EngineError('unavailable', 'the engine is shutting down');
    const nativePath = this.#nativePath;
    await using tree = new NativeTreeWriter({ nativePath, root: directory, durable: true });
    await tree.finish();
  }

  async #take(signal: AbortSignal): Promise<Thread> {
    if (this.#closed) throw new EngineError('unavailable', 'the engine is shutting down');
    const idle = this.#idle.pop();
    if (idle !== undefined) {
      clearTimeout(idle.idle);
      return idle;
    }
    if (this.#all.size < UNPACK_THREADS_MAX) return this.#start();
    if (this.#waiting.length >= UNPACK_QUEUE_MAX) {
      throw new EngineError('limit_exceeded', 'too many layers wait to be unpacked', {
        facts: { limit: 'UNPACK_QUEUE_MAX', max: UNPACK_QUEUE_MAX },
      });
    }
    const { promise, resolve, reject } = Promise.withResolvers<Thread>();
    const onAbort = (): void => {
      const at = this.#waiting.indexOf(resolve);
      if (at < 0) return; // its thread is on the way
      this.#waiting.splice(at, 1);
      reject(signal.reason);
    };
    this.#waiting.push(resolve);
    signal.addEventListener('abort', onAbort, { once: true });
    return promise.finally(() => signal.removeEventListener('abort', onAbort));
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
    // Without a listener an error of an idle thread would end the process; jobs listen themselves.
    worker.on('error', () => {});
    worker.unref();
    const thread: Thread = { worker, idle: undefined };
    this.#all.add(thread);
    return thread;
  }

  #give(thread: Thread, healthy: boolean): void {
    if (!healthy || this.#closed) {
      this.#end(thread);
      const next = this.#waiting.shift();
      if (next !== undefined) next(this.#start());
      return;
    }
    const next = this.#waiting.shift();
    if (next !== undefined) {
      next(thread);
      return;
    }
    thread.idle = setTimeout(() => {
      this.#idle.splice(this.#idle.indexOf(thread), 1);
      this.#end(thread);
    }, IDLE_MS);
    thread.idle.unref();
    this.#idle.push(thread);
  }

  #end(thread: Thread): void {
    this.#all.delete(thread);
    void thread.worker.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const thread of this.#idle) clearTimeout(thread.idle);
    await Promise.all([...this.#all].map((thread) => thread.worker.terminate()));
  }
}

/** Beside this file: as source, or as the bundle that tools/bundle.ts makes. */
function defaultWorkerUrl(): URL {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'mjs';
  return new URL(`./unpack-worker.${extension}`, import.meta.url);
}

function runJob(worker: Worker, job: LayerJob, options: UnpackOptions): Promise<Unpacked> {
  const { promise, resolve, reject } = Promise.withResolvers<Unpacked>();
  const send = (message: ToWorker) => worker.postMessage(message);
  const lost = (error: unknown, why: string) => {
    const heap = errnoOf(error) === 'ERR_WORKER_OUT_OF_MEMORY';
    const code = heap ? 'limit_exceeded' : 'internal';
    reject(
      new EngineError(code, `cannot unpack layer: ${heap ? 'too large' : why}`, {
        cause: error,
        facts: { thread: 'lost' },
      }),
    );
  };
  const onMessage = (message: FromWorker): void => {
    if (message.type === 'progress') options.onProgress?.(message.blobBytes);
    else if (message.type === 'done') resolve(message.result);
    else {
      const { code, message: text, facts } = message.error;
      reject(new EngineError(code, text, { facts }));
    }
  };
  const onError = (error: unknown) => lost(error, messageOf(error));
  const onExit = () => lost(undefined, 'its thread ended');
  const onAbort = () => send({ type: 'abort' });
  worker.on('message', onMessage);
  worker.on('error', onError);
  worker.on('exit', onExit);
  options.signal.addEventListener('abort', onAbort, { once: true });
  worker.ref();
  send({ type: 'job', job });
  return promise.finally(() => {
    worker.unref();
    worker.off('message', onMessage);
    worker.off('error', onError);
    worker.off('exit', onExit);
    options.signal.removeEventListener('abort', onAbort);
  });
}
