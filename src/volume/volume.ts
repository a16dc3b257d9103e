// Local volumes: a directory `<root>/<name>/_data` and a record beside it. Who uses a volume is the
// business of container/; here is what a volume is, and that each name is changed by one at a time.
// mounts.ts mounts what its options name, fill.ts copies into it, copy.ts copies it.
import { mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory, writeFileAtomic } from '#base/atomic-file.ts';
import { formatTime, now } from '#base/clock.ts';
import { EngineError, errnoOf, isEngineError } from '#base/error.ts';
import { newId } from '#base/id.ts';
import { KeyedLock } from '#base/keyed-lock.ts';
import { isTrash, type Trash } from '#base/trash.ts';
import type { Publisher } from '#event/event.ts';
import { dropQuota, makeLimit, type Perform } from '#kernel/disk/disk.ts';
import { planVolume } from './options.ts';
import { decodeVolume, encodeVolume, RECORD, SNAPSHOTS, type Volume, volumeOf } from './record.ts';

export type { Volume } from './record.ts';

export type VolumeWish = {
  /** "" = anonymous. */
  readonly name: string;
  readonly driver?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly options?: Readonly<Record<string, string>>;
};

export type VolumeNeeds = {
  /** An agent of the C program for what is done at once, and one for what may take long. */
  readonly perform: Perform;
  readonly carry: Perform;
  /** Where directories go that are removed. */
  readonly trash: Pick<Trash, 'remove' | 'sweep'>;
  readonly events: Publisher;
};

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const NAME_LENGTH_MAX = 255;
/** A volume that is being made, before it has its name. */
const STAGE_PREFIX = '.stage-';

export class VolumeStore {
  readonly root: string;
  readonly needs: VolumeNeeds;
  /** By name: held while a volume is made, mounted, filled, copied, renamed or removed. */
  readonly locks = new KeyedLock();
  readonly #volumes = new Map<string, Volume>();
  /** Containers that are being made with a volume, until their record says so. */
  readonly #reserved = new Map<string, Set<string>>();

  constructor(root: string, needs: VolumeNeeds) {
    this.root = root;
    this.needs = needs;
  }

  /** Reads what is on disk; problems are named, never fatal. */
  async load(): Promise<readonly string[]> {
    await mkdir(this.root, { recursive: true, mode: 0o700 });
    const problems: string[] = [];
    for (const entry of await readdir(this.root)) {
      const path = join(this.root, entry);
      if (isTrash(entry)) void this.needs.trash.sweep(path);
      if (entry.startsWith(STAGE_PREFIX)) await this.needs.trash.remove(path);
      if (entry.startsWith('.')) continue;
      try {
        const text = await readFile(join(path, RECORD), 'utf8');
        this.#volumes.set(entry, decodeVolume(text, entry, path));
        await this.#sweepSnapshots(join(path, SNAPSHOTS));
      } catch (error) {
        // Made half way: the record is written last.
        if (errnoOf(error) === 'ENOENT') await this.needs.trash.remove(path);
        else problems.push(`volume ${entry}: ${String(error)}`);
      }
    }
    return problems;
  }

  async #sweepSnapshots(path: string): Promise<void> {
    for (const entry of await readdir(path).catch((): string[] => [])) {
      if (entry.startsWith('.')) await this.needs.trash.remove(join(path, entry));
    }
  }

  pathOf(name: string): string {
    return join(this.root, name);
  }

  /** Makes a volume, or answers the one that has this name. */
  async create(wish: VolumeWish): Promise<Volume> {
    const name = wish.name === '' ? newId() : wish.name;
    checkDriver(name, wish.driver ?? 'local');
    checkName(name);
    const before = this.#volumes.get(name);
    if (before !== undefined) return before;
    using _lock = await this.locks.acquire(name);
    // Two containers that ask for one volume get the same.
    return this.#volumes.get(name) ?? (await this.#make(name, wish));
  }

  async #make(name: string, wish: VolumeWish): Promise<Volume> {
    const options = wish.options ?? {};
    const { size } = planned(name, options);
    const path = this.pathOf(name);
    const data = join(path, '_data');
    // Nobody else may pass: a container with a user namespace can make files that belong to root.
    await mkdir(path, { mode: 0o700 });
    try {
      const { perform } = this.needs;
      const limit = size === undefined ? undefined : await makeLimit(perform, path, data, size);
      if (limit === undefined) await mkdir(data, { mode: 0o755 });
      const volume = volumeOf(
        {
          name,
          createdAt: formatTime(now()),
          labels: wish.labels ?? {},
          options,
          anonymous: wish.name === '',
          limit,
        },
        path,
      );
      await this.write(volume);
      this.tell('create', name);
      return volume;
    } catch (error) {
      await this.needs.trash.remove(path);
      throw error;
    }
  }

  /** Stores a new record of a volume; the caller holds its lock. */
  async write(volume: Volume): Promise<void> {
    await writeFileAtomic(join(this.pathOf(volume.name), RECORD), encodeVolume(volume));
    this.#volumes.set(volume.name, volume);
  }

  /**
   * A directory below `parent` for something that is made by copying; swept by the next daemon
   * unless publish() gave it a name.
   */
  async stage(parent = this.root): Promise<string> {
    const path = join(parent, `${STAGE_PREFIX}${newId().slice(0, 16)}`);
    await mkdir(path, { recursive: true, mode: 0o700 });
    return path;
  }

  /** Gives a staged directory its name, and with it its record. The caller holds the lock. */
  async publish(stage: string, volume: Volume): Promise<Volume> {
    await writeFileAtomic(join(stage, RECORD), encodeVolume(volume));
    await rename(stage, this.pathOf(volume.name));
    await syncDirectory(this.root);
    this.#volumes.set(volume.name, volume);
    this.tell('create', volume.name);
    return volume;
  }

  /** Another name; a crash leaves it with the old or the new one. The caller holds both locks. */
  async rename(from: string, to: string): Promise<Volume> {
    const { mountpoint: _place, source: _source, ...record } = this.get(from);
    await rename(this.pathOf(from), this.pathOf(to));
    await syncDirectory(this.root);
    this.#volumes.delete(from);
    this.tell('destroy', from);
    const renamed = volumeOf({ ...record, name: to, anonymous: false }, this.pathOf(to));
    await this.write(renamed);
    this.tell('create', to);
    return renamed;
  }

  get(name: string): Volume {
    const volume = this.#volumes.get(name);
    if (volume === undefined) {
      throw new EngineError('not_found', `get ${name}: no such volume`);
    }
    return volume;
  }

  find(name: string): Volume | undefined {
    return this.#volumes.get(name);
  }

  list(): readonly Volume[] {
    return [...this.#volumes.values()];
  }

  /** Until it is disposed, the volume is in use by a container that has no record yet. */
  reserve(name: string, container: string): Disposable {
    const users = this.#reserved.get(name) ?? new Set();
    this.#reserved.set(name, users.add(container));
    return {
      [Symbol.dispose]: () => {
        users.delete(container);
        if (users.size === 0) this.#reserved.delete(name);
      },
    };
  }

  /** Who reserves it. */
  reservedBy(name: string): readonly string[] {
    return [...(this.#reserved.get(name) ?? [])];
  }

  /** Removes the volume with its data; the caller has made sure that no container has it. */
  async remove(name: string): Promise<void> {
    this.get(name);
    using _lock = await this.locks.acquire(name);
    const volume = this.get(name);
    checkUnused('remove', name, this.reservedBy(name));
    this.#volumes.delete(name);
    const path = this.pathOf(name);
    const { perform, trash } = this.needs;
    const { limit, mountpoint } = volume;
    try {
      if (limit?.kind === 'quota') await dropQuota(perform, mountpoint, limit.project);
      // Renamed first: a crash leaves either the whole volume or something to be swept.
      await trash.remove(path);
    } catch (error) {
      this.#volumes.set(name, volume);
      throw error;
    }
    await syncDirectory(this.root);
    this.tell('destroy', name);
  }

  tell(action: 'create' | 'destroy', name: string): void {
    const actor = { id: name, attributes: { driver: 'local' } };
    this.needs.events.publish({ type: 'volume', action, actor });
  }
}

export function checkUnused(verb: string, name: string, users: readonly string[]): void {
  if (users.length === 0) return;
  const text = `${verb} ${name}: volume is in use - [${users.join(', ')}]`;
  throw new EngineError('conflict', text);
}

function checkDriver(name: string, driver: string): void {
  if (driver === '' || driver === 'local') return;
  throw new EngineError(
    'not_found',
    `create ${name}: error looking up volume plugin ${driver}: plugin "${driver}" not found`,
  );
}

export function checkName(name: string): void {
  const create = (why: string): EngineError =>
    new EngineError('invalid_argument', `create ${name}: ${why}`);
  if (name.length === 1) {
    throw create('volume name is too short, names should be at least two alphanumeric characters');
  }
  if (NAME.test(name) && name.length <= NAME_LENGTH_MAX) return;
  throw create(
    `"${name}" includes invalid characters for a local volume name, only ` +
      '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use ' +
      'absolute path',
  );
}

function planned(name: string, options: Readonly<Record<string, string>>) {
  try {
    return planVolume(options);
  } catch (error) {
    if (!isEngineError(error)) throw error;
    throw new EngineError(error.code, `create ${name}: ${error.message}`, { cause: error });
  }
}
