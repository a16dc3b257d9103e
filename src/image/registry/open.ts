// The engine's side of the registry thread: it is started when something is asked, and ends when
// nothing was for a while.
import { Worker } from 'node:worker_threads';
import { EngineError, errnoOf, messageOf } from '#base/error.ts';
import { type Reference, withDefaultTag } from '#base/reference.ts';
import { domainOfServer, refuseBlocked } from './endpoint.ts';
import { REGISTRY_LIMITS, type RegistryLimits } from './limit.ts';
import {
  type Call,
  cancelled,
  type FromWorker,
  type OpName,
  type Ops,
  type Target,
  type ToWorker,
  type WorkerSettings,
} from './protocol.ts';
import type {
  Registries,
  RegistryAction,
  RegistryAuth,
  RegistryConfig,
  Repository,
  TransferOptions,
} from './registry.ts';

/** Operations under way or waiting in the thread. */
export const CALLS_MAX = 10_000;
/** A thread that needs more heap than this was sent something hostile. */
export const REGISTRY_HEAP_MIB_MAX = 512;
const CLOSE_MS_MAX = 2_000;
/**
 * Small, so that garbage is collected early: bodies come as many short-lived buffers, which would
 * wait outside the heap. With 8 MiB a download of 900 MB took 40 MiB more, and was no faster.
 */
const YOUNG_HEAP_MIB = 1;

export type OpenOptions = {
  /** Tests have shorter ones. */
  readonly limits?: Partial<RegistryLimits>;
  /** Where HTTP_PROXY, HTTPS_PROXY and NO_PROXY are looked for; the process's own without it. */
  readonly environment?: WorkerSettings['environment'];
};

/** Nothing is started yet. */
export function openRegistries(config: RegistryConfig, options: OpenOptions = {}): Registries {
  const { environment = process.env } = options;
  const proxies = Object.entries(environment).filter(([name]) => /^(https?|no)_proxy$/i.test(name));
  const limits = { ...REGISTRY_LIMITS, ...options.limits };
  const thread = new RegistryThread({
    config,
    limits,
    environment: Object.fromEntries(proxies),
  });
  return {
    repository: (name, action, auth) => openRepository({ thread, config, name, action, auth }),
    login: async (auth, transfer) => {
      refuseBlocked(domainOfServer(auth.serverAddress), config.blocked);
      return thread.call('login', { auth }, transfer);
    },
    search: async (wish, transfer) => {
      refuseBlocked(domainOfServer(wish.host), config.blocked);
      return thread.call('search', wish, transfer);
    },
    [Symbol.asyncDispose]: () => thread[Symbol.asyncDispose](),
  };
}

function openRepository(wish: {
  readonly thread: RegistryThread;
  readonly config: RegistryConfig;
  readonly name: Reference;
  readonly action: RegistryAction;
  readonly auth: RegistryAuth | undefined;
}): Repository {
  const { thread, config, action, auth } = wish;
  const name = withDefaultTag(wish.name);
  refuseBlocked(name.domain, config.blocked);
  const target: Target = { name, action, auth };
  return {
    manifest: (options) => thread.call('manifest', { target, digest: undefined }, options),
    manifestBy: (digest, options) => thread.call('manifest', { target, digest }, options),
    head: (options) => thread.call('head', { target }, options),
    tags: (options) => thread.call('tags', { target }, options),
    download: (blob, file, options) => thread.call('download', { target, blob, file }, options),
    hasBlob: (digest, options) => thread.call('hasBlob', { target, digest }, options),
    mountBlob: (digest, from, options) =>
      thread.call('mountBlob', { target, digest, from }, options),
    upload: (blob, file, options) => thread.call('upload', { target, blob, file }, options),
    putManifest: (reference, bytes, mediaType, options) =>
      thread.call('putManifest', { target, reference, bytes, mediaType }, options),
  };
}

type Pending = {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly options: TransferOptions;
  /** Resolves when it has an answer, whichever. */
  readonly ended: Promise<unknown>;
};

class RegistryThread implements AsyncDisposable {
  readonly #settings: WorkerSettings;
  readonly #pending = new Map<number, Pending>();
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  #lastId = 0;
  #closed = false;

  constructor(settings: WorkerSettings) {
    this.#settings = settings;
  }

  async call<K extends OpName>(
    op: K,
    args: Ops[K][0],
    options: TransferOptions,
  ): Promise<Ops[K][1]> {
    if (this.#closed) throw new EngineError('unavailable', 'the engine is shutting down');
    if (options.signal.aborted) throw cancelled();
    if (this.#pending.size >= CALLS_MAX) {
      throw new EngineError('limit_exceeded', 'too many requests to registries', {
        facts: { limit: 'CALLS_MAX', max: CALLS_MAX },
      });
    }
    const worker = this.#started();
    this.#lastId += 1;
    const id = this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const send = (message: ToWorker) => worker.postMessage(message);
    const onAbort = () => send({ type: 'abort', id });
    this.#pending.set(id, { resolve, reject, options, ended: promise.catch(() => {}) });
    options.signal.addEventListener('abort', onAbort, { once: true });
    send({ type: 'call', id, call: { op, args } as unknown as Call });
    try {
      return (await promise) as Ops[K][1];
    } finally {
      options.signal.removeEventListener('abort', onAbort);
      this.#pending.delete(id);
      if (this.#pending.size === 0) this.#rest(worker);
    }
  }

  #started(): Worker {
    clearTimeout(this.#idle);
    if (this.#worker !== undefined) {
      this.#worker.ref();
      return this.#worker;
    }
    const worker = new Worker(workerUrl(), {
      workerData: this.#settings,
      resourceLimits: {
        maxOldGenerationSizeMb: REGISTRY_HEAP_MIB_MAX,
        maxYoungGenerationSizeMb: YOUNG_HEAP_MIB,
      },
      // Node's flags for the daemon are not a thread's.
      execArgv: [],
    });
    worker.on('message', (message: FromWorker) => this.#heard(message));
    worker.on('error', (error) => this.#lost(worker, error));
    worker.on('exit', () => this.#lost(worker, undefined));
    this.#worker = worker;
    return worker;
  }

  /** An idle thread does not keep the process alive, and ends after a while. */
  #rest(worker: Worker): void {
    if (this.#worker !== worker) return;
    worker.unref();
    this.#idle = setTimeout(() => {
      this.#worker = undefined;
      void worker.terminate();
    }, this.#settings.limits.idleMs);
    this.#idle.unref();
  }

  #heard(message: FromWorker): void {
    const pending = this.#pending.get(message.id);
    if (pending === undefined) return;
    const { options, resolve, reject } = pending;
    if (message.type === 'progress') options.onProgress?.(message.current);
    else if (message.type === 'retry') options.onRetry?.(message.seconds, message.reason);
    else if (message.type === 'done') resolve(message.result);
    else {
      const { code, message: text, facts } = message.error;
      reject(new EngineError(code, text, { facts }));
    }
  }

  #lost(worker: Worker, error: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    const heap = errnoOf(error) === 'ERR_WORKER_OUT_OF_MEMORY';
    const code = heap ? 'limit_exceeded' : this.#closed ? 'unavailable' : 'internal';
    const why = error === undefined ? 'it ended' : messageOf(error);
    const text = this.#closed
      ? 'the engine is shutting down'
      : `the registry thread failed: ${why}`;
    for (const { reject } of this.#pending.values()) {
      reject(new EngineError(code, text, { cause: error }));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idle);
    const worker = this.#worker;
    if (worker === undefined) return;
    // What is under way ends by itself, so that a download keeps what has come.
    const ends = [...this.#pending.entries()].map(([id, { ended }]) => {
      worker.postMessage({ type: 'abort', id } satisfies ToWorker);
      return ended;
    });
    const limit = new Promise<void>((resolve) => setTimeout(resolve, CLOSE_MS_MAX).unref());
    await Promise.race([Promise.all(ends), limit]);
    await worker.terminate();
  }
}

/** Beside this file: as source, or as the bundle that tools/bundle.ts makes. */
function workerUrl(): URL {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'mjs';
  return new URL(`./registry-worker.${extension}`, import.meta.url);
}
