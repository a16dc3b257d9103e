// The networks in memory, by id, name and prefix of the id, and their records on disk, one file
// each: `<data>/networks/<id>.json`. Who is connected is not here.
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory, writeFileAtomic } from '#base/atomic-file.ts';
import { EngineError, messageOf } from '#base/error.ts';
import { isFullId } from '#base/id.ts';
import type { NetworkRecord } from './engine.ts';
import { decodeNetwork, encodeNetwork } from './record.ts';

const SUFFIX = '.json';
const ID_DIGITS = 64;
/** A temporary file of writeFileAtomic() that a crash left. */
const LEFT_OVER = /\.json\.tmp-\d+-\d+$/;

export class NetworkStore {
  readonly #directory: string;
  readonly #records = new Map<string, NetworkRecord>();
  readonly #names = new Map<string, string>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Reads all records; answers what cannot be read, which is left alone. */
  async load(): Promise<readonly string[]> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const problems: string[] = [];
    for (const file of await readdir(this.#directory)) {
      const path = join(this.#directory, file);
      if (LEFT_OVER.test(file)) await rm(path, { force: true });
      if (!file.endsWith(SUFFIX)) continue;
      try {
        const record = decodeNetwork(await readFile(path, 'utf8'), file.slice(0, -SUFFIX.length));
        const other = this.#names.get(record.name);
        if (other !== undefined) throw new EngineError('corrupt', `its name is that of ${other}`);
        this.#keep(record);
      } catch (error) {
        problems.push(`${path}: ${messageOf(error)}`);
      }
    }
    return problems;
  }

  #keep(record: NetworkRecord): void {
    this.#records.set(record.id, record);
    this.#names.set(record.name, record.id);
  }

  #path(id: string): string {
    return join(this.#directory, id + SUFFIX);
  }

  list(): readonly NetworkRecord[] {
    return [...this.#records.values()];
  }

  named(name: string): NetworkRecord | undefined {
    return this.#records.get(this.#names.get(name) ?? '');
  }

  byId(id: string): NetworkRecord | undefined {
    return this.#records.get(id);
  }

  /** By id, name, or unique prefix of an id, in this order; texts are Docker's. */
  get(ref: string): NetworkRecord {
    const exact = this.#records.get(ref) ?? this.named(ref);
    if (exact !== undefined) return exact;
    const found =
      ref === '' || ref.length >= ID_DIGITS || !/^[0-9a-f]+$/.test(ref)
        ? []
        : [...this.#records.values()].filter(({ id }) => id.startsWith(ref));
    const [first, ...others] = found;
    if (first === undefined) throw new EngineError('not_found', `network ${ref} not found`);
    if (others.length === 0) return first;
    throw new EngineError(
      'invalid_argument',
      `network ${ref} is ambiguous (${found.length} matches found based on ID prefix)`,
    );
  }

  /** Adds, or replaces the one of the same id; durable when it resolves. */
  async put(record: NetworkRecord): Promise<void> {
    if (!isFullId(record.id)) throw new EngineError('internal', `no id: ${record.id}`);
    await writeFileAtomic(this.#path(record.id), encodeNetwork(record));
    this.#keep(record);
  }

  async delete(record: NetworkRecord): Promise<void> {
    await rm(this.#path(record.id), { force: true });
    this.#records.delete(record.id);
    this.#names.delete(record.name);
    await syncDirectory(this.#directory);
  }
}
