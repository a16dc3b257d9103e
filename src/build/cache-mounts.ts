// Directories of RUN --mount=type=cache: who uses which, so that a private one is nobody else's and a
// locked one is one's at a time.
import { randomUUID } from 'node:crypto';
import { renameSync } from 'node:fs';
import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '#base/error.ts';
import { KeyedLock } from '#base/keyed-lock.ts';

/** Of a directory that is being removed: nobody asks for it by this name. */
const REMOVED = 'removed-';

export class CacheMounts {
  readonly folder: string;
  readonly #locks = new KeyedLock();
  readonly #users = new Map<string, number>();

  constructor(folder: string) {
    this.folder = folder;
  }

  inUse(name: string): boolean {
    return this.#users.has(name);
  }

  use(name: string): Disposable {
    this.#users.set(name, (this.#users.get(name) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        const left = (this.#users.get(name) ?? 1) - 1;
        if (left === 0) this.#users.delete(name);
        else this.#users.set(name, left);
      },
    };
  }

  lock(name: string, signal: AbortSignal): Promise<Disposable> {
    return this.#locks.acquire(name, signal);
  }

  /** Those that no build uses now; one that begins meanwhile gets an empty directory. */
  async removeFree(): Promise<readonly { readonly name: string; readonly bytes: number }[]> {
    const removed: { name: string; bytes: number }[] = [];
    for (const name of await this.#names()) {
      if (this.inUse(name)) continue;
      const away = join(this.folder, `${REMOVED}${randomUUID()}`);
      // In one go with the question before: nobody can begin to use it between the two.
      renameSync(join(this.folder, name), away);
      const bytes = await bytesBelow(away);
      await rm(away, { recursive: true, force: true });
      if (!name.startsWith(REMOVED)) removed.push({ name, bytes });
    }
    return removed;
  }

  async #names(): Promise<readonly string[]> {
    try {
      return await readdir(this.folder);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    }
  }
}

async function bytesBelow(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    bytes += (await lstat(join(entry.parentPath, entry.name))).size;
  }
  return bytes;
}
