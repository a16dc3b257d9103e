// The store of snapshots: `layers/<chain hex>/{CONTENT/,record.json}` and `tops/<key>/{...,parent}`
// below the data root, where `parent` is a symbolic link that holds the chain's name, so that a top
// tells what it stands on without a file to read and sync. All records are kept in memory. How
// layers become one tree is the driver's (driver.ts). Not here: mounting, archives, images.
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { lstat, mkdir, readFile, readdir, readlink, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from '#base/atomic-file.ts';
import { hexOf, isDigest } from '#base/digest.ts';
import { EngineError, errnoOf, messageOf } from '#base/error.ts';
import type { SpareDirectories } from '#base/spare.ts';
import { hide, isTrash, Trash } from '#base/trash.ts';
import type { Perform } from '#kernel/disk/disk.ts';
import type { ChainId } from './chain.ts';
import type { SnapshotDriver } from './driver.ts';
import { type LayerRecord, encodeLayerRecord, parseLayerRecord } from './layer-record.ts';
import { removeTrees } from './remove-tree.ts';
import { DEFAULT_ROOT, setAttributes } from './root-attributes.ts';
import { LIMITED, SizedTops } from './sized-top.ts';
import type {
  Layer,
  LooseStage,
  RootMount,
  SnapshotProblem,
  Snapshotter,
  Stage,
} from './snapshotter.ts';

const KEY = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;
/** Another one after each start of the machine, proc_sys_kernel(5). */
const BOOT_ID = '/proc/sys/kernel/random/boot_id';
export type StoreOptions = {
  readonly trash?: Trash;
  readonly perform?: Perform;
  /** Tops that are made already, for drivers that can have such. */
  readonly spares?: SpareDirectories;
};

export class SnapshotStore<Mount extends RootMount = RootMount>
  implements Snapshotter, AsyncDisposable
{
  readonly driver: SnapshotDriver<Mount>;
  readonly #layersPath: string;
  readonly #topsPath: string;
  readonly #emptyPath: string;
  readonly #layers = new Map<ChainId, LayerRecord>();
  readonly #tops = new Map<string, ChainId | undefined>();
  /** How many layers and tops stand directly on a chain. */
  readonly #users = new Map<ChainId, number>();
  readonly #problems: SnapshotProblem[] = [];
  readonly #doubtful = new Set<ChainId>();
  readonly #boot: string;
  readonly #trash: Trash;
  #sized: SizedTops | undefined;
  #spares: SpareDirectories | undefined;

  private constructor(
    dataRoot: string,
    driver: SnapshotDriver<Mount>,
    boot: string,
    trash: Trash | undefined,
  ) {
    this.driver = driver;
    this.#boot = boot;
    this.#trash =
      trash ??
      new Trash(removeTrees, (path, error) => {
        this.#problems.push({ path, message: messageOf(error) });
      });
    const root = join(dataRoot, driver.folder);
    this.#layersPath = join(root, 'layers');
    this.#topsPath = join(root, 'tops');
    this.#emptyPath = join(this.#layersPath, '.empty');
  }

  /**
   * Reads what is there. Half-made stages of an earlier life are removed in the background.
   * Disposing it waits for what it removes.
   */
  static async open<Mount extends RootMount>(
    dataRoot: string,
    driver: SnapshotDriver<Mount>,
    options: StoreOptions = {},
  ): Promise<SnapshotStore<Mount>> {
    const boot = (await readFile(BOOT_ID, 'utf8')).trim();
    const self = new SnapshotStore(dataRoot, driver, boot, options.trash);
    self.#spares = driver.spareRoot === undefined ? undefined : options.spares;
    await mkdir(self.#layersPath, { recursive: true, mode: 0o700 });
    await mkdir(self.#topsPath, { recursive: true, mode: 0o700 });
    await mkdir(self.#emptyPath, { recursive: true, mode: 0o755 });
    if (options.perform !== undefined && driver.sized) {
      self.#sized = new SizedTops(self.#topsPath, options.perform);
      await self.#sized.sweep();
    }
    const leftovers = await self.#readLayers();
    leftovers.push(...(await self.#readTops()));
    for (const path of leftovers) void self.#trash.sweep(path);
    return self;
  }

  async #readLayers(): Promise<string[]> {
    const leftovers: string[] = [];
    for (const name of await readdir(this.#layersPath)) {
      const path = join(this.#layersPath, name);
      if (name.startsWith('.stage-') || isTrash(name)) leftovers.push(path);
      if (name.startsWith('.')) continue;
      try {
        const record = parseLayerRecord(await readFile(join(path, 'record.json'), 'utf8'));
        if (hexOf(record.chain) !== name) throw new EngineError('corrupt', 'name does not match');
        const { unsyncedBoot } = record;
        if (unsyncedBoot === undefined || unsyncedBoot === this.#boot) {
          this.#layers.set(record.chain, record);
        } else this.#doubtful.add(record.chain);
      } catch (error) {
        this.#problems.push({ path, message: messageOf(error) });
      }
    }
    // A layer without its parent cannot be mounted; taking it away may orphan others in turn.
    for (let before = -1; before !== this.#layers.size; ) {
      before = this.#layers.size;
      for (const { chain, parent } of [...this.#layers.values()]) {
        if (parent === undefined || this.#layers.has(parent)) continue;
        this.#layers.delete(chain);
        const message = `parent ${parent} is missing`;
        if (this.#doubtful.has(parent)) this.#doubtful.add(chain);
        else this.#problems.push({ path: this.#pathOf(chain), message });
      }
    }
    for (const { parent } of this.#layers.values()) this.#use(parent, 1);
    return leftovers;
  }

  async #readTops(): Promise<string[]> {
    const leftovers: string[] = [];
    for (const key of await readdir(this.#topsPath)) {
      const path = join(this.#topsPath, key);
      if (isTrash(key)) leftovers.push(path);
      if (!KEY.test(key)) continue;
      try {
        const name = await readlink(join(path, 'parent'));
        const chain = `sha256:${name}`;
        if (name !== 'scratch' && !isDigest(chain)) throw new EngineError('corrupt', 'bad parent');
        await this.#sized?.read(key);
        this.#addTop(key, name === 'scratch' ? undefined : (chain as ChainId));
      } catch (error) {
        // Died between mkdir and symlink: nobody was told that this top exists.
        if (errnoOf(error) === 'ENOENT') leftovers.push(path);
        else this.#problems.push({ path, message: messageOf(error) });
      }
    }
    return leftovers;
  }

  #use(chain: ChainId | undefined, by: 1 | -1): void {
    if (chain === undefined) return;
    const count = (this.#users.get(chain) ?? 0) + by;
    if (count === 0) this.#users.delete(chain);
    else this.#users.set(chain, count);
  }

  #addTop(key: string, parent: ChainId | undefined): void {
    this.#tops.set(key, parent);
    this.#use(parent, 1);
  }

  #pathOf(chain: ChainId): string {
    return join(this.#layersPath, hexOf(chain));
  }

  get problems(): readonly SnapshotProblem[] {
    return this.#problems;
  }

  has(chain: ChainId): boolean {
    return this.#layers.has(chain);
  }

  layer(chain: ChainId): Layer | undefined {
    return this.#layers.get(chain);
  }

  list(): readonly Layer[] {
    return [...this.#layers.values()];
  }

  used(chain: ChainId): boolean {
    return this.#users.has(chain);
  }

  lower(chain: ChainId | undefined): readonly string[] {
    if (chain === undefined) return [];
    const { content, whole } = this.driver;
    if (whole) return [join(this.#pathOf(this.#record(chain).chain), content)];
    const paths: string[] = [];
    for (let at: ChainId | undefined = chain; at !== undefined; at = this.#record(at).parent) {
      paths.push(join(this.#pathOf(at), content));
    }
    return paths;
  }

  #record(chain: ChainId): LayerRecord {
    const record = this.#layers.get(chain);
    if (record !== undefined) return record;
    throw new EngineError('not_found', `layer ${chain} does not exist`, { facts: { chain } });
  }

  get stageLoose(): Snapshotter['stageLoose'] {
    return this.driver.whole ? undefined : () => this.#stage();
  }

  async stage(parent: ChainId | undefined): Promise<Stage> {
    const attributes = parent === undefined ? DEFAULT_ROOT : this.#record(parent).root;
    const loose = await this.#stage();
    await setAttributes(loose.root, attributes);
    this.#use(parent, 1);
    let open = true;
    return {
      root: loose.root,
      commit: (made) => loose.commit({ ...made, parent }, true),
      [Symbol.asyncDispose]: async () => {
        if (open) this.#use(parent, -1);
        open = false;
        await loose[Symbol.asyncDispose]();
      },
    };
  }

  async #stage(): Promise<LooseStage> {
    const path = join(this.#layersPath, `.stage-${randomBytes(8).toString('hex')}`);
    const root = join(path, this.driver.stage);
    await mkdir(root, { recursive: true, mode: 0o755 });
    let open = true;
    return {
      root,
      commit: async (made, ownRoot) => {
        if (this.has(made.chain)) return;
        const { parent } = made;
        if (parent !== undefined && !ownRoot) {
          await setAttributes(root, this.#record(parent).root);
        }
        await this.driver.finish(path, this.lower(parent)[0]);
        const stat = await lstat(join(path, this.driver.content));
        const record: LayerRecord = {
          ...made,
          root: { mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid },
          unsyncedBoot: this.#boot,
        };
        // From here on the parent cannot go; a failure gives it free again.
        this.#use(parent, 1);
        try {
          replaceFile(join(path, 'record.json'), encodeLayerRecord(record));
          await this.#publish(path, record);
        } catch (error) {
          this.#use(parent, -1);
          throw error;
        }
        this.#layers.set(record.chain, record);
        this.#doubtful.delete(record.chain);
        open = false;
      },
      [Symbol.asyncDispose]: async () => {
        if (!open) return;
        open = false;
        await this.#trash.sweep(path);
      },
    };
  }

  async #publish(stagePath: string, record: LayerRecord): Promise<void> {
    const path = this.#pathOf(record.chain);
    try {
      await rename(stagePath, path);
    } catch (error) {
      if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw error;
      // A quarantined layer stands there; this good one takes its place.
      const gone = hide(path);
      await rename(stagePath, path);
      if (gone !== undefined) await this.#trash.discard(gone);
    }
  }

  async settle(sync: (directory: string) => Promise<void>): Promise<void> {
    const fresh = [...this.#layers.values()].filter(({ unsyncedBoot }) => unsyncedBoot);
    if (fresh.length === 0) return;
    await sync(this.#layersPath);
    for (const { chain } of fresh) {
      const record = this.#layers.get(chain);
      if (record === undefined) continue; // removed meanwhile
      const { unsyncedBoot: _, ...settled } = record;
      this.#layers.set(chain, settled);
      // Nothing is lost with it but the knowledge that the layer is good.
      replaceFile(join(this.#pathOf(chain), 'record.json'), encodeLayerRecord(settled));
    }
  }

  get doubtful(): readonly ChainId[] {
    return [...this.#doubtful];
  }

  async forget(chain: ChainId): Promise<void> {
    if (!this.#doubtful.delete(chain)) return;
    const gone = hide(this.#pathOf(chain));
    if (gone !== undefined) await this.#trash.sweep(gone);
  }

  async removeLayer(chain: ChainId): Promise<void> {
    const record = this.#record(chain);
    if (this.used(chain)) {
      throw new EngineError('conflict', `layer ${chain} is in use`, { facts: { chain } });
    }
    this.#layers.delete(chain);
    this.#use(record.parent, -1);
    const gone = hide(this.#pathOf(chain));
    if (gone !== undefined) await this.#trash.sweep(gone);
  }

  async prepare(key: string, parent: ChainId | undefined, bytes?: number): Promise<void> {
    if (!KEY.test(key)) throw new EngineError('invalid_argument', `invalid snapshot key: ${key}`);
    const attributes = parent === undefined ? DEFAULT_ROOT : this.#record(parent).root;
    if (this.#tops.has(key)) throw new EngineError('conflict', `snapshot ${key} already exists`);
    this.#addTop(key, parent);
    const path = join(this.#topsPath, key);
    try {
      const taken = bytes === undefined && this.#spares?.take(path) === true;
      if (!taken) mkdirSync(path, 0o700);
      if (bytes === undefined) {
        const content = taken
          ? join(path, this.driver.spareRoot ?? '')
          : await this.driver.makeTop(path, this.lower(parent)[0]);
        await setAttributes(content, attributes);
      } else {
        await this.#withSizes().make(key, bytes, attributes);
      }
      symlinkSync(parent === undefined ? 'scratch' : hexOf(parent), join(path, 'parent'));
    } catch (error) {
      await this.remove(key);
      throw error;
    }
  }

  root(key: string): Mount {
    return this.plan(key, this.parent(key));
  }

  plan(key: string, parent: ChainId | undefined): Mount {
    const path = join(this.#topsPath, key, this.#sized?.get(key) === undefined ? '' : LIMITED);
    const lower = parent === undefined ? [this.#emptyPath] : this.lower(parent);
    return this.driver.mount(path, lower);
  }

  async hold(key: string): Promise<AsyncDisposable> {
    return this.#sized?.hold(key) ?? { [Symbol.asyncDispose]: async () => {} };
  }

  async grow(key: string, bytes: number, used: boolean): Promise<void> {
    await this.#withSizes().grow(key, bytes, used);
  }

  #withSizes(): SizedTops {
    if (this.#sized !== undefined) return this.#sized;
    const text = `the storage driver ${this.driver.name} has no size limits (--storage-opt size)`;
    throw new EngineError('invalid_argument', text);
  }

  /** The kernel leaves a mark and then refuses (overlayfs.rst, "Volatile mount"). */
  reopen(key: string): void {
    const root: RootMount = this.root(key);
    if (root.kind !== 'overlay') return;
    rmSync(join(root.work, 'work/incompat'), { recursive: true, force: true });
  }

  parent(key: string): ChainId | undefined {
    if (this.#tops.has(key)) return this.#tops.get(key);
    throw new EngineError('not_found', `snapshot ${key} does not exist`, { facts: { key } });
  }

  tops(): readonly string[] {
    return [...this.#tops.keys()];
  }

  async remove(key: string): Promise<void> {
    if (!this.#tops.has(key)) return;
    const parent = this.#tops.get(key);
    await this.#sized?.forget(key);
    const gone = hide(join(this.#topsPath, key));
    if (this.#tops.delete(key)) this.#use(parent, -1);
    if (gone !== undefined) await this.#trash.discard(gone);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#trash[Symbol.asyncDispose]();
  }
}
