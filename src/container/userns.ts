// User namespaces of single containers: `--userns auto` and `--userns map:OUTSIDE:COUNT`.
// Ranges of "auto" are handed out in turn and never to two containers; no /etc/subuid is needed,
// because the daemon is root and writes uid_map itself (user_namespaces(7)).
import { readFile } from 'node:fs/promises';
import { writeFileAtomic } from '#base/atomic-file.ts';
import { EngineError, errnoOf } from '#base/error.ts';
import type { IdMapping } from '#runtime/box.ts';

export type UsernsMode =
  | { readonly mode: 'host' }
  | { readonly mode: 'auto' }
  | { readonly mode: 'map'; readonly outside: number; readonly count: number };

export const AUTO_FIRST = 1_000_000;
export const AUTO_COUNT = 65_536;
/** Ids are 32 bit and the last one means "no id" (setuid(2)). */
const ID_MAX = 0xffff_fffe;
const AUTO_SLOTS = Math.floor((ID_MAX - AUTO_FIRST) / AUTO_COUNT);

export function parseUsernsMode(text: string): UsernsMode {
  if (text === '' || text === 'host') return { mode: 'host' };
  if (text === 'auto') return { mode: 'auto' };
  const match = /^map:(\d{1,10}):(\d{1,10})$/.exec(text);
  const [outside, count] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || count < 1 || outside + count - 1 > ID_MAX) {
    throw new EngineError('invalid_argument', `invalid USER mode: ${text}`);
  }
  return { mode: 'map', outside, count };
}

export class UsernsRanges {
  readonly #path: string;
  #next: number | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  /**
   * `path` keeps the next slot, so that a range does not come back soon after its container went.
   */
  constructor(path: string) {
    this.#path = path;
  }

  /** A free range; `used` are the mappings of all containers there are. */
  async allocate(used: () => readonly IdMapping[]): Promise<IdMapping> {
    const turn = this.#turn.then(() => this.#take(used()));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #take(used: readonly IdMapping[]): Promise<IdMapping> {
    this.#next ??= await this.#read();
    for (let tried = 0; tried < AUTO_SLOTS; tried += 1) {
      const slot = (this.#next + tried) % AUTO_SLOTS;
      const outside = AUTO_FIRST + slot * AUTO_COUNT;
      if (used.some((range) => overlaps(range, outside, AUTO_COUNT))) continue;
      this.#next = (slot + 1) % AUTO_SLOTS;
      await writeFileAtomic(this.#path, String(this.#next));
      return { inside: 0, outside, count: AUTO_COUNT };
    }
    throw new EngineError('limit_exceeded', 'no range of user ids is left for --userns auto');
  }

  async #read(): Promise<number> {
    try {
      const next = Number(await readFile(this.#path, 'utf8'));
      return Number.isInteger(next) && next >= 0 ? next % AUTO_SLOTS : 0;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return 0;
      throw error;
    }
  }
}

function overlaps(range: IdMapping, outside: number, count: number): boolean {
  return range.outside < outside + count && outside < range.outside + range.count;
}
