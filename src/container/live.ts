// What is known of a container only while the daemon lives: its task, who waits, who is attached,
// the timer of a restart. Nothing here is stored; recover.ts makes it anew.
import type { Ahead } from './ahead.ts';
import type { AttachStream } from './attach-stream.ts';
import type { WaitAnswer } from './engine.ts';
import type { Exec } from './exec.ts';
import type { Health } from './health.ts';
import type { Task } from './port.ts';
import type { Sampler } from './stats.ts';

/** Waiters that are told once; who asks later waits for the next telling. */
export class Signal<T> {
  #waiters = new Set<(value: T) => void>();

  /** Waits from now on: no telling after this call is missed. */
  next(signal?: AbortSignal): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    // Somebody may have stopped listening to the promise by the time it is rejected.
    promise.catch(() => {});
    const abort = (): void => {
      this.#waiters.delete(told);
      reject(signal?.reason);
    };
    const told = (value: T): void => {
      signal?.removeEventListener('abort', abort);
      resolve(value);
    };
    if (signal?.aborted) abort();
    else {
      this.#waiters.add(told);
      signal?.addEventListener('abort', abort, { once: true });
    }
    return promise;
  }

  tell(value: T): void {
    const waiters = this.#waiters;
    this.#waiters = new Set();
    for (const waiter of waiters) waiter(value);
  }
}

/** Work on a container that another verb may end. */
export interface Cuttable {
  /** Of a run, which the next one does not begin beside. */
  readonly holdsRoot: boolean;
  cut(why: string): void;
}

export class Live {
  task: Task | undefined;
  /** What was made before anybody asked for its start. */
  ahead: Ahead | undefined;
  /** Told at each end of the process, after the record and the events say so. */
  readonly exited = new Signal<WaitAnswer>();
  readonly removed = new Signal<WaitAnswer>();
  /** How many kills for want of memory were told of its run. */
  oomKills = 0;
  /** While somebody watches what it uses. */
  sampler: Sampler | undefined;
  /** Of its current or last run; undefined without a check. */
  health: Health | undefined;
  /** Looks into its files. */
  readonly visits = new Set<Cuttable>();
  readonly attachments = new Set<AttachStream>();
  readonly execs = new Map<string, Exec>();
  /** The back-off of the restart policy. */
  restartTimer: NodeJS.Timeout | undefined;
  restartDelayMs = 0;
  /** Somebody will start or remove it as soon as it has ended: neither policy nor --rm apply. */
  held = 0;
  /** Resolves, in any case, when the start in flight is over. */
  starting: Promise<void> | undefined;
  /** Somebody removes it by force: it is not started any more. */
  removing = 0;

  cutVisits(why: string): void {
    for (const visit of this.visits) visit.cut(why);
  }

  /** The others read the layer alone, as beside any run. */
  cutVisitsOfRoot(why: string): void {
    for (const visit of this.visits) if (visit.holdsRoot) visit.cut(why);
  }

  cancelRestart(): boolean {
    const pending = this.restartTimer !== undefined;
    clearTimeout(this.restartTimer);
    this.restartTimer = undefined;
    return pending;
  }
}

export class Lives {
  readonly #lives = new Map<string, Live>();
  readonly aheads = new Set<Ahead>();
  #closed = false;

  /** Nothing is begun any more. */
  get closed(): boolean {
    return this.#closed;
  }

  find(id: string): Live | undefined {
    return this.#lives.get(id);
  }

  of(id: string): Live {
    const known = this.#lives.get(id);
    if (known !== undefined) return known;
    const live = new Live();
    this.#lives.set(id, live);
    return live;
  }

  delete(id: string): void {
    this.#lives.get(id)?.cancelRestart();
    this.#lives.delete(id);
  }

  /** Undoes every launch ahead of a start; false when there was none. */
  async cancelAheads(): Promise<boolean> {
    const aheads = [...this.aheads];
    await Promise.all(aheads.map((ahead) => ahead.cancel()));
    return aheads.length > 0;
  }

  /** For shutdown: timers go, connections close, processes stay. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.cancelAheads();
    const lives = [...this.#lives.values()];
    this.#lives.clear();
    for (const live of lives) live.cancelRestart();
    await Promise.all(lives.map((live) => live.task?.close()));
  }
}
