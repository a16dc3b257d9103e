// Snapshots of what a container has written: `snapshots/<key>/<name>/{content/,record.json}` below
// the data root. Content is shared with the original where the file system can (FICLONE), else
// copied, and the answer says how much of each. Everything is made beside its place and gets its
// name in one step: a crash leaves a snapshot whole or not at all, and a top as it was or as the
// snapshot is. Who calls sees to it that nobody writes meanwhile.
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncDirectory, writeFileAtomic } from '#base/atomic-file.ts';
import { formatTime, now } from '#base/clock.ts';
import { EngineError, errnoOf } from '#base/error.ts';
import type { Trash } from '#base/trash.ts';
import type { Perform } from '#kernel/disk/disk.ts';
import { OpError } from '#kernel/native/encode.ts';
import { errnoText } from '#kernel/native/errno.ts';
import { LAYER_COPY, type OpResult } from '#kernel/native/op.ts';
import { treeUsage } from './remove-tree.ts';
import type { Snapshotter } from './snapshotter.ts';

export type CopyCost = {
  /** Bytes written anew, and shared with the original. */
  readonly bytesCopied: number;
  readonly bytesShared: number;
};

export type TopSnapshot = CopyCost & {
  readonly name: string;
  /** RFC 3339. */
  readonly createdAt: string;
};

export const TOP_SNAPSHOTS_MAX = 1000;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;
const STAGE = '.stage-';
/** Beside a top, while it is rolled back. */
const NEXT = '.next';
const RECORD = 'record.json';
const RECORD_VERSION = 1;

export type TopCopiesNeeds = {
  readonly snapshots: Pick<Snapshotter, 'root' | 'hold' | 'tops'>;
  /** An agent of the C program for what may take long, and one for what is done at once. */
  readonly carry: Perform;
  readonly perform: Perform;
  readonly trash: Trash;
};

export class TopCopies {
  readonly #root: string;
  readonly #needs: TopCopiesNeeds;

  constructor(dataRoot: string, needs: TopCopiesNeeds) {
    this.#root = join(dataRoot, 'snapshots');
    this.#needs = needs;
  }

  /** Takes away what a crash has left half-made, and snapshots of what is not there any more. */
  async sweep(): Promise<void> {
    const tops = new Set(this.#needs.snapshots.tops());
    for (const key of await names(this.#root)) {
      const path = join(this.#root, key);
      if (!tops.has(key)) await this.#needs.trash.remove(path);
      else await this.#sweepStages(path);
    }
  }

  async #sweepStages(path: string): Promise<void> {
    for (const name of await names(path)) {
      if (name.startsWith('.')) await this.#needs.trash.remove(join(path, name));
    }
  }

  /** Without a name it is called after the moment: 20261124T134500Z. */
  async create(key: string, wish: string): Promise<TopSnapshot> {
    const parent = join(this.#root, key);
    const createdAt = formatTime(now());
    const name = wish === '' ? createdAt.replaceAll(/[-:]|\.\d+/g, '') : wish;
    if (!NAME.test(name)) {
      const allowed = 'letters, digits, and "_", "." and "-" after the first';
      const text = `invalid name of a snapshot ${JSON.stringify(name.slice(0, 200))}: ${allowed}`;
      throw new EngineError('invalid_argument', text);
    }
    const taken = await names(parent);
    if (taken.includes(name)) {
      throw new EngineError('conflict', `a snapshot named ${name} exists already`);
    }
    if (taken.length >= TOP_SNAPSHOTS_MAX) {
      throw new EngineError('limit_exceeded', `more than ${TOP_SNAPSHOTS_MAX} snapshots`, {
        facts: { limit: 'TOP_SNAPSHOTS_MAX', max: TOP_SNAPSHOTS_MAX },
      });
    }
    await mkdir(parent, { recursive: true, mode: 0o700 });
    const stage = join(parent, `${STAGE}${randomBytes(8).toString('hex')}`);
    try {
      await mkdir(stage, { mode: 0o700 });
      await using _held = await this.#needs.snapshots.hold(key);
      const cost = await this.#copy(this.#contentOf(key), join(stage, 'content'));
      const record = { version: RECORD_VERSION, createdAt, ...cost };
      await writeFileAtomic(join(stage, RECORD), `${JSON.stringify(record)}\n`);
      await rename(stage, join(parent, name));
      await syncDirectory(parent);
      await syncDirectory(this.#root);
      return { name, createdAt, ...cost };
    } catch (error) {
      await this.#needs.trash.remove(stage);
      throw error;
    }
  }

  #contentOf(key: string): string {
    const root = this.#needs.snapshots.root(key);
    return root.kind === 'overlay' ? root.upper : root.path;
  }

  async #copy(from: string, to: string): Promise<CopyCost> {
    const how = LAYER_COPY.MARKS | LAYER_COPY.SYNC;
    try {
      const [result] = await this.#needs.carry([{ op: 'layer_copy', from, to, how }]);
      return costOf(result);
    } catch (error) {
      if (!(error instanceof OpError)) throw error;
      const { errno } = error.facts;
      const full = errno === 'ENOSPC' || errno === 'EDQUOT';
      const text = `cannot copy what the container has written: ${errnoText(error.result.errno)}`;
      throw new EngineError(full ? 'unavailable' : 'kernel_refused', text, { cause: error });
    }
  }

  /** The newest last. */
  async list(key: string): Promise<readonly TopSnapshot[]> {
    const parent = join(this.#root, key);
    const found: TopSnapshot[] = [];
    for (const name of await names(parent)) {
      if (!name.startsWith('.')) found.push(await readSnapshot(parent, name));
    }
    return found.toSorted((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
  }

  /** "" = the newest. */
  async get(key: string, wish: string): Promise<TopSnapshot> {
    const all = await this.list(key);
    const found = wish === '' ? all.at(-1) : all.find(({ name }) => name === wish);
    if (found !== undefined) return found;
    const what = wish === '' ? 'the container has no snapshot' : `no such snapshot: ${wish}`;
    throw new EngineError('not_found', what);
  }

  /** Bytes on disk, also those that it shares. */
  usage(key: string, name: string): Promise<number> {
    return treeUsage(join(this.#root, key, name, 'content'));
  }

  async remove(key: string, wish: string): Promise<void> {
    const { name } = await this.get(key, wish);
    const parent = join(this.#root, key);
    await this.#needs.trash.remove(join(parent, name));
    await syncDirectory(parent);
  }

  async removeAll(key: string): Promise<void> {
    await this.#needs.trash.remove(join(this.#root, key));
  }

  /** What the snapshot holds becomes the content; the snapshot stays. */
  async rollback(key: string, wish: string): Promise<TopSnapshot> {
    const snapshot = await this.get(key, wish);
    await using _held = await this.#needs.snapshots.hold(key);
    const path = this.#contentOf(key);
    const next = join(dirname(path), NEXT);
    const clear = () => this.#needs.carry([{ op: 'remove_tree', path: next }]);
    // Of a rollback that a crash has cut short; it is on the file system of the top, which may be
    // a disk that goes when nobody holds it: so nothing is left to be deleted later.
    await clear();
    try {
      const cost = await this.#copy(join(this.#root, key, snapshot.name, 'content'), next);
      await this.#needs.perform([{ op: 'exchange', path, other: next }]);
      await syncDirectory(dirname(path));
      return { ...snapshot, ...cost };
    } finally {
      await clear();
    }
  }
}

async function names(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

function costOf(result: OpResult | undefined): CopyCost {
  const at = (offset: number): number => Number(result?.output.readBigUInt64LE(offset) ?? 0n);
  return { bytesCopied: at(0), bytesShared: at(8) };
}

async function readSnapshot(parent: string, name: string): Promise<TopSnapshot> {
  const text = await readFile(join(parent, name, RECORD), 'utf8');
  const fault = (): EngineError =>
    new EngineError('corrupt', `the record of snapshot ${name} cannot be read`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw fault();
  }
  if (typeof json !== 'object' || json === null) throw fault();
  const raw = new Map<string, unknown>(Object.entries(json));
  const [createdAt, copied, shared] = ['createdAt', 'bytesCopied', 'bytesShared'].map((key) =>
    raw.get(key),
  );
  if (raw.get('version') !== RECORD_VERSION || typeof createdAt !== 'string') throw fault();
  if (typeof copied !== 'number' || typeof shared !== 'number') throw fault();
  return { name, createdAt, bytesCopied: copied, bytesShared: shared };
}
