// Directories that are removed in two steps: out of sight by one rename, and their files behind the
// caller, a moment later and several at a time. rmdir(2) waits for the disk's journal, and
// `docker run --rm` would wait with it. A crash in between leaves a name that isTrash() knows; who
// owns the parent directory gives such names to sweep() at its next start.
import { randomBytes } from 'node:crypto';
import { renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from './error.ts';

const PREFIX = '.gone-';
/** Never that of another life of the daemon, whose directories may still be there. */
const LIFE = randomBytes(8).toString('hex');
let counter = 0;
/** Trees that still wait to be deleted; more make remove() wait. */
export const DELETIONS_MAX = 64;
/** Trees that are handed over at once. */
const BATCH_MAX = 64;
/** Long enough for the answer to whoever removed to be out, and for what goes with it to come. */
const DELAY_MS = 5;

/** True for the name of a directory that remove() has hidden. */
export function isTrash(name: string): boolean {
  return name.startsWith(PREFIX);
}

/**
 * Out of sight: a crash after it leaves nothing that looks whole. Answers the new path, undefined
 * when there is no such directory. Synchronous, because one trip through the thread pool takes
 * longer than the rename.
 */
export function hide(path: string): string | undefined {
  counter += 1;
  const gone = join(dirname(path), `${PREFIX}${LIFE}-${counter}`);
  try {
    renameSync(path, gone);
    return gone;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

export class Trash implements AsyncDisposable {
  readonly #removeTrees: (paths: readonly string[]) => Promise<void>;
  readonly #report: (path: string, error: unknown) => void;
  readonly #queue: string[] = [];
  #round: Promise<void> = Promise.resolve();

  /** `removeTrees` may be done by another process; a tree that it fails for is told to `report`. */
  constructor(
    removeTrees: (paths: readonly string[]) => Promise<void>,
    report: (path: string, error: unknown) => void,
  ) {
    this.#removeTrees = removeTrees;
    this.#report = report;
  }

  /** Gone when this resolves, as far as anybody can tell; success if there is none. */
  async remove(path: string): Promise<void> {
    const gone = hide(path);
    if (gone !== undefined) await this.discard(gone);
  }

  /** Has a hidden directory deleted; waits for it only when too many wait already. */
  async discard(gone: string): Promise<void> {
    const deleted = this.sweep(gone);
    if (this.#queue.length > DELETIONS_MAX) await deleted;
  }

  /** Deletes a hidden directory with those that come a moment later; never rejects. */
  sweep(gone: string): Promise<void> {
    this.#queue.push(gone);
    // The first one opens a round for all that come until it begins.
    if (this.#queue.length === 1) this.#round = this.#round.then(() => this.#deleteAll());
    return this.#round;
  }

  async #deleteAll(): Promise<void> {
    await sleep(DELAY_MS);
    const waiting = this.#queue.splice(0);
    while (waiting.length > 0) {
      const paths = waiting.splice(0, BATCH_MAX);
      try {
        await this.#removeTrees(paths);
      } catch {
        for (const path of paths) await this.#deleteOne(path);
      }
    }
  }

  async #deleteOne(path: string): Promise<void> {
    try {
      await this.#removeTrees([path]);
    } catch (error) {
      this.#report(path, error);
    }
  }

  /** Waits for what is being deleted. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#round;
  }
}
