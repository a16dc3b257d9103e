// Tops with a size: `tops/<key>/limited/{upper,work}`, where `limited` is a project of the file
// system or the mount point of a disk (kernel/disk), and the symbolic link `limit` says which. A
// disk is mounted on the host only for moments: while a container is made of it, and while somebody
// reads it. The overlay of a container that runs keeps it alive by itself.
import { chmod, chown, mkdir, readFile, readlink, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError, errnoOf } from '#base/error.ts';
import { KeyedLock } from '#base/keyed-lock.ts';
import { dropQuota, growLimit, makeLimit, mountDisk, type Perform } from '#kernel/disk/disk.ts';
import { checkGrowth, DISK, type Limit } from '#kernel/disk/limit.ts';
import { pathsBelow } from '#kernel/mount/mountinfo.ts';
import type { RootAttributes } from './layer-record.ts';

/** In a top that has a size. */
export const LIMITED = 'limited';
const LINK = 'limit';
const MOUNTINFO = '/proc/self/mountinfo';

export class SizedTops {
  readonly #root: string;
  readonly #perform: Perform;
  readonly #limits = new Map<string, Limit>();
  readonly #holds = new Map<string, number>();
  readonly #locks = new KeyedLock();

  constructor(root: string, perform: Perform) {
    this.#root = root;
    this.#perform = perform;
  }

  /** What a crash has left mounted. */
  async sweep(): Promise<void> {
    for (const target of pathsBelow(this.#root, await readFile(MOUNTINFO, 'utf8'))) {
      await this.#perform([{ op: 'volume_unmount', target }]);
    }
  }

  /** Of a top that is there from before. */
  async read(key: string): Promise<void> {
    try {
      const text = await readlink(join(this.#root, key, LINK));
      this.#limits.set(key, decode(text));
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }

  get(key: string): Limit | undefined {
    return this.#limits.get(key);
  }

  /** In the top's directory, which is new. */
  async make(key: string, bytes: number, attributes: RootAttributes): Promise<void> {
    const path = join(this.#root, key);
    const limited = join(path, LIMITED);
    const limit = await makeLimit(this.#perform, path, limited, bytes);
    this.#limits.set(key, limit);
    await symlink(encode(limit), join(path, LINK));
    await using _held = await this.hold(key);
    const upper = join(limited, 'upper');
    await mkdir(upper, { mode: 0o755 });
    await chown(upper, attributes.uid, attributes.gid);
    await chmod(upper, attributes.mode);
    await mkdir(join(limited, 'work'), { mode: 0o700 });
  }

  /** Its directories are there until this is disposed. */
  async hold(key: string): Promise<AsyncDisposable> {
    if (this.#limits.get(key)?.kind !== 'disk') return { [Symbol.asyncDispose]: async () => {} };
    using _lock = await this.#locks.acquire(key);
    const holds = this.#holds.get(key) ?? 0;
    const target = join(this.#root, key, LIMITED);
    if (holds === 0) {
      await mountDisk(this.#perform, join(this.#root, key, DISK), target);
    }
    this.#holds.set(key, holds + 1);
    return { [Symbol.asyncDispose]: () => this.#release(key, target) };
  }

  async #release(key: string, target: string): Promise<void> {
    using _lock = await this.#locks.acquire(key);
    const holds = (this.#holds.get(key) ?? 0) - 1;
    if (holds < 0) return; // forgotten meanwhile
    if (holds > 0) {
      this.#holds.set(key, holds);
      return;
    }
    this.#holds.delete(key);
    await this.#perform([{ op: 'volume_unmount', target }]);
  }

  /** `used`: a container runs on it. */
  async grow(key: string, bytes: number, used: boolean): Promise<void> {
    const limit = this.#limits.get(key);
    if (limit === undefined) {
      throw new EngineError(
        'invalid_argument',
        'the container has no size: give it one when it is made (--storage-opt size=1g)',
      );
    }
    checkGrowth('the root', limit.bytes, bytes);
    const path = join(this.#root, key);
    await using _held = used ? await this.hold(key) : undefined;
    const growth = { limit, bytes, used };
    const grown = await growLimit(this.#perform, path, join(path, LIMITED), growth);
    const next = join(path, `${LINK}.next`);
    await rm(next, { force: true });
    await symlink(encode(grown), next);
    await rename(next, join(path, LINK));
    this.#limits.set(key, grown);
  }

  /** Before the top's directory is removed. */
  async forget(key: string): Promise<void> {
    const limit = this.#limits.get(key);
    this.#limits.delete(key);
    if (limit?.kind === 'disk') await this.#letGo(key);
    if (limit?.kind === 'quota') await dropQuota(this.#perform, this.#root, limit.project);
  }

  /** Who still reads it was cut. */
  async #letGo(key: string): Promise<void> {
    using _lock = await this.#locks.acquire(key);
    if (!this.#holds.delete(key)) return;
    await this.#perform([{ op: 'volume_unmount', target: join(this.#root, key, LIMITED) }]);
  }
}

function encode(limit: Limit): string {
  return limit.kind === 'disk' ? `disk:${limit.bytes}` : `quota:${limit.bytes}:${limit.project}`;
}

function decode(text: string): Limit {
  const match = /^(disk|quota):(\d{1,15})(?::(\d{1,10}))?$/.exec(text);
  const [, kind, bytes, project] = match ?? [];
  if (kind === 'disk') return { kind, bytes: Number(bytes) };
  if (kind === 'quota' && project !== undefined) {
    return { kind, bytes: Number(bytes), project: Number(project) };
  }
  throw new EngineError('corrupt', `the limit ${JSON.stringify(text)} cannot be read`);
}
