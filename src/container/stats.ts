// stats: what a container uses, once a second. All who watch one container share one sampler, which
// exists only while somebody watches. Watchers are called, not awaited: what goes through a promise
// that was waited for is kept by it, which is old to the collector of garbage by then, until a
// collection of all there is; that cost as much as the samples.
import { type Nanoseconds, now } from '#base/clock.ts';
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
/** What is kept of a sample for the next one. */
export type Earlier = Pick<Sample, 'at' | 'host'> & {
  readonly usage: Pick<Sample['usage'], 'cpu'>;
};

export type StatsFrame = {
  readonly id: string;
  readonly name: string;
  /** undefined = it does not run. */
  readonly sample: Sample | undefined;
  /** The one that was told before. */
  readonly before: Earlier | undefined;
};

type StatsDeps = Pick<Deps, 'store' | 'lives' | 'networks'>;

/**
 * Tells one frame after the other, the first at once where nobody watches it already, until the
 * container is removed or the signal comes. Throws at once where there is no such container.
 */
export function watchStats(
  deps: StatsDeps,
  ref: string,
  signal: AbortSignal,
  tell: (frame: StatsFrame) => void,
): Promise<void> {
  const { id } = deps.store.get(ref);
  return watch(deps, id, signal, tell);
}

async function watch(
  deps: StatsDeps,
  id: string,
  signal: AbortSignal,
  tell: (frame: StatsFrame) => void,
): Promise<void> {
  if (signal.aborted) return;
  const live = deps.lives.of(id);
  live.sampler ??= new Sampler(deps, id);
  const { sampler } = live;
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  const leave = (): void => resolve();
  signal.addEventListener('abort', leave, { once: true });
  const removed = new AbortController();
  live.removed.next(removed.signal).then(leave, () => {});
  const watcher: Watcher = { tell, end: resolve, fail: reject };
  try {
    sampler.join(watcher);
    await ended;
  } finally {
    removed.abort();
    signal.removeEventListener('abort', leave);
    sampler.leave(watcher);
    if (sampler.idle && live.sampler === sampler) live.sampler = undefined;
  }
}

/** oneShot: at once, without a sample before it; undefined = removed between two samples. */
export async function statsOnce(
  deps: StatsDeps,
  ref: string,
  { oneShot }: { readonly oneShot: boolean },
  signal: AbortSignal,
): Promise<StatsFrame | undefined> {
  const record = deps.store.get(ref);
  const { task } = deps.lives.of(record.id);
  if (!isRunning(record.state) || task === undefined) return frameOf(record, undefined, undefined);
  if (oneShot) {
    using reader = task.openUsage();
    return frameOf(record, sampleOf(deps, record, reader), undefined);
  }
  const found = new AbortController();
  let answer: StatsFrame | undefined;
  await watch(deps, record.id, AbortSignal.any([signal, found.signal]), (frame) => {
    // A share of the CPU needs two samples.
    if (frame.sample !== undefined && frame.before === undefined) return;
    answer ??= frame;
    found.abort();
  });
  return answer;
}

function frameOf(
  { id, name }: ContainerRecord,
  sample: Sample | undefined,
  before: Earlier | undefined,
): StatsFrame {
  return { id, name, sample, before: sample === undefined ? undefined : before };
}

type Watcher = {
  readonly tell: (frame: StatsFrame) => void;
  readonly end: () => void;
  readonly fail: (error: unknown) => void;
};

export class Sampler {
  readonly #deps: StatsDeps;
  readonly #id: string;
  readonly #watchers = new Set<Watcher>();
  #timer: NodeJS.Timeout | undefined;
  #last: Earlier | undefined;
  #reader: { readonly task: Task; readonly usage: ReturnType<Task['openUsage']> } | undefined;

  constructor(deps: StatsDeps, id: string) {
    this.#deps = deps;
    this.#id = id;
  }

  get idle(): boolean {
    return this.#watchers.size === 0;
  }

  /** Who comes first is told at once; who comes later, of the next sample. */
  join(watcher: Watcher): void {
    this.#watchers.add(watcher);
    if (this.#timer !== undefined) return;
    const early = performance.now() % SLOT_MS;
    this.#timer = setTimeout(() => {
      this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
      this.#sample();
    }, SAMPLE_MS - early);
    this.#sample();
  }

  leave(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    if (this.#watchers.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#last = undefined;
    this.#close();
  }

  /** Called by a timer: what goes wrong is the error of those who watch. */
  #sample(): void {
    const watchers = [...this.#watchers];
    try {
      const record = this.#deps.store.find(this.#id);
      if (record === undefined) {
        for (const watcher of watchers) watcher.end();
        return;
      }
      const sample = this.#read(record);
      const frame = frameOf(record, sample, this.#last);
      this.#last = earlierOf(sample);
      for (const watcher of watchers) watcher.tell(frame);
    } catch (error) {
      for (const watcher of watchers) watcher.fail(error);
    }
  }

  #read(record: ContainerRecord): Sample | undefined {
    const { task } = this.#deps.lives.of(this.#id);
    // Another task: the container was started again.
    if (this.#reader !== undefined && this.#reader.task !== task) this.#close();
    if (task === undefined || !isRunning(record.state)) return undefined;
    this.#reader ??= { task, usage: task.openUsage() };
    return sampleOf(this.#deps, record, this.#reader.usage);
  }

  #close(): void {
    this.#reader?.usage[Symbol.dispose]();
    this.#reader = undefined;
  }
}

function sampleOf(
  deps: Pick<Deps, 'networks' | 'store'>,
  record: ContainerRecord,
  reader: ReturnType<Task['openUsage']>,
): Sample | undefined {
  const usage = reader.read(interfacesOf(deps, record));
  return usage === undefined ? undefined : { ...usage, at: now() };
}

function earlierOf(sample: Sample | undefined): Earlier | undefined {
  if (sample === undefined) return undefined;
  const { at, host, usage } = sample;
  return { at, host, usage: usage.cpu === undefined ? {} : { cpu: usage.cpu } };
}

/**
 * Those of its endpoints, as Docker tells: neither lo, nor what a program inside makes, nor those
 * of the host with --network host.
 */
function interfacesOf(
  deps: Pick<Deps, 'networks' | 'store'>,
  record: ContainerRecord,
): readonly string[] {
  const { networkMode } = record.spec.host;
  const shared = networkMode.startsWith('container:')
    ? deps.store.find(networkMode.slice('container:'.length))?.id
    : record.id;
  const sandbox = shared === undefined ? undefined : deps.networks.sandbox(shared);
  return sandbox?.endpoints.map((endpoint) => endpoint.interface) ?? [];
}
