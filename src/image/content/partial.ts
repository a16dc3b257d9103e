// Blobs on their way from a registry: `ingest/partial/<hex>` below the data root, named by the
// digest that they will have. Unlike other ingests they survive their owner and the daemon: the
// next pull goes on where this one stopped. A held one is somebody's work; any other goes when it
// is old, or when space is asked for.
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, hexOf } from '#base/digest.ts';
import { errnoOf } from '#base/error.ts';

/** What nobody went on with for so long. */
export const PARTIAL_AGE_MS_MAX = 24 * 60 * 60 * 1000;

export type PartialUsage = { readonly bytes: number; readonly free: number };

const NAME = /^[0-9a-f]{64}$/;

export class Partials {
  readonly #folder: string;
  readonly #holds = new Map<Digest, number>();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(folder: string): Promise<Partials> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const self = new Partials(folder);
    await self.removeOlder(PARTIAL_AGE_MS_MAX);
    return self;
  }

  path(digest: Digest): string {
    return join(this.#folder, hexOf(digest));
  }

  /** While it is held it is not removed. */
  hold(digests: readonly Digest[]): Disposable {
    for (const digest of digests) this.#holds.set(digest, (this.#holds.get(digest) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        for (const digest of digests) {
          const count = (this.#holds.get(digest) ?? 0) - 1;
          if (count > 0) this.#holds.set(digest, count);
          else this.#holds.delete(digest);
        }
      },
    };
  }

  held(digest: Digest): boolean {
    return this.#holds.has(digest);
  }

  /** Bytes on disk of all of them, and of those that nobody holds. */
  async usage(): Promise<PartialUsage> {
    let [bytes, free] = [0, 0];
    for (const path of await this.#list()) {
      const { bytes: own } = await this.#stat(path);
      bytes += own;
      if (!this.held(digestOf(path))) free += own;
    }
    return { bytes, free };
  }

  /** Removes one unless it is held by others; answers the bytes that it had. */
  async remove(digest: Digest): Promise<number> {
    return this.held(digest) ? 0 : this.#remove(this.path(digest));
  }

  /** Removes those that nobody holds and nothing was added to for `ageMs`; answers the bytes. */
  async removeOlder(ageMs: number): Promise<number> {
    const before = Date.now() - ageMs;
    let bytes = 0;
    for (const path of await this.#list()) {
      const { modifiedMs } = await this.#stat(path);
      // The last moment: a pull may have taken hold of it meanwhile.
      if (modifiedMs <= before && !this.held(digestOf(path))) bytes += await this.#remove(path);
    }
    return bytes;
  }

  /** Removes all that nobody holds; answers the bytes. */
  removeFree(): Promise<number> {
    return this.removeOlder(Number.NEGATIVE_INFINITY);
  }

  async list(): Promise<readonly Digest[]> {
    return (await this.#list()).map(digestOf);
  }

  async #list(): Promise<readonly string[]> {
    const names = await readdir(this.#folder);
    return names.filter((name) => NAME.test(name)).map((name) => join(this.#folder, name));
  }

  async #stat(path: string): Promise<{ readonly bytes: number; readonly modifiedMs: number }> {
    try {
      const { blocks, mtimeMs } = await stat(path);
      return { bytes: blocks * 512, modifiedMs: mtimeMs };
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
      return { bytes: 0, modifiedMs: Number.POSITIVE_INFINITY }; // became a blob meanwhile
    }
  }

  async #remove(path: string): Promise<number> {
    const { bytes } = await this.#stat(path);
    await rm(path, { force: true });
    return bytes;
  }
}

function digestOf(path: string): Digest {
  return `sha256:${path.slice(-64)}` as Digest;
}
