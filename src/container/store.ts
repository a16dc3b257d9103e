// All containers in memory, by id, name and id prefix, and their records on disk. The only file
// that knows where a container's files are. Locking is the verbs' business (locks), not the
// store's.
import { mkdirSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory, syncFile, writeFileAtomic } from '#base/atomic-file.ts';
import { EngineError, errnoOf, messageOf } from '#base/error.ts';
import { isFullId } from '#base/id.ts';
import type { SpareDirectories } from '#base/spare.ts';
import { hide, isTrash, type Trash } from '#base/trash.ts';
import { nameConflict } from './name.ts';
import { type ContainerRecord, decodeRecord, encodeRecord } from './record.ts';

const RECORD_FILE = 'record.json';
const LOAD_CONCURRENCY_MAX = 16;
const OWN_FILES = ['hosts', 'hostname', 'resolv.conf'];
const ID_LENGTH = 64;

/** A container's directory with the files that a start writes anew, in no hurry. */
export async function makeSpareDirectory(path: string): Promise<void> {
  await mkdir(path, { mode: 0o700 });
  for (const name of OWN_FILES) await writeFile(join(path, name), '', { mode: 0o644 });
}

export type Problem = { readonly id: string; readonly path: string; readonly error: string };

export class ContainerStore {
  readonly #root: string;
  readonly #trash: Trash;
  readonly #spares: SpareDirectories | undefined;
  readonly #records = new Map<string, ContainerRecord>();
  readonly #names = new Map<string, string>();
  #problems: Problem[] = [];

  constructor(root: string, trash: Trash, spares?: SpareDirectories) {
    this.#root = root;
    this.#trash = trash;
    this.#spares = spares;
  }

  /** Directories whose record cannot be read; they are left alone. */
  get problems(): readonly Problem[] {
    return this.#problems;
  }

  /** Reads all records; answers ids whose directory has no record (a create that was cut short). */
  async load(): Promise<readonly string[]> {
    await mkdir(this.#root, { recursive: true, mode: 0o700 });
    const names = await readdir(this.#root);
    for (const name of names.filter(isTrash)) void this.#trash.sweep(join(this.#root, name));
    const ids = names.filter(isFullId);
    const halfMade: string[] = [];
    const queue = [...ids];
    const worker = async (): Promise<void> => {
      for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
        if (!(await this.#read(id))) halfMade.push(id);
      }
    };
    await Promise.all(Array.from({ length: LOAD_CONCURRENCY_MAX }, worker));
    return halfMade;
  }

  async #read(id: string): Promise<boolean> {
    const path = join(this.directory(id), RECORD_FILE);
    try {
      const record = decodeRecord(await readFile(path, 'utf8'), id);
      const other = this.#names.get(record.name);
      if (other !== undefined) throw new EngineError('corrupt', `its name is that of ${other}`);
      this.#records.set(id, record);
      this.#names.set(record.name, id);
      return true;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false;
      this.#problems.push({ id, path, error: messageOf(error) });
      return true;
    }
  }

  /** Everything of one container below the data root. */
  directory(id: string): string {
    return join(this.#root, id);
  }

  /** By full id, name with or without "/", or unique prefix of the id. */
  get(ref: string): ContainerRecord {
    const found = this.find(ref);
    if (found === undefined) throw new EngineError('not_found', `No such container: ${ref}`);
    return found;
  }

  find(ref: string): ContainerRecord | undefined {
    const byId = this.#records.get(ref);
    if (byId !== undefined) return byId;
    const named = this.#names.get(ref.startsWith('/') ? ref.slice(1) : ref);
    if (named !== undefined) return this.#records.get(named);
    if (ref === '' || ref.length >= ID_LENGTH || !/^[0-9a-f]+$/.test(ref)) return undefined;
    let match: ContainerRecord | undefined;
    for (const [id, record] of this.#records) {
      if (!id.startsWith(ref)) continue;
      if (match !== undefined) {
        throw new EngineError(
          'invalid_argument',
          `multiple IDs found with provided prefix: ${ref}`,
        );
      }
      match = record;
    }
    return match;
  }

  list(): readonly ContainerRecord[] {
    return [...this.#records.values()];
  }

  /** Takes a name for an id that is being made; throws Docker's conflict when it is taken. */
  reserve(name: string, id: string): void {
    const owner = this.#names.get(name);
    if (owner !== undefined && owner !== id) throw nameConflict(name, owner);
    this.#names.set(name, id);
  }

  release(name: string, id: string): void {
    if (this.#names.get(name) === id) this.#names.delete(name);
  }

  nameTaken(name: string): boolean {
    return this.#names.has(name);
  }

  /**
   * Replaces a record. `durable: false` survives the death of the daemon but not a power cut: for
   * states that the monitor can tell again, and for containers that are to vanish anyway.
   */
  async put(record: ContainerRecord, options: { readonly durable: boolean }): Promise<void> {
    const path = join(this.directory(record.id), RECORD_FILE);
    await writeFileAtomic(path, encodeRecord(record), options);
    this.replace(record);
  }

  /** Replaces a record in memory alone. */
  replace(record: ContainerRecord): void {
    const before = this.#records.get(record.id);
    if (before !== undefined && before.name !== record.name) this.release(before.name, record.id);
    this.#records.set(record.id, record);
    this.#names.set(record.name, record.id);
  }

  /** The directory of a container to be; its record is written last. */
  prepare(id: string): void {
    const directory = this.directory(id);
    if (this.#spares?.take(directory) !== true) mkdirSync(directory, { mode: 0o700 });
  }

  /** Makes what put() wrote survive a power cut too, behind the caller. */
  makeDurable(id: string): void {
    const path = join(this.directory(id), RECORD_FILE);
    // The container may be gone before its turn comes; then there is nothing to keep.
    syncFile(path).catch(() => {});
  }

  /**
   * Takes the container away, record and all, by one rename: a crash leaves the whole of it or
   * nothing. The files go behind the caller, and so is the disk told.
   */
  async remove(id: string, options: { readonly durable: boolean }): Promise<void> {
    const gone = hide(this.directory(id));
    if (options.durable) syncDirectory(this.#root).catch(() => {});
    const record = this.#records.get(id);
    this.#records.delete(id);
    if (record !== undefined) this.release(record.name, id);
    this.#problems = this.#problems.filter((problem) => problem.id !== id);
    if (gone !== undefined) await this.#trash.discard(gone);
  }
}
