// Group commit: while one change is being performed, those that arrive wait and are then performed
// together. Twenty containers that start at once cost two runs of nft, not twenty.
import { EngineError } from '#base/error.ts';

export const WAITING_MAX = 4096;
/** Changes performed together, so that one refused change does not make very many run again. */
export const TOGETHER_MAX = 256;

type Waiting<Change> = {
  /** A change, or work that shares its turn with nothing. */
  readonly what: { readonly change: Change } | { readonly alone: () => Promise<void> };
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
};

export class CommitQueue<Change> {
  readonly #perform: (changes: readonly Change[]) => Promise<void>;
  #waiting: Waiting<Change>[] = [];
  #running = false;

  /** `perform` does all the changes or none. */
  constructor(perform: (changes: readonly Change[]) => Promise<void>) {
    this.#perform = perform;
  }

  submit(change: Change): Promise<void> {
    return this.#push({ change });
  }

  /** Runs `work` in its turn, while no change is under way. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    const answers: T[] = [];
    await this.#push({
      alone: async () => {
        answers.push(await work());
      },
    });
    return answers[0] as T;
  }

  #push(what: Waiting<Change>['what']): Promise<void> {
    if (this.#waiting.length >= WAITING_MAX) {
      const message = `too many firewall changes wait (WAITING_MAX, ${WAITING_MAX})`;
      return Promise.reject(new EngineError('limit_exceeded', message));
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ what, done: resolve, failed: reject });
    if (!this.#running) void this.#drain();
    return promise;
  }

  async #drain(): Promise<void> {
    this.#running = true;
    while (this.#waiting.length > 0) {
      const group = this.#nextGroup();
      this.#waiting = this.#waiting.slice(group.length);
      if (!(await this.#together(group))) {
        // One of them is refused: alone, each gets its own answer.
        for (const one of group) await this.#together([one]);
      }
    }
    this.#running = false;
  }

  #nextGroup(): readonly Waiting<Change>[] {
    const end = this.#waiting.findIndex(({ what }) => 'alone' in what);
    if (end === 0) return this.#waiting.slice(0, 1);
    return this.#waiting.slice(0, Math.min(TOGETHER_MAX, end < 0 ? TOGETHER_MAX : end));
  }

  /** True when all are answered; a single one always is. */
  async #together(group: readonly Waiting<Change>[]): Promise<boolean> {
    try {
      const changes: Change[] = [];
      for (const { what } of group) {
        if ('alone' in what) await what.alone();
        else changes.push(what.change);
      }
      if (changes.length > 0) await this.#perform(changes);
      for (const { done } of group) done();
      return true;
    } catch (error) {
      if (group.length > 1) return false;
      group[0]?.failed(error);
      return true;
    }
  }
}
