// The build cache: what a step made, by the digest of everything that it depended on. An entry pins
// the layer that it names, so nothing else takes it away; an entry whose layer is gone is a miss.
// `build-cache/<key>.json` below the data root, one record each.
import { readFileSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '#base/atomic-file.ts';
import { now, type Nanoseconds } from '#base/clock.ts';
import { type Digest, isDigest } from '#base/digest.ts';
import type { LayerBlob } from '#image/record.ts';
import { type ChainId, chainOn } from '#snapshot/chain.ts';

export const CACHE_ENTRIES_MAX = 20_000;
const VERSION = 1;
const KEY = /^[0-9a-f]{64}$/;

export type CacheEntry = {
  readonly key: string;
  /** What the step stood on. */
  readonly parent: ChainId | undefined;
  /** undefined: it wrote nothing. */
  readonly layer: LayerBlob | undefined;
  readonly createdBy: string;
  readonly created: Nanoseconds;
  readonly lastUsed: Nanoseconds;
  readonly uses: number;
  readonly bytes: number;
};

export type Pin = (digests: readonly string[]) => Disposable;

export class BuildCache {
  readonly #folder: string;
  readonly #entries = new Map<string, CacheEntry>();
  readonly #pins = new Map<string, Disposable>();
  #pin: Pin = () => ({ [Symbol.dispose]: () => {} });

  constructor(dataRoot: string) {
    this.#folder = join(dataRoot, 'build-cache');
  }

  /** Before the images are opened, which removes what nobody pins. */
  async load(pin: Pin): Promise<readonly string[]> {
    this.#pin = pin;
    const problems: string[] = [];
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.#folder)) {
      const path = join(this.#folder, name);
      const key = name.replace(/\.json$/, '');
      if (!KEY.test(key)) continue;
      try {
        this.#keep(parseEntry(readFileSync(path, 'utf8'), key));
      } catch (error) {
        // A cache that cannot be read is a miss, and no loss.
        problems.push(`${path}: ${String(error)}`);
        await rm(path, { force: true });
      }
    }
    return problems;
  }

  #keep(entry: CacheEntry): void {
    this.#pins.get(entry.key)?.[Symbol.dispose]();
    this.#entries.set(entry.key, entry);
    this.#pins.set(entry.key, this.#pin(digestsOf(entry)));
  }

  list(): readonly CacheEntry[] {
    return [...this.#entries.values()];
  }

  /** `isThere` tells whether its layer still is. */
  find(key: string, isThere: (entry: CacheEntry) => boolean): CacheEntry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || !isThere(entry)) return undefined;
    const used = { ...entry, lastUsed: now(), uses: entry.uses + 1 };
    this.#entries.set(key, used);
    return used;
  }

  async add(entry: CacheEntry): Promise<void> {
    this.#keep(entry);
    await this.#write(entry);
    if (this.#entries.size <= CACHE_ENTRIES_MAX) return;
    const [oldest] = this.list().toSorted((a, b) => (a.lastUsed < b.lastUsed ? -1 : 1));
    if (oldest !== undefined) await this.remove(oldest.key);
  }

  async #write(entry: CacheEntry): Promise<void> {
    const text = JSON.stringify({ version: VERSION, ...entry }, (_key, value: unknown) =>
      typeof value === 'bigint' ? value.toString() : value,
    );
    await writeFileAtomic(join(this.#folder, `${entry.key}.json`), text, { durable: false });
  }

  /** Uses are counted in memory, and written when the daemon ends. */
  async flush(): Promise<void> {
    for (const entry of this.#entries.values()) await this.#write(entry);
  }

  async remove(key: string): Promise<CacheEntry | undefined> {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#pins.get(key)?.[Symbol.dispose]();
    this.#pins.delete(key);
    await rm(join(this.#folder, `${key}.json`), { force: true });
    return entry;
  }
}

export function chainOfEntry({ layer, parent }: CacheEntry): ChainId | undefined {
  return layer === undefined ? undefined : chainOn(parent, layer.diffId);
}

/** The chain and the blob that an entry keeps. */
export function digestsOf(entry: CacheEntry): readonly Digest[] {
  const chain = chainOfEntry(entry);
  return entry.layer === undefined || chain === undefined ? [] : [entry.layer.digest, chain];
}

function parseEntry(text: string, key: string): CacheEntry {
  const raw = JSON.parse(text) as Record<string, unknown>;
  if (raw['version'] !== VERSION || raw['key'] !== key) throw new Error('unknown version or key');
  const layer = raw['layer'] as Record<string, unknown> | undefined;
  const { parent } = raw;
  if (parent !== undefined && !isDigest(parent)) throw new Error('bad parent');
  if (layer !== undefined && (!isDigest(layer['digest']) || !isDigest(layer['diffId']))) {
    throw new Error('bad layer');
  }
  const time = (name: string): bigint => BigInt(String(raw[name]));
  return {
    key,
    parent: parent as ChainId | undefined,
    layer: layer as LayerBlob | undefined,
    createdBy: String(raw['createdBy']),
    created: time('created'),
    lastUsed: time('lastUsed'),
    uses: Number(raw['uses']),
    bytes: Number(raw['bytes']),
  };
}
