// Local volumes: a directory `<root>/<name>/_data` and a record beside it. Who uses a volume is the
// business of container/; nothing here counts references, mounts, or copies content of images.
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory, writeFileAtomic } from '#base/atomic-file.ts';
import { formatTime, now } from '#base/clock.ts';
import { EngineError, errnoOf } from '#base/error.ts';
import { newId } from '#base/id.ts';

export type Volume = {
  readonly name: string;
  readonly driver: 'local';
  /** The directory to bind. */
  readonly mountpoint: string;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  /** Made without a name; `rm -v` and prune may take it. */
  readonly anonymous: boolean;
};

export type VolumeWish = {
  /** "" = anonymous. */
  readonly name: string;
  readonly driver?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly options?: Readonly<Record<string, string>>;
};

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const NAME_LENGTH_MAX = 255;
const RECORD = 'volume.json';
const DELETED_PREFIX = '.removed-';

export class VolumeStore {
  readonly #root: string;
  readonly #volumes = new Map<string, Volume>();
  /** Names being made, so that two containers that ask for one volume get the same. */
  readonly #making = new Map<string, Promise<Volume>>();

  constructor(root: string) {
    this.#root = root;
  }

  /** Reads what is on disk; problems are named, never fatal. */
  async load(): Promise<readonly string[]> {
    await mkdir(this.#root, { recursive: true, mode: 0o701 });
    const problems: string[] = [];
    for (const entry of await readdir(this.#root)) {
      const path = join(this.#root, entry);
      if (entry.startsWith(DELETED_PREFIX)) {
        await rm(path, { recursive: true, force: true });
        continue;
      }
      try {
        this.#volumes.set(entry, parse(await readFile(join(path, RECORD), 'utf8'), entry, path));
      } catch (error) {
        // Made half way: the record is written last.
        if (errnoOf(error) === 'ENOENT') await rm(path, { recursive: true, force: true });
        else problems.push(`volume ${entry}: ${String(error)}`);
      }
    }
    return problems;
  }

  /** Makes a volume, or answers the one that has this name. */
  async create(wish: VolumeWish): Promise<Volume> {
    const driver = wish.driver ?? 'local';
    if (driver !== '' && driver !== 'local') {
      throw new EngineError(
        'not_found',
        `error looking up volume plugin ${driver}: plugin "${driver}" not found`,
      );
    }
    const name = wish.name === '' ? newId() : wish.name;
    checkName(name);
    const before = this.#volumes.get(name) ?? this.#making.get(name);
    if (before !== undefined) return before;
    const making = this.#make(name, wish);
    this.#making.set(name, making);
    try {
      return await making;
    } finally {
      this.#making.delete(name);
    }
  }

  async #make(name: string, wish: VolumeWish): Promise<Volume> {
    const path = join(this.#root, name);
    await mkdir(join(path, '_data'), { recursive: true, mode: 0o755 });
    const record = {
      version: 1,
      name,
      createdAt: formatTime(now()),
      labels: wish.labels ?? {},
      options: wish.options ?? {},
      anonymous: wish.name === '',
    };
    await writeFileAtomic(join(path, RECORD), JSON.stringify(record));
    const volume = parse(JSON.stringify(record), name, path);
    this.#volumes.set(name, volume);
    return volume;
  }

  get(name: string): Volume {
    const volume = this.#volumes.get(name);
    if (volume === undefined) {
      throw new EngineError('not_found', `get ${name}: no such volume`);
    }
    return volume;
  }

  list(): readonly Volume[] {
    return [...this.#volumes.values()];
  }

  /** Removes the volume with its data; the caller has made sure that nobody uses it. */
  async remove(name: string): Promise<void> {
    const volume = this.get(name);
    this.#volumes.delete(volume.name);
    // Renamed first: a crash leaves either the whole volume or something to be swept.
    const grave = join(this.#root, `${DELETED_PREFIX}${name}`);
    await rename(join(this.#root, name), grave);
    await syncDirectory(this.#root);
    await rm(grave, { recursive: true, force: true });
  }
}

function checkName(name: string): void {
  if (NAME.test(name) && name.length <= NAME_LENGTH_MAX) return;
  throw new EngineError(
    'invalid_argument',
    `create ${name}: "${name}" includes invalid characters for a local volume name, only ` +
      '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use ' +
      'absolute path',
  );
}

function parse(text: string, name: string, path: string): Volume {
  const record: unknown = JSON.parse(text);
  if (typeof record !== 'object' || record === null || !('version' in record)) {
    throw new EngineError('corrupt', 'the record is not an object with a version');
  }
  const { version, createdAt, labels, options, anonymous } = record as Record<string, unknown>;
  if (version !== 1) {
    throw new EngineError('corrupt', `unknown version ${String(version)} of the record`);
  }
  return {
    name,
    driver: 'local',
    mountpoint: join(path, '_data'),
    createdAt: String(createdAt),
    labels: strings(labels),
    options: strings(options),
    anonymous: anonymous === true,
  };
}

function strings(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null) return {};
  const pairs = Object.entries(value).filter(([, each]) => typeof each === 'string');
  return Object.fromEntries(pairs) as Record<string, string>;
}
