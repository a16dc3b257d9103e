// Content-addressed blobs: `blobs/sha256/<hex>` below the data root. A blob appears by one rename
// after its digest and size were checked and its bytes synced (D7); before that it is an ingest,
// which disappears with its owner or at the next start, or a partial (partial.ts), which stays.
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, link, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory } from '#base/atomic-file.ts';
import { type Digest, hexOf } from '#base/digest.ts';
import { EngineError, errnoOf } from '#base/error.ts';
import { Partials } from './partial.ts';

/** One blob. */
export const BLOB_BYTES_MAX = 256 * 1024 ** 3;
/** Chunks from a socket are small; they are written this many bytes at a time. */
const WRITE_BYTES = 1024 * 1024;
const PARTIALS = 'partial';
const EARLY_SYNC_BYTES = 32 * 1024 * 1024;

type ByteSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

export type IngestOptions = {
  readonly signal: AbortSignal;
  readonly digest?: Digest;
  readonly size?: number;
  readonly bytesMax?: number;
};

/** Bytes received and hashed, not yet a blob. Disposing it without commit() removes it. */
export interface Ingest extends AsyncDisposable {
  readonly digest: Digest;
  readonly size: number;
  /** Where the bytes are now: commit() moves them. */
  readonly path: string;
  /** Starts to make them durable; commit() waits for it. */
  sync(): Promise<void>;
  commit(): Promise<void>;
}

export class ContentStore {
  readonly #blobs: string;
  readonly #ingests: string;
  readonly #present: Set<Digest>;
  /** Deletions under way: the same digest may come again meanwhile. */
  readonly #removing = new Map<Digest, Promise<void>>();
  readonly partials: Partials;

  private constructor(dataRoot: string, present: Set<Digest>, partials: Partials) {
    this.#blobs = join(dataRoot, 'blobs', 'sha256');
    this.#ingests = join(dataRoot, 'ingest');
    this.#present = present;
    this.partials = partials;
  }

  static async open(dataRoot: string): Promise<ContentStore> {
    const present = new Set<Digest>();
    const ingests = join(dataRoot, 'ingest');
    await mkdir(ingests, { recursive: true, mode: 0o700 });
    // What an earlier life was sent is worth nothing: its senders are gone. A registry is not.
    for (const name of await readdir(ingests)) {
      if (name !== PARTIALS) await rm(join(ingests, name), { recursive: true, force: true });
    }
    const partials = await Partials.open(join(ingests, PARTIALS));
    const self = new ContentStore(dataRoot, present, partials);
    await mkdir(self.#blobs, { recursive: true, mode: 0o700 });
    for (const name of await readdir(self.#blobs)) {
      if (/^[0-9a-f]{64}$/.test(name)) present.add(`sha256:${name}` as Digest);
    }
    // A commit gives a partial its second name before it takes the first one away.
    for (const digest of await partials.list()) {
      if (present.has(digest)) await partials.remove(digest);
    }
    return self;
  }

  has(digest: Digest): boolean {
    return this.#present.has(digest);
  }

  list(): readonly Digest[] {
    return [...this.#present];
  }

  path(digest: Digest): string {
    return join(this.#blobs, hexOf(digest));
  }

  async size(digest: Digest): Promise<number> {
    return (await stat(this.path(digest))).size;
  }

  /** A small blob whole; its digest is checked again, because disks rot. */
  async read(digest: Digest, bytesMax: number): Promise<Buffer> {
    const data = await this.#readWhole(digest, bytesMax);
    const actual = `sha256:${createHash('sha256').update(data).digest('hex')}`;
    if (actual === digest) return data;
    throw new EngineError('corrupt', `blob ${digest} is damaged`, { facts: { digest, actual } });
  }

  async #readWhole(digest: Digest, bytesMax: number): Promise<Buffer> {
    let file: FileHandle;
    try {
      file = await open(this.path(digest), 'r');
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
      throw new EngineError('not_found', `blob ${digest} does not exist`, { cause: error });
    }
    try {
      if ((await file.stat()).size > bytesMax) {
        throw new EngineError('limit_exceeded', `blob ${digest} is too large`, {
          facts: { digest, bytesMax },
        });
      }
      return await file.readFile();
    } finally {
      await file.close();
    }
  }

  stream(digest: Digest): AsyncIterable<Uint8Array> {
    return createReadStream(this.path(digest), { highWaterMark: 256 * 1024 });
  }

  async remove(digest: Digest): Promise<void> {
    this.#present.delete(digest);
    const gone = rm(this.path(digest), { force: true }).finally(() => {
      if (this.#removing.get(digest) === gone) this.#removing.delete(digest);
    });
    this.#removing.set(digest, gone);
    await gone;
  }

  /** A whole, checked partial as what commit() makes a blob; dropped, it stays a partial. */
  adopt(digest: Digest, size: number): Ingest {
    return this.#ingestOf(this.partials.path(digest), digest, size, { kept: true });
  }

  /** A blob that is here already, where one that was just received is asked for. */
  stored(digest: Digest, size: number): Ingest {
    return this.#ingestOf(this.path(digest), digest, size, { kept: true });
  }

  /** Receives a stream into a temporary file, hashing it on the way. */
  async ingest(source: ByteSource, options: IngestOptions): Promise<Ingest> {
    const path = join(this.#ingests, randomBytes(12).toString('hex'));
    const file = await open(path, 'wx', 0o600);
    try {
      const { digest, size } = await receive(file, source, options);
      if (options.size !== undefined && options.size !== size) {
        throw new EngineError('corrupt', `content has ${size} bytes, expected ${options.size}`, {
          facts: { size, expected: options.size },
        });
      }
      if (options.digest !== undefined && options.digest !== digest) {
        throw new EngineError('corrupt', `content has digest ${digest}, not ${options.digest}`, {
          facts: { digest, expected: options.digest },
        });
      }
      return this.#ingestOf(path, digest, size);
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      await file.close();
    }
  }

  /** By a second name first: who opens the first one meanwhile still finds it. */
  async #publish(path: string, digest: Digest): Promise<void> {
    await this.#removing.get(digest);
    try {
      await link(path, this.path(digest));
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error; // another one has made the same blob
    }
    this.#present.add(digest);
  }

  #ingestOf(
    path: string,
    digest: Digest,
    size: number,
    options: { readonly kept?: boolean } = {},
  ): Ingest {
    const isBlob = (): boolean => this.has(digest);
    let syncing: Promise<void> | undefined;
    let open = options.kept !== true;
    const sync = (): Promise<void> => {
      syncing ??= syncFile(path);
      // The failure belongs to commit(); an ingest that is dropped meanwhile needs no report.
      syncing.catch(() => {});
      return syncing;
    };
    const blob = this.path(digest);
    return {
      digest,
      size,
      sync,
      // Two pulls may share a partial: it may be the other's commit that made it a blob.
      get path() {
        return isBlob() ? blob : path;
      },
      commit: async () => {
        if (this.has(digest)) return;
        try {
          await sync();
          await this.#publish(path, digest);
        } catch (error) {
          if (!this.has(digest)) throw error;
        }
        await rm(path, { force: true });
        open = false;
        await syncDirectory(this.#blobs);
      },
      [Symbol.asyncDispose]: async () => {
        if (!open) return;
        open = false;
        await rm(path, { force: true });
      },
    };
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function receive(
  file: FileHandle,
  source: ByteSource,
  options: IngestOptions,
): Promise<{ readonly digest: Digest; readonly size: number }> {
  const max = Math.min(options.bytesMax ?? BLOB_BYTES_MAX, options.size ?? BLOB_BYTES_MAX);
  const hash = createHash('sha256');
  let size = 0;
  const early = new EarlySync(file);
  let batch: Uint8Array[] = [];
  let batched = 0;
  for await (const chunk of source) {
    options.signal.throwIfAborted();
    if (size + chunk.length > max) {
      throw new EngineError('limit_exceeded', `content exceeds ${max} bytes`, { facts: { max } });
    }
    hash.update(chunk);
    size += chunk.length;
    batch.push(chunk);
    batched += chunk.length;
    if (batched < WRITE_BYTES) continue;
    await writeAll(file, batch);
    early.wrote(batched);
    batch = [];
    batched = 0;
  }
  await writeAll(file, batch);
  await early.end();
  return { digest: `sha256:${hash.digest('hex')}` as Digest, size };
}

/** The disk works while more is received: at the end there is little left to wait for. */
class EarlySync {
  readonly #file: FileHandle;
  #unsynced = 0;
  #running: Promise<void> | undefined;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  wrote(bytes: number): void {
    this.#unsynced += bytes;
    if (this.#running !== undefined || this.#unsynced < EARLY_SYNC_BYTES) return;
    this.#unsynced = 0;
    // Its failure is met again by the sync that counts.
    this.#running = this.#file
      .datasync()
      .catch(() => {})
      .finally(() => {
        this.#running = undefined;
      });
  }

  /** The file must not be closed before. */
  async end(): Promise<void> {
    await this.#running;
  }
}

/** A source may not reuse a chunk's memory: it is written after more were asked for. */
async function writeAll(file: FileHandle, batch: readonly Uint8Array[]): Promise<void> {
  const wanted = batch.reduce((sum, chunk) => sum + chunk.length, 0);
  if (wanted === 0) return;
  const { bytesWritten } = await file.writev(batch);
  if (bytesWritten === wanted) return;
  // A short write is a full disk or a signal; the rest tells which.
  const rest = Buffer.concat(batch).subarray(bytesWritten);
  for (let offset = 0; offset < rest.length; ) {
    offset += (await file.write(rest, offset, rest.length - offset)).bytesWritten;
  }
}
