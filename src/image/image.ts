// Images: named stacks of read-only layers with a configuration. This folder owns the content
// store, the image records and references, and the only code that turns archives into layers. It
// does not mount, does not know containers (it asks `usedBy`), and does not know HTTP.
import { KeyedLock } from '#base/keyed-lock.ts';
import type { UndoReport } from '#base/undo.ts';
import type { Digest } from '#base/digest.ts';
import type { Publisher } from '#event/event.ts';
import type { ChainId } from '#snapshot/chain.ts';
import type { Snapshotter } from '#snapshot/snapshotter.ts';
import { loadBuiltin } from './builtin.ts';
import { collect, collectAll } from './collect.ts';
import { type CommitOptions, type Committed, commitImage } from './commit.ts';
import { ContentStore } from './content/content.ts';
import type { PartialUsage } from './content/partial.ts';
import { type ImageDeps, type ImageUser, Leases } from './deps.ts';
import { type HistoryRow, imageHistory } from './history.ts';
import { type ImportOptions, importImage } from './import.ts';
import { inspectRemote, type RemoteImage, type RemoteOptions } from './inspect-remote.ts';
import type { Unpacker } from './layer/pool.ts';
import { type ListOptions, listImages } from './list.ts';
import { type LoadOptions, loadImages } from './load.ts';
import { type PruneOptions, type Pruned, pruneImages } from './prune.ts';
import { Downloads } from './pull/downloads.ts';
import { type PullOptions, pullImage } from './pull/pull.ts';
import { type PushOptions, pushImage } from './push.ts';
import type { ImageId, ImageRecord } from './record.ts';
import type { Registries, RegistryAuth, SearchResult, SearchWish } from './registry/registry.ts';
import { type RemoveOptions, type Removed, removeImage } from './remove.ts';
import { resolveImage } from './resolve.ts';
import { checkPlatformOf, type Platform } from './platform.ts';
import { type SaveOptions, saveImages } from './save.ts';
import { restoreLayers, Settler } from './settle.ts';
import { ImageStore, type StoreProblem } from './store.ts';
import { tagImage } from './tag.ts';

export type ImageServiceOptions = {
  readonly dataRoot: string;
  readonly snapshots: Snapshotter;
  readonly unpacker: Unpacker;
  readonly registries: Registries;
  readonly uploadsMax: number;
  /** Layers that are downloaded at once, of all pulls. */
  readonly downloadsMax: number;
  readonly publisher: Publisher;
  readonly usedBy: (id: ImageId) => readonly ImageUser[];
  readonly report: UndoReport;
  /** Holds what is needed though no image names it, before the rest is collected. */
  readonly pinned?: (hold: (digests: readonly string[]) => Disposable) => Promise<unknown>;
};

/** All verbs on images, for api/ and container/. */
export class ImageService {
  readonly #deps: ImageDeps;
  readonly #lost: readonly StoreProblem[];

  private constructor(deps: ImageDeps, lost: readonly StoreProblem[]) {
    this.#deps = deps;
    this.#lost = lost;
  }

  /** Reads the stores; what an interrupted earlier life left half-done is removed. */
  static async open(options: ImageServiceOptions): Promise<ImageService> {
    const { dataRoot, downloadsMax, pinned, ...rest } = options;
    const content = await ContentStore.open(dataRoot);
    const store = await ImageStore.open(dataRoot, content);
    const downloads = new Downloads(content, downloadsMax);
    const deps = {
      ...rest,
      content,
      store,
      downloads,
      settler: new Settler(),
      leases: new Leases(),
      locks: new KeyedLock(),
    };
    await pinned?.((digests) => deps.leases.hold(digests));
    const lost = await restoreLayers(deps);
    deps.settler.start(deps);
    // With a record unread, what it needs cannot be told from what nobody needs: keep all.
    const unread = store.problems.length + rest.snapshots.problems.length;
    if (unread === 0) {
      for (const chain of deps.snapshots.doubtful) await deps.snapshots.forget(chain);
      await collectAll(deps);
    }
    return new ImageService(deps, lost);
  }

  /** Resolves when all layers are on the disk: nothing is written any more. */
  settled(): Promise<void> {
    return this.#deps.settler.idle();
  }

  /** What the verbs of this folder work with, for build/ and pull. */
  get deps(): ImageDeps {
    return this.#deps;
  }

  get problems(): readonly StoreProblem[] {
    return [...this.#deps.store.problems, ...this.#deps.snapshots.problems, ...this.#lost];
  }

  /** By name, ID or the start of an ID; throws `not_found`. */
  resolve(text: string, platform?: Platform): ImageRecord {
    const image = resolveImage(this.#deps, text);
    if (platform !== undefined) checkPlatformOf(text, image, platform);
    return image;
  }

  get(id: ImageId): ImageRecord | undefined {
    return this.#deps.store.get(id);
  }

  list(options: ListOptions = {}): readonly ImageRecord[] {
    return listImages(this.#deps, options);
  }

  load(stream: AsyncIterable<Uint8Array>, options: LoadOptions): Promise<readonly ImageRecord[]> {
    return loadImages(this.#deps, stream, options);
  }

  loadBuiltin(path: string, signal: AbortSignal): Promise<boolean> {
    return loadBuiltin(this.#deps, path, signal);
  }

  import(stream: AsyncIterable<Uint8Array>, options: ImportOptions): Promise<ImageRecord> {
    return importImage(this.#deps, stream, options);
  }

  commit(options: CommitOptions): Promise<Committed> {
    return commitImage(this.#deps, options);
  }

  save(texts: readonly string[], options: SaveOptions): AsyncIterable<Uint8Array> {
    return saveImages(this.#deps, texts, options);
  }

  /** By name; the IDs of what is here now: one, or with `all` one a tag. */
  pull(name: string, options: PullOptions): Promise<readonly ImageId[]> {
    return pullImage(this.#deps, name, options);
  }

  /** Without a tag, in the name or beside it, every one that the repository has here. */
  push(name: string, tag: string, options: PushOptions): Promise<void> {
    return pushImage(this.#deps, name, tag, options);
  }

  /** What a registry has under a name, without pulling it. */
  inspectRemote(name: string, options: RemoteOptions): Promise<RemoteImage> {
    return inspectRemote(this.#deps.registries, name, options);
  }

  /** Checks credentials with their registry. */
  login(
    auth: RegistryAuth,
    options: { readonly signal: AbortSignal },
  ): Promise<{ readonly identityToken: string }> {
    return this.#deps.registries.login(auth, options);
  }

  /** What a registry has by a word, where it can search. */
  search(
    wish: SearchWish,
    options: { readonly signal: AbortSignal },
  ): Promise<readonly SearchResult[]> {
    return this.#deps.registries.search(wish, options);
  }

  tag(image: string, name: string): Promise<void> {
    return tagImage(this.#deps, image, name);
  }

  remove(text: string, options: RemoveOptions): Promise<readonly Removed[]> {
    return removeImage(this.#deps, text, options);
  }

  /** On disk, of downloads that are under way or were broken off. */
  partials(): Promise<PartialUsage> {
    return this.#deps.content.partials.usage();
  }

  prune(options: PruneOptions): Promise<Pruned> {
    return pruneImages(this.#deps, options);
  }

  history(text: string, platform?: Platform): readonly HistoryRow[] {
    return imageHistory(this.#deps, this.resolve(text, platform));
  }

  /** Containers made from the image. */
  inUse(id: ImageId): readonly ImageUser[] {
    return this.#deps.usedBy(id);
  }

  /** Gives back those of the chains and blobs that nobody needs; the bytes of both. */
  async collectFree(digests: readonly Digest[]): Promise<number> {
    const { content, snapshots } = this.#deps;
    const chains = digests.filter((digest): digest is ChainId => snapshots.has(digest as ChainId));
    const blobs = digests.filter((digest) => content.has(digest));
    let bytes = 0;
    const sizes = new Map<Digest, number>();
    for (const blob of blobs) sizes.set(blob, await content.size(blob));
    for (const chain of chains) sizes.set(chain, snapshots.layer(chain)?.bytes ?? 0);
    await collect(this.#deps, { chains, blobs });
    for (const [digest, size] of sizes) {
      if (!content.has(digest) && !snapshots.has(digest as ChainId)) bytes += size;
    }
    return bytes;
  }

  /**
   * To be called when a container's top is gone: if its image was removed by force before, the
   * layers can go now. `chain` is what snapshots.parent(key) said.
   */
  async release(chain: ChainId | undefined): Promise<void> {
    const { snapshots, store } = this.#deps;
    if (chain === undefined || !snapshots.has(chain) || store.usesChain(chain)) return;
    const chains: ChainId[] = [];
    for (let at: ChainId | undefined = chain; at !== undefined; at = snapshots.layer(at)?.parent) {
      chains.unshift(at);
    }
    await collect(this.#deps, { chains, blobs: [] });
  }
}
