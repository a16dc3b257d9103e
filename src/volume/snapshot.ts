// Verbs that make a volume from a volume: clone, snapshot, rollback, rename, resize. Each makes all
// of what it makes beside the original and gives it its name in one step, so that a crash leaves
// nothing or everything.
import { mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory, writeFileAtomic } from '#base/atomic-file.ts';
import { formatTime, now } from '#base/clock.ts';
import { EngineError } from '#base/error.ts';
import { dropQuota, growLimit, makeLimit } from '#kernel/disk/disk.ts';
import { checkGrowth, checkLimit, decodeLimit, type Limit } from '#kernel/disk/limit.ts';
import { type Copied, copyContent, DATA, exchangeContent, growDisk } from './content.ts';
import type { VolumeMounts } from './mounts.ts';
import { SNAPSHOTS, type Volume, volumeOf } from './record.ts';
import { checkName, checkUnused, type VolumeStore } from './volume.ts';

export type Snapshot = {
  readonly name: string;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly limit: Limit | undefined;
};

const RECORD = 'snapshot.json';
export const SNAPSHOTS_MAX = 1000;

export class VolumeCopies {
  readonly #store: VolumeStore;
  readonly #mounts: VolumeMounts;

  constructor(store: VolumeStore, mounts: VolumeMounts) {
    this.#store = store;
    this.#mounts = mounts;
  }

  /** A new volume with the same content, labels and size. */
  async clone(from: string, to: string): Promise<Copied> {
    checkName(to);
    using _locks = await lockBoth(this.#store, from, to);
    const volume = own(this.#store.get(from), 'clone');
    refuseTaken(this.#store, to);
    const { needs } = this.#store;
    const stage = await this.#store.stage();
    let limit: Limit | undefined;
    try {
      limit = await this.#limitFor(stage, volume);
      const copied = await this.#copyOf(volume, stage);
      const { labels, options } = volume;
      const record = { name: to, createdAt: formatTime(now()), labels, options, anonymous: false };
      await this.#store.publish(stage, volumeOf({ ...record, limit }, this.#store.pathOf(to)));
      return copied;
    } catch (error) {
      if (limit?.kind === 'quota') await dropQuota(needs.perform, stage, limit.project);
      await needs.trash.remove(stage);
      throw error;
    }
  }

  /** A quota of its own for a copy; a disk brings its limit along. */
  async #limitFor(stage: string, { limit }: Volume): Promise<Limit | undefined> {
    if (limit?.kind !== 'quota') return limit;
    return makeLimit(this.#store.needs.perform, stage, join(stage, DATA), limit.bytes);
  }

  /** A disk is mounted for it, so that its file system can be told to write all that it holds. */
  #copyOf(volume: Volume, to: string): Promise<Copied> {
    const { limit, mountpoint, name } = volume;
    const mounted = limit?.kind === 'disk' ? mountpoint : '';
    return this.#mounts.while(volume, () =>
      copyContent(this.#store.needs, this.#store.pathOf(name), to, { limit, mounted }),
    );
  }

  /** Without a name it is called after the moment: 20261124T134500Z. */
  async snapshot(name: string, wish: string): Promise<Copied & { readonly name: string }> {
    using _lock = await this.#store.locks.acquire(name);
    const volume = own(this.#store.get(name), 'snapshot');
    const parent = this.#parent(name);
    await mkdir(parent, { recursive: true, mode: 0o700 });
    const taken = (await readdir(parent)).filter((each) => !each.startsWith('.'));
    if (taken.length >= SNAPSHOTS_MAX) {
      const text = `snapshot ${name}: there are ${SNAPSHOTS_MAX} of it, which is the limit`;
      throw new EngineError('limit_exceeded', text);
    }
    const createdAt = formatTime(now());
    const label = wish === '' ? createdAt.replaceAll(/[-:]|\.\d+/g, '') : wish;
    checkSnapshotName(label);
    if (taken.includes(label)) {
      throw new EngineError('conflict', `snapshot ${name}: ${label} exists already`);
    }
    const stage = await this.#store.stage(parent);
    try {
      const copied = await this.#copyOf(volume, stage);
      const record = { version: 1, createdAt, limit: volume.limit };
      await writeFileAtomic(join(stage, RECORD), JSON.stringify(record));
      await rename(stage, join(parent, label));
      await syncDirectory(parent);
      return { ...copied, name: label };
    } catch (error) {
      await this.#store.needs.trash.remove(stage);
      throw error;
    }
  }

  /** The newest last. */
  async snapshots(name: string): Promise<readonly Snapshot[]> {
    const parent = this.#parent(this.#store.get(name).name);
    const found: Snapshot[] = [];
    for (const each of await readdir(parent).catch((): string[] => [])) {
      if (!each.startsWith('.')) found.push(await readSnapshot(parent, each));
    }
    return found.sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
  }

  async removeSnapshot(name: string, snapshot: string): Promise<void> {
    using _lock = await this.#store.locks.acquire(name);
    await this.#find(name, snapshot);
    const parent = this.#parent(name);
    await this.#store.needs.trash.remove(join(parent, snapshot));
    await syncDirectory(parent);
  }

  /**
   * What a snapshot holds becomes the content; the snapshot stays. No container may run with it.
   */
  async rollback(name: string, wish: string): Promise<Copied & { readonly name: string }> {
    using _lock = await this.#store.locks.acquire(name);
    const volume = own(this.#store.get(name), 'rollback');
    const snapshot = await this.#find(name, wish);
    const { needs } = this.#store;
    const stage = await this.#store.stage(this.#parent(name));
    try {
      const from = join(this.#parent(name), snapshot.name);
      const { limit } = volume;
      if (limit?.kind === 'quota') {
        // So that all that is copied into it belongs to the project.
        const { project, bytes } = limit;
        const path = join(stage, DATA);
        await needs.perform([
          { op: 'mkdir', path, mode: 0o755 },
          { op: 'quota_set', path, project, bytes },
        ]);
      }
      const copied = await copyContent(needs, from, stage, { limit: snapshot.limit, mounted: '' });
      if (limit?.kind === 'disk' && limit.bytes > (snapshot.limit?.bytes ?? 0)) {
        await growDisk(needs, stage, limit.bytes);
      }
      await exchangeContent(needs, this.#store.pathOf(name), stage, limit);
      return { ...copied, name: snapshot.name };
    } finally {
      await needs.trash.remove(stage);
    }
  }

  async #find(name: string, snapshot: string): Promise<Snapshot> {
    const all = await this.snapshots(name);
    const found = snapshot === '' ? all.at(-1) : all.find((each) => each.name === snapshot);
    if (found !== undefined) return found;
    const what = snapshot === '' ? 'it has no snapshot' : `no such snapshot: ${snapshot}`;
    throw new EngineError('not_found', `volume ${name}: ${what}`);
  }

  #parent(name: string): string {
    return join(this.#store.pathOf(name), SNAPSHOTS);
  }

  /** The caller has made sure that no container has it: their records hold the name. */
  async rename(from: string, to: string): Promise<Volume> {
    checkName(to);
    using _locks = await lockBoth(this.#store, from, to);
    this.#store.get(from);
    refuseTaken(this.#store, to);
    checkUnused('rename', from, this.#store.reservedBy(from));
    return await this.#store.rename(from, to);
  }

  /** Takes effect at once, also in containers that run with it. */
  async resize(name: string, size: number): Promise<Volume> {
    using _lock = await this.#store.locks.acquire(name);
    const volume = this.#store.get(name);
    const { limit } = volume;
    if (limit === undefined) {
      throw new EngineError(
        'invalid_argument',
        `volume ${name} has no size: give it one when it is made (volume create --size)`,
      );
    }
    const bytes = checkLimit(size);
    checkGrowth(`volume ${name}`, limit.bytes, bytes);
    const { perform } = this.#store.needs;
    const path = this.#store.pathOf(name);
    const used = this.#mounts.mounted(name);
    const grown = await growLimit(perform, path, volume.mountpoint, { limit, bytes, used });
    const options = { ...volume.options, size: String(bytes) };
    const resized = { ...volume, options, limit: grown };
    await this.#store.write(resized);
    return resized;
  }
}

/** In the order of their names, so that two that cross do not wait for each other. */
async function lockBoth(store: VolumeStore, one: string, other: string): Promise<Disposable> {
  const stack = new DisposableStack();
  for (const name of [...new Set([one, other])].sort()) stack.use(await store.locks.acquire(name));
  return stack;
}

function refuseTaken(store: VolumeStore, name: string): void {
  if (store.find(name) === undefined) return;
  throw new EngineError('conflict', `a volume named ${name} exists already`);
}

/** What is in a directory of the host, or on a server, is not the volume's to copy. */
function own(volume: Volume, verb: string): Volume {
  if (volume.source.kind === 'directory') return volume;
  const { device } = volume.source;
  const text = `cannot ${verb} volume ${volume.name}: its content lies in ${device}`;
  throw new EngineError('invalid_argument', text);
}

const SNAPSHOT_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;

function checkSnapshotName(name: string): void {
  if (SNAPSHOT_NAME.test(name)) return;
  const text = `invalid name of a snapshot: ${JSON.stringify(name)}: [a-zA-Z0-9][a-zA-Z0-9_.-]*`;
  throw new EngineError('invalid_argument', text);
}

async function readSnapshot(parent: string, name: string): Promise<Snapshot> {
  try {
    const raw: unknown = JSON.parse(await readFile(join(parent, name, RECORD), 'utf8'));
    const { createdAt, limit } = raw as Record<string, unknown>;
    return { name, createdAt: String(createdAt), limit: decodeLimit(limit) };
  } catch (error) {
    throw new EngineError('corrupt', `the snapshot ${name} cannot be read`, { cause: error });
  }
}
