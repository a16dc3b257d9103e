// The records of slices: in memory all of them, on disk one file each, replaced whole.
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory, writeFileAtomic } from '#base/atomic-file.ts';
import { EngineError, messageOf } from '#base/error.ts';
import { isBelow, parentOf } from './path.ts';
import { decodeRecord, fileOf, pathOfFile, type SliceRecord } from './record.ts';

export class SliceStore<Wish> {
  readonly #root: string;
  readonly #decodeWish: (raw: object) => Wish;
  readonly #records = new Map<string, SliceRecord<Wish>>();

  constructor(root: string, decodeWish: (raw: object) => Wish) {
    this.#root = root;
    this.#decodeWish = decodeWish;
  }

  /** Reads what is on disk; problems are named, never fatal. */
  async load(): Promise<readonly string[]> {
    await mkdir(this.#root, { recursive: true, mode: 0o700 });
    const problems: string[] = [];
    for (const file of await readdir(this.#root)) {
      const path = pathOfFile(file);
      if (path === undefined) {
        await rm(join(this.#root, file), { force: true });
        continue;
      }
      try {
        const text = await readFile(join(this.#root, file), 'utf8');
        this.#records.set(path, decodeRecord(text, path, this.#decodeWish));
      } catch (error) {
        problems.push(`slice ${path}: ${messageOf(error)}`);
      }
    }
    return problems;
  }

  find(path: string): SliceRecord<Wish> | undefined {
    return this.#records.get(path);
  }

  get(path: string): SliceRecord<Wish> {
    const record = this.find(path);
    if (record !== undefined) return record;
    throw new EngineError('not_found', `No such slice: ${path}`);
  }

  /** Each before those inside it. */
  list(): readonly SliceRecord<Wish>[] {
    // Below every other character, so that a slice is followed by its own: "a", "a/b", "a-c".
    const keyed = [...this.#records].map(
      ([path, record]) => [path.replaceAll('/', '\0'), record] as const,
    );
    return keyed.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, record]) => record);
  }

  childrenOf(path: string): readonly SliceRecord<Wish>[] {
    return this.list().filter((record) => parentOf(record.path) === path);
  }

  /** All levels below, each before those inside it. */
  below(path: string): readonly SliceRecord<Wish>[] {
    return this.list().filter((record) => isBelow(record.path, path));
  }

  async put(record: SliceRecord<Wish>): Promise<void> {
    await writeFileAtomic(join(this.#root, fileOf(record.path)), JSON.stringify(record));
    this.#records.set(record.path, record);
  }

  async delete(path: string): Promise<void> {
    await rm(join(this.#root, fileOf(path)), { force: true });
    await syncDirectory(this.#root);
    this.#records.delete(path);
  }
}
