// Directories that are removed in two steps: out of sight by one rename, and their files behind the
// caller, one tree after the other. rmdir(2) waits for the disk's journal, and `docker run --rm`
// would wait with it. A crash in between leaves a name that isTrash() knows; who owns the parent
// directory gives such names to sweep() at its next start.
import { randomBytes } from 'node:crypto';
import { renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf } from './error.ts';

const PREFIX = '.gone-';
/** Trees that still wait to be deleted; more make remove() wait. */
export const DELETIONS_MAX = 64;

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
  const gone = join(dirname(path), `${PREFIX}${randomBytes(8).toString('hex')}`);
  try {
    renameSync(path, gone);
    return gone;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

export class Trash implements AsyncDisposable {
  readonly #removeTree: (path: string) => Promise<void>;
  readonly #report: (path: string, error: unknown) => void;
  #tail: Promise<void> = Promise.resolve();
  #waiting = 0;

  /** `removeTree` may be done by another process; a tree that it fails for is told to `report`. */
  constructor(
    removeTree: (path: string) => Promise<void>,
    report: (path: string, error: unknown) => void,
  ) {
    this.#removeTree = removeTree;
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
    if (this.#waiting > DELETIONS_MAX) await deleted;
  }

  /** Deletes a hidden directory after those before it; never rejects. */
  sweep(gone: string): Promise<void> {
    this.#waiting += 1;
    this.#tail = this.#tail.then(async () => {
      try {
        await this.#removeTree(gone);
      } catch (error) {
        this.#report(gone, error);
      } finally {
        this.#waiting -= 1;
      }
    });
    return this.#tail;
  }

  /** Waits for what is being deleted. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tail;
  }
}
