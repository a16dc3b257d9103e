// Directories of RUN --mount=type=cache: who uses which, so that a private one is nobody else's and a
// locked one is one's at a time; and what `system df` tells of them. `build-mounts/<name>` below the
// data root, with `<name>.json` beside each.
import { randomUUID } from 'node:crypto';
import { renameSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '#base/atomic-file.ts';
import { now, type Nanoseconds } from '#base/clock.ts';
import { errnoOf } from '#base/error.ts';
import { KeyedLock } from '#base/keyed-lock.ts';

const VERSION = 1;
const NAME = /^[0-9a-f]{64}(-\d+)?$/;
/** Of a directory that is being removed: nobody asks for it by this name. */
const REMOVED = 'removed-';

/** What is done in a process of its own: the trees are large, and of strangers. */
export type MountDisk = {
  /** Sum of the lengths of its files; 0 where it cannot be told. */
  readonly measure: (path: string) => Promise<number>;
  readonly removeTrees: (paths: readonly string[]) => Promise<void>;
};

export type CacheMount = {
  readonly name: string;
  readonly description: string;
  readonly created: Nanoseconds;
  readonly lastUsed: Nanoseconds;
  readonly uses: number;
};

export class CacheMounts {
  readonly folder: string;
  readonly #disk: MountDisk;
  readonly #locks = new KeyedLock();
  readonly #writes = new KeyedLock();
  readonly #users = new Map<string, number>();
  readonly #mounts = new Map<string, CacheMount>();

  constructor(folder: string, disk: MountDisk) {
    this.folder = folder;
    this.#disk = disk;
  }

  /** Reads what is there, and removes what an earlier life was about to remove. */
  async load(): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    const entries = await readdir(this.folder, { withFileTypes: true });
    const left = entries.filter(({ name }) => name.startsWith(REMOVED));
    await this.#disk.removeTrees(left.map(({ name }) => join(this.folder, name)));
    const folders = new Set(entries.filter((each) => each.isDirectory()).map(({ name }) => name));
    for (const { name } of entries) {
      const isAlone = name.endsWith('.json') && !folders.has(name.slice(0, -'.json'.length));
      if (isAlone) await rm(join(this.folder, name), { force: true });
    }
    for (const entry of entries) {
      if (!NAME.test(entry.name) || !entry.isDirectory()) continue;
      this.#mounts.set(entry.name, await this.#read(entry.name));
    }
  }

  async #read(name: string): Promise<CacheMount> {
    try {
      return parseMount(name, await readFile(this.#recordOf(name), 'utf8'));
    } catch {
      // It has none from before there were any, or one that the power was cut upon. What is in the
      // directory counts, not who made it.
      const { birthtimeMs, mtimeMs } = await stat(join(this.folder, name));
      const time = (ms: number): Nanoseconds => BigInt(Math.trunc(ms)) * 1_000_000n;
      const lastUsed = time(Math.max(birthtimeMs, mtimeMs));
      return { name, description: '', created: time(birthtimeMs), lastUsed, uses: 0 };
    }
  }

  list(): readonly CacheMount[] {
    return [...this.#mounts.values()];
  }

  inUse(name: string): boolean {
    return this.#users.has(name);
  }

  use(name: string, description: string): AsyncDisposable {
    this.#users.set(name, (this.#users.get(name) ?? 0) + 1);
    const time = now();
    const { created = time, uses = 0 } = this.#mounts.get(name) ?? {};
    this.#mounts.set(name, { name, description, created, lastUsed: time, uses: uses + 1 });
    return {
      [Symbol.asyncDispose]: async () => {
        const left = (this.#users.get(name) ?? 1) - 1;
        if (left === 0) this.#users.delete(name);
        else this.#users.set(name, left);
        const mount = this.#mounts.get(name);
        if (mount !== undefined) this.#mounts.set(name, { ...mount, lastUsed: now() });
        await this.#write(name);
      },
    };
  }

  lock(name: string, signal: AbortSignal): Promise<Disposable> {
    return this.#locks.acquire(name, signal);
  }

  /** One after the other, which is what a disk does. */
  measure(name: string): Promise<number> {
    return this.#disk.measure(join(this.folder, name));
  }

  /** False if a build uses it now; one that begins meanwhile gets an empty directory. */
  async remove(name: string): Promise<boolean> {
    if (this.inUse(name) || !this.#mounts.has(name)) return false;
    const away = join(this.folder, `${REMOVED}${randomUUID()}`);
    // In one go with the question before: nobody can begin to use it between the two.
    try {
      renameSync(join(this.folder, name), away);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
    this.#mounts.delete(name);
    await this.#write(name);
    await this.#disk.removeTrees([away]);
    return true;
  }

  /** As it is when its turn comes: of two at once the last one writes what holds. */
  async #write(name: string): Promise<void> {
    using _lock = await this.#writes.acquire(name);
    const mount = this.#mounts.get(name);
    if (mount === undefined) return rm(this.#recordOf(name), { force: true });
    const text = JSON.stringify({ version: VERSION, ...mount }, (_key, value: unknown) =>
      typeof value === 'bigint' ? value.toString() : value,
    );
    await writeFileAtomic(this.#recordOf(name), text, { durable: false });
  }

  #recordOf(name: string): string {
    return join(this.folder, `${name}.json`);
  }
}

function parseMount(name: string, text: string): CacheMount {
  const raw = JSON.parse(text) as Record<string, unknown>;
  if (raw['version'] !== VERSION || raw['name'] !== name)
    throw new Error('unknown version or name');
  const time = (key: string): bigint => BigInt(String(raw[key]));
  const uses = Number(raw['uses']);
  if (!Number.isSafeInteger(uses)) throw new Error('bad number of uses');
  const description = String(raw['description']);
  return { name, description, created: time('created'), lastUsed: time('lastUsed'), uses };
}
