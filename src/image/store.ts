// The image store: images by ID, references to them, and who uses which layer. Memory is the index;
// disk holds `images/<hex>.json` (one per image) and `references/<hex>.json` (one per tag or
// digest), each replaced whole and synced. A record that cannot be read is left alone and named in
// `problems`.
import { mkdir, readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory, writeFileAtomic } from '#base/atomic-file.ts';
import { now } from '#base/clock.ts';
import { type Digest, hexOf, isDigest, sha256 } from '#base/digest.ts';
import { EngineError, messageOf } from '#base/error.ts';
import { KeyedLock } from '#base/keyed-lock.ts';
import type { ChainId } from '#snapshot/chain.ts';
import { CONFIG_BYTES_MAX, parseImageSpec } from './config.ts';
import type { ContentStore } from './content/content.ts';
import { asMap, asString, parseJson } from './json.ts';
import {
  type ImageId,
  type ImageRecord,
  type KeptManifest,
  type LayerBlob,
  type StoredImage,
  blobsOf,
  encodeImageRecord,
  parseImageRecord,
  storedImage,
  withManifest,
} from './record.ts';
import {
  type Reference,
  familiarReference,
  formatReference,
  parseReference,
  withDefaultTag,
} from '#base/reference.ts';

export type StoreProblem = { readonly path: string; readonly message: string };

export class ImageStore {
  readonly #content: ContentStore;
  readonly #imagesPath: string;
  readonly #referencesPath: string;
  readonly #images = new Map<ImageId, StoredImage>();
  /** By normal form; a reference with a digest is stored without its tag, as Docker does. */
  readonly #references = new Map<string, { readonly name: Reference; readonly id: ImageId }>();
  /** The same by image: what `images` and every resolve ask. */
  readonly #names = new Map<ImageId, Map<string, Reference>>();
  /** How many images stand on a chain: asked at every container's end. */
  readonly #chainUses = new Map<ChainId, number>();
  readonly #problems: StoreProblem[] = [];
  /** One writer at a time for each record. */
  readonly #writers = new KeyedLock();

  private constructor(dataRoot: string, content: ContentStore) {
    this.#content = content;
    this.#imagesPath = join(dataRoot, 'images');
    this.#referencesPath = join(dataRoot, 'references');
  }

  static async open(dataRoot: string, content: ContentStore): Promise<ImageStore> {
    const self = new ImageStore(dataRoot, content);
    await self.#readAll(self.#imagesPath, (path) => self.#readImage(path));
    await self.#readAll(self.#referencesPath, (path) => self.#readReference(path));
    return self;
  }

  async #readAll(directory: string, read: (path: string) => Promise<void>): Promise<void> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    for (const name of await readdir(directory)) {
      const path = join(directory, name);
      try {
        if (/^[0-9a-f]{64}\.json$/.test(name)) await read(path);
        else if (name.includes('.tmp-')) await rm(path, { force: true });
      } catch (error) {
        this.#problems.push({ path, message: messageOf(error) });
      }
    }
  }

  async #readImage(path: string): Promise<void> {
    const { id, ...extra } = parseImageRecord(await readFile(path));
    if (path !== this.#imagePath(id)) throw new EngineError('corrupt', 'name does not match');
    const config = await this.#content.read(id, CONFIG_BYTES_MAX);
    this.#keep(storedImage(id, parseImageSpec(config), extra));
  }

  async #readReference(path: string): Promise<void> {
    const raw = asMap(parseJson(await readFile(path), 'reference record'), 'reference record');
    const name = parseReference(asString(raw.get('reference'), 'reference'));
    const id = raw.get('image');
    if (raw.get('version') !== 1 || !isDigest(id)) throw new EngineError('corrupt', 'bad record');
    if (path !== this.#referencePath(formatReference(name))) {
      throw new EngineError('corrupt', 'name does not match');
    }
    if (!this.#images.has(id)) throw new EngineError('corrupt', `image ${id} is missing`);
    this.#point(formatReference(name), name, id);
  }

  #keep(image: StoredImage): void {
    if (!this.#images.has(image.id)) this.#countChains(image, 1);
    this.#images.set(image.id, image);
  }

  #countChains(image: StoredImage, by: 1 | -1): void {
    for (const chain of image.chains) {
      const count = (this.#chainUses.get(chain) ?? 0) + by;
      if (count > 0) this.#chainUses.set(chain, count);
      else this.#chainUses.delete(chain);
    }
  }

  #point(key: string, name: Reference, id: ImageId): void {
    this.#unpoint(key);
    this.#references.set(key, { name, id });
    const names = this.#names.get(id) ?? new Map<string, Reference>();
    this.#names.set(id, names.set(key, name));
  }

  #unpoint(key: string): boolean {
    const before = this.#references.get(key);
    if (before === undefined) return false;
    this.#references.delete(key);
    const names = this.#names.get(before.id);
    names?.delete(key);
    if (names?.size === 0) this.#names.delete(before.id);
    return true;
  }

  #imagePath(id: ImageId): string {
    return join(this.#imagesPath, `${hexOf(id)}.json`);
  }

  #referencePath(key: string): string {
    return join(this.#referencesPath, `${hexOf(sha256(key))}.json`);
  }

  get problems(): readonly StoreProblem[] {
    return this.#problems;
  }

  get size(): number {
    return this.#images.size;
  }

  has(id: ImageId): boolean {
    return this.#images.has(id);
  }

  get(id: ImageId): ImageRecord | undefined {
    const image = this.#images.get(id);
    return image === undefined ? undefined : this.#view(image);
  }

  list(): readonly ImageRecord[] {
    return [...this.#images.values()].map((image) => this.#view(image));
  }

  #view(image: StoredImage): ImageRecord {
    const references = this.references(image.id);
    const texts = (wanted: (name: Reference) => boolean) =>
      references.filter(wanted).map(familiarReference);
    return {
      ...image,
      repoTags: texts((name) => name.digest === undefined),
      repoDigests: texts((name) => name.digest !== undefined),
    };
  }

  /** References of an image, sorted by normal form. */
  references(id: ImageId): readonly Reference[] {
    return [...(this.#names.get(id) ?? [])]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, name]) => name);
  }

  children(id: ImageId): readonly ImageId[] {
    return [...this.#images.values()]
      .filter((image) => image.parent === id)
      .map((image) => image.id);
  }

  /** The image that a name stands for; a name without tag means `:latest`. */
  find(name: Reference): ImageId | undefined {
    return this.#references.get(keyOf(name))?.id;
  }

  /** The image whose ID starts with these hexadecimal digits, if there is exactly one. */
  search(prefix: string): ImageId | undefined {
    const hex = prefix.startsWith('sha256:') ? prefix.slice('sha256:'.length) : prefix;
    if (!/^[0-9a-f]{1,64}$/.test(hex)) return undefined;
    let found: ImageId | undefined;
    for (const id of this.#images.keys()) {
      if (!hexOf(id).startsWith(hex)) continue;
      if (found !== undefined) return undefined;
      found = id;
    }
    return found;
  }

  /** Stores an image; its config must be in the content store. Replaces a record of the same ID. */
  async put(image: StoredImage): Promise<void> {
    using _lock = await this.#writers.acquire(image.id);
    await this.#write(image);
  }

  async #write(image: StoredImage): Promise<void> {
    await writeFileAtomic(this.#imagePath(image.id), encodeImageRecord(image));
    this.#keep(image);
  }

  /** What is changed is what is there when the writers before have finished. */
  async #change(id: ImageId, change: (image: StoredImage) => StoredImage): Promise<void> {
    using _lock = await this.#writers.acquire(id);
    const image = this.#images.get(id);
    if (image !== undefined) await this.#write(change(image));
  }

  /** Another archive of a layer takes a blob's place in every image that has it. */
  async replaceBlob(before: Digest, blob: LayerBlob): Promise<void> {
    const isOld = (layer: LayerBlob): boolean =>
      layer.diffId === blob.diffId && layer.digest === before;
    for (const { id, layers } of [...this.#images.values()]) {
      if (!layers.some(isOld)) continue;
      await this.#change(id, (image) => ({
        ...image,
        layers: image.layers.map((layer) => (isOld(layer) ? blob : layer)),
      }));
    }
  }

  /** Adds a manifest that an image came by; its blobs must be in the content store. */
  async addManifest(id: ImageId, manifest: KeptManifest): Promise<void> {
    await this.#change(id, (image) => ({
      ...image,
      manifests: withManifest(image.manifests, manifest),
    }));
  }

  async delete(id: ImageId): Promise<void> {
    using _lock = await this.#writers.acquire(id);
    const image = this.#images.get(id);
    if (image === undefined) return;
    this.#images.delete(id);
    this.#countChains(image, -1);
    await rm(this.#imagePath(id), { force: true });
    await syncDirectory(this.#imagesPath);
  }

  /** Points a reference at an image, taking it from another; answers which had it. */
  async setReference(name: Reference, id: ImageId): Promise<ImageId | undefined> {
    if (!this.#images.has(id)) throw new EngineError('not_found', `No such image: ${id}`);
    const key = keyOf(name);
    const before = this.#references.get(key)?.id;
    if (before === id) return before;
    const record = { version: 1, reference: key, image: id };
    await writeFileAtomic(this.#referencePath(key), `${JSON.stringify(record)}\n`);
    this.#point(key, parseReference(key), id);
    await this.#change(id, (current) => ({ ...current, lastTagged: now() }));
    return before;
  }

  async deleteReference(name: Reference): Promise<void> {
    const key = keyOf(name);
    if (!this.#unpoint(key)) return;
    await rm(this.#referencePath(key), { force: true });
    await syncDirectory(this.#referencesPath);
  }

  /** True if an image stands on the chain, at its top or below. */
  usesChain(chain: ChainId): boolean {
    return this.#chainUses.has(chain);
  }

  /** Blobs that images need. */
  usedBlobs(): ReadonlySet<Digest> {
    const used = new Set<Digest>();
    for (const image of this.#images.values()) for (const blob of blobsOf(image)) used.add(blob);
    return used;
  }

  /** The kept archive of a layer, whichever image brought it. */
  blobOf(diffId: Digest, fits: (blob: LayerBlob) => boolean = () => true): LayerBlob | undefined {
    for (const image of this.#images.values()) {
      const layer = image.layers.find((blob) => blob.diffId === diffId && fits(blob));
      if (layer !== undefined) return layer;
    }
    return undefined;
  }
}

function keyOf(name: Reference): string {
  if (name.digest !== undefined) return formatReference({ ...name, tag: undefined });
  return formatReference(withDefaultTag(name));
}
