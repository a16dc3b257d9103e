// An image archive on its way in: its files are received into the content store as ingests, because
// manifest.json may be the last of them. What no image uses disappears with the spool.
import { open } from 'node:fs/promises';
import { EngineError } from '#base/error.ts';
import { MAGIC_BYTES, decompress, detectCompression } from '#tar/compression.ts';
import { type Piece, decodeTar } from '#tar/decode.ts';
import type { ContentStore, Ingest } from './content/content.ts';
import { splitLayerPath } from './layer/path.ts';
import { MEDIA } from './manifest.ts';

/** Files in one image archive: layers, configs, manifests. */
export const ARCHIVE_FILES_MAX = 20_000;
/** Links followed to reach a file; Docker once saved shared layers as links. */
const LINKS_MAX = 8;

export class SpooledArchive implements AsyncDisposable {
  readonly #files = new Map<string, Ingest>();
  readonly #links = new Map<string, string>();

  private constructor() {}

  static async receive(
    content: ContentStore,
    stream: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<SpooledArchive> {
    const self = new SpooledArchive();
    try {
      await self.#receive(content, stream, signal);
      return self;
    } catch (error) {
      await self[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #receive(
    content: ContentStore,
    stream: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<void> {
    for await (const entry of decodeTar(decompress(stream))) {
      signal.throwIfAborted();
      const parts = splitLayerPath(entry.path);
      const path = parts.join('/');
      if (this.#files.size + this.#links.size >= ARCHIVE_FILES_MAX) {
        throw new EngineError('limit_exceeded', 'image archive exceeds ARCHIVE_FILES_MAX', {
          facts: { limit: 'ARCHIVE_FILES_MAX', max: ARCHIVE_FILES_MAX },
        });
      }
      if (entry.kind === 'file') {
        const before = this.#files.get(path);
        this.#files.set(path, await content.ingest(expandHoles(entry.body), { signal }));
        this.#links.delete(path);
        await before?.[Symbol.asyncDispose]();
      } else if (entry.kind === 'symlink') {
        this.#links.set(path, [...parts.slice(0, -1), entry.linkPath].join('/'));
      } else if (entry.kind === 'link') {
        this.#links.set(path, entry.linkPath);
      }
    }
  }

  has(path: string): boolean {
    return this.#find(path) !== undefined;
  }

  /** The file of that name; throws `corrupt` if there is none or the name climbs out. */
  file(path: string): Ingest {
    const found = this.#find(path);
    if (found !== undefined) return found;
    throw new EngineError('corrupt', `invalid archive: does not contain ${JSON.stringify(path)}`);
  }

  #find(path: string): Ingest | undefined {
    let at = splitLayerPath(path).join('/');
    for (let hops = 0; hops <= LINKS_MAX; hops += 1) {
      const file = this.#files.get(at);
      if (file !== undefined) return file;
      const target = this.#links.get(at);
      if (target === undefined) return undefined;
      at = resolveDots(target);
    }
    throw new EngineError('corrupt', `invalid archive: too many links at ${JSON.stringify(path)}`);
  }

  /** A small file whole. */
  async read(path: string, bytesMax: number): Promise<Buffer> {
    const file = this.file(path);
    if (file.size > bytesMax) {
      throw new EngineError('limit_exceeded', `${JSON.stringify(path)} exceeds ${bytesMax} bytes`, {
        facts: { bytesMax },
      });
    }
    const handle = await open(file.path, 'r');
    try {
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.#files.values()) await file[Symbol.asyncDispose]();
    this.#files.clear();
  }
}

/** A link's target as a path in the archive; `..` may go up, but not out. */
function resolveDots(target: string): string {
  const parts: string[] = [];
  for (const part of target.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) {
      throw new EngineError('corrupt', `invalid link in archive: ${JSON.stringify(target)}`);
    }
  }
  return splitLayerPath(parts.join('/')).join('/');
}

const ZEROS = Buffer.alloc(64 * 1024);

async function* expandHoles(
  body: AsyncIterable<Piece>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of body) {
    if (piece instanceof Uint8Array) {
      yield piece;
      continue;
    }
    for (let left = piece.hole; left > 0; left -= ZEROS.length) {
      yield left >= ZEROS.length ? ZEROS : ZEROS.subarray(0, left);
    }
  }
}

/** The OCI media type of a layer archive, by its first bytes. */
export async function layerMediaType(archive: Ingest): Promise<string> {
  const handle = await open(archive.path, 'r');
  try {
    const head = Buffer.alloc(MAGIC_BYTES);
    const { bytesRead } = await handle.read(head, 0, MAGIC_BYTES, 0);
    const compression = detectCompression(head.subarray(0, bytesRead));
    if (compression === 'gzip') return MEDIA.ociLayerGzip;
    if (compression === 'zstd') return MEDIA.ociLayerZstd;
    if (compression === 'none') return MEDIA.ociLayer;
    throw new EngineError('invalid_argument', `${compression} layers are not supported`);
  } finally {
    await handle.close();
  }
}
