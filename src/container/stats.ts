// stats: what a container uses, once a second. All who watch one container share one sampler, which
// exists only while somebody watches; a watcher that is slow misses samples, never piles them up.
import { type Nanoseconds, now } from '#base/clock.ts';
import { EngineError } from '#base/error.ts';
import type { TaskUsage } from '#runtime/usage.ts';
import type { Deps } from './deps.ts';
import { isRunning } from './guard.ts';
import type { Task } from './port.ts';
import type { ContainerRecord } from './record.ts';

export const SAMPLE_MS = 1_000;
/**
 * Samplers wake together, this often: what 200 of them need is then in the processor's caches, and
 * the loop is never held for all of them at once.
 */
const SLOT_MS = 50;

export type Sample = TaskUsage & { readonly at: Nanoseconds };

export type StatsWish = {
  /** One after the other, until the container is removed or the watcher goes. */
  readonly stream: boolean;
  /** At once, without a sample before it to compare with. */
  readonly oneShot: boolean;
};

export type StatsFrame = {
  readonly id: string;
  readonly name: string;
  /** undefined = it does not run. */
  readonly sample: Sample | undefined;
  /** What the watcher has seen before. */
  readonly before: Sample | undefined;
};

type StatsDeps = Pick<Deps, 'store' | 'lives' | 'networks'>;

/** The container is looked up at once; it is watched from the first frame that is asked for. */
export function stats(
  deps: StatsDeps,
  ref: string,
  wish: StatsWish,
  signal: AbortSignal,
): AsyncIterable<StatsFrame> {
  if (wish.stream && wish.oneShot) {
    throw new EngineError('invalid_argument', 'cannot have stream=true and one-shot=true');
  }
  const { id } = deps.store.get(ref);
  if (wish.stream) return watch(deps, id, signal);
  return single(deps, id, wish, signal);
}

async function* single(
  deps: StatsDeps,
  id: string,
  { oneShot }: StatsWish,
  signal: AbortSignal,
): AsyncGenerator<StatsFrame> {
  const record = deps.store.get(id);
  const { task } = deps.lives.of(id);
  if (!isRunning(record.state) || task === undefined) {
    yield frameOf(record, undefined, undefined);
    return;
  }
  if (oneShot) {
    using reader = task.openUsage();
    yield frameOf(record, sampleOf(deps, record, reader.read()), undefined);
    return;
  }
  for await (const frame of watch(deps, id, signal)) {
    // A share of the CPU needs two samples.
    if (frame.sample !== undefined && frame.before === undefined) continue;
    yield frame;
    return;
  }
}

async function* watch(
  deps: StatsDeps,
  id: string,
  signal: AbortSignal,
): AsyncGenerator<StatsFrame> {
  if (deps.store.find(id) === undefined) return;
  const live = deps.lives.of(id);
  live.sampler ??= new Sampler(deps, id);
  const { sampler } = live;
  const watcher = sampler.join();
  let { before } = watcher;
  const leave = (): void => watcher.end();
  signal.addEventListener('abort', leave, { once: true });
  const removed = new AbortController();
  live.removed.next(removed.signal).then(leave, () => {});
  try {
    while (!signal.aborted) {
      const sample = await watcher.next();
      if (sample === 'ended') return;
      const record = deps.store.find(id);
      if (record === undefined) return;
      yield frameOf(record, sample, sample === undefined ? undefined : before);
      before = sample;
    }
  } finally {
    removed.abort();
    signal.removeEventListener('abort', leave);
    sampler.leave(watcher);
    if (sampler.idle && live.sampler === sampler) live.sampler = undefined;
  }
}

function frameOf(
  { id, name }: ContainerRecord,
  sample: Sample | undefined,
  before: Sample | undefined,
): StatsFrame {
  return { id, name, sample, before };
}

/** Holds the newest sample that it has not been asked for. */
class Watcher {
  readonly before: Sample | undefined;
  #held: { readonly sample: Sample | undefined } | undefined;
  #ended = false;
  #error: unknown;
  #wake: () => void = () => {};

  constructor(before: Sample | undefined) {
    this.before = before;
  }

  tell(sample: Sample | undefined): void {
    this.#held = { sample };
    this.#wake();
  }

  end(error?: unknown): void {
    this.#ended = true;
    this.#error ??= error;
    this.#wake();
  }

  async next(): Promise<Sample | undefined | 'ended'> {
    if (this.#held === undefined && !this.#ended) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    if (this.#error !== undefined) throw this.#error;
    if (this.#ended) return 'ended';
    const sample = this.#held?.sample;
    this.#held = undefined;
    return sample;
  }
}

export class Sampler {
  readonly #deps: StatsDeps;
  readonly #id: string;
  readonly #watchers = new Set<Watcher>();
  #timer: NodeJS.Timeout | undefined;
  #last: Sample | undefined;
  #reader: { readonly task: Task; readonly usage: ReturnType<Task['openUsage']> } | undefined;

  constructor(deps: StatsDeps, id: string) {
    this.#deps = deps;
    this.#id = id;
  }

  get idle(): boolean {
    return this.#watchers.size === 0;
  }

  /** Who comes first gets a sample at once; who comes later, the next, with the last before it. */
  join(): Watcher {
    const watcher = new Watcher(this.#last);
    this.#watchers.add(watcher);
    if (this.#timer === undefined) {
      const early = performance.now() % SLOT_MS;
      this.#timer = setTimeout(() => {
        this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
        this.#sample();
      }, SAMPLE_MS - early);
      this.#sample();
    }
    return watcher;
  }

  leave(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    if (this.#watchers.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#last = undefined;
    this.#close();
  }

  /** Called by a timer: what cannot be read is the error of those who watch. */
  #sample(): void {
    try {
      this.#last = this.#read();
    } catch (error) {
      for (const watcher of this.#watchers) watcher.end(error);
      return;
    }
    for (const watcher of this.#watchers) watcher.tell(this.#last);
  }

  #read(): Sample | undefined {
    const record = this.#deps.store.find(this.#id);
    const task = record === undefined ? undefined : this.#deps.lives.of(this.#id).task;
    // Another task: the container was started again.
    if (this.#reader !== undefined && this.#reader.task !== task) this.#close();
    if (record === undefined || task === undefined || !isRunning(record.state)) return undefined;
    this.#reader ??= { task, usage: task.openUsage() };
    return sampleOf(this.#deps, record, this.#reader.usage.read());
  }

  #close(): void {
    this.#reader?.usage[Symbol.dispose]();
    this.#reader = undefined;
  }
}

function sampleOf(
  deps: Pick<Deps, 'networks' | 'store'>,
  record: ContainerRecord,
  usage: TaskUsage | undefined,
): Sample | undefined {
  if (usage === undefined) return undefined;
  const own = interfacesOf(deps, record);
  const interfaces = Object.fromEntries(
    Object.entries(usage.interfaces).filter(([name]) => own.has(name)),
  );
  return { ...usage, interfaces, at: now() };
}

/**
 * Those of its endpoints, as Docker tells: neither lo, nor what a program inside makes, nor those
 * of the host with --network host.
 */
function interfacesOf(
  deps: Pick<Deps, 'networks' | 'store'>,
  record: ContainerRecord,
): ReadonlySet<string> {
  const { networkMode } = record.spec.host;
  const shared = networkMode.startsWith('container:')
    ? deps.store.find(networkMode.slice('container:'.length))?.id
    : record.id;
  const sandbox = shared === undefined ? undefined : deps.networks.sandbox(shared);
  return new Set(sandbox?.endpoints.map((endpoint) => endpoint.interface));
}
