// A build's context: the tar archive that a client sends, kept as a list of what is in it and one
// file with the bytes. Nothing of it is ever unpacked, so no link in it can lead anywhere: links are
// followed here, in the list, and never out of it.
import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { EngineError } from '#base/error.ts';
import { decompress } from '#tar/compression.ts';
import { decodeTar, type TarEntry } from '#tar/decode.ts';
import type { Ignore } from '#base/ignore.ts';

/** Of all contexts together that a build is sent: their lists are in memory. */
export const CONTEXT_ENTRIES_MAX = 2_000_000;
/** As Linux has it: no file could be deeper. */
export const PATH_BYTES_MAX = 4096;
export const CONTEXT_BYTES_MAX = 256 * 1024 ** 3;
export const DOCKERFILE_SIZE_MAX = 16 * 1024 * 1024;
const LINKS_MAX = 40;
const READ_BYTES = 256 * 1024;
const WRITE_BYTES = 1024 * 1024;
const DIRECTORY_MODE = 0o755;

export type ContextKind = 'file' | 'dir' | 'symlink' | 'char' | 'block' | 'fifo';
export type ContextNode = {
  readonly kind: ContextKind;
  /** Permissions. */
  readonly mode: number;
  readonly mtime: bigint;
  readonly size: number;
  /** Where the content begins in the file of contents. */
  readonly offset: number;
  /** Of the content; "" for what has none. */
  readonly digest: string;
  readonly link: string;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  readonly children: Map<string, ContextNode>;
};

/** A node and where it stands: "a/b", "" for the root. Names are binary strings, as in tar. */
export type Found = { readonly path: string; readonly node: ContextNode };

type Archive = AsyncIterable<Uint8Array>;

export class Context implements AsyncDisposable {
  #root: ContextNode = directory();
  /** Of the file of contents; "" where there is none. */
  readonly path: string;
  #file: Promise<FileHandle> | undefined;
  #size = 0;
  #entries = 0;

  private constructor(path: string) {
    this.path = path;
  }

  /** A context without files, for a Dockerfile alone. */
  static empty(): Context {
    return new Context('');
  }

  /** Reads an archive to its end; plain or compressed. */
  static receive(
    archive: AsyncIterable<Uint8Array>,
    folder: string,
    name: string,
    signal: AbortSignal,
    entriesMax = CONTEXT_ENTRIES_MAX,
  ): Promise<Context> {
    return Context.receiveAll([archive], folder, name, signal, entriesMax);
  }

  /** Several, one over the other. */
  static async receiveAll(
    archives: AsyncIterable<Archive> | Iterable<Archive>,
    folder: string,
    name: string,
    signal: AbortSignal,
    entriesMax = CONTEXT_ENTRIES_MAX,
  ): Promise<Context> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const self = new Context(join(folder, name));
    try {
      await self.#receive(archives, signal, entriesMax);
      return self;
    } catch (error) {
      await self[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #receive(
    archives: AsyncIterable<Archive> | Iterable<Archive>,
    signal: AbortSignal,
    entriesMax: number,
  ): Promise<void> {
    const file = await open(this.path, 'wx', 0o600);
    const sink = new Sink((bytes) => file.write(bytes).then(() => {}));
    try {
      for await (const entry of entriesOf(archives)) {
        signal.throwIfAborted();
        this.#entries += 1;
        if (this.#entries > entriesMax) {
          throw new EngineError('limit_exceeded', 'the build context has too many files', {
            facts: { limit: 'CONTEXT_ENTRIES_MAX', max: CONTEXT_ENTRIES_MAX },
          });
        }
        await this.#add(entry, sink);
      }
      await sink.flush();
      this.#size = sink.total;
    } finally {
      await file.close();
    }
  }

  get root(): ContextNode {
    return this.#root;
  }

  /** The directory alone, as if there had never been more; no link is followed. */
  narrow(path: string): void {
    let at = this.#root;
    for (const name of splitPath(path)) {
      const next = at.children.get(name);
      if (next?.kind !== 'dir') throw broken(`${JSON.stringify(path)} is no directory`);
      at = next;
    }
    this.#root = at;
  }

  async #add(entry: TarEntry, sink: Sink): Promise<void> {
    const parts = splitPath(entry.path);
    const { kind } = entry;
    if (kind === 'other') return; // as dockerd: pax globals of git archives and the like
    if (kind === 'link') {
      const target = this.lookup(splitPath(entry.linkPath).join('/'), { last: 'keep' });
      // A directory in itself would have no end.
      if (target === undefined || target.node.kind === 'dir') {
        throw broken(
          `${JSON.stringify(entry.path)} is a hard link to ${JSON.stringify(entry.linkPath)}, which is no file before it`,
        );
      }
      this.#put(parts, target.node);
      return;
    }
    const offset = sink.total;
    let digest = '';
    if (kind === 'file') {
      const hash = createHash('sha256');
      for await (const bytes of expandHoles(entry.body)) {
        hash.update(bytes);
        await sink.write(bytes);
      }
      digest = hash.digest('hex');
    }
    const { mode, mtime, xattrs } = entry;
    this.#put(parts, {
      ...directory(mode & 0o7777, mtime),
      kind,
      size: kind === 'file' ? entry.size : 0,
      offset,
      digest,
      link: kind === 'symlink' ? entry.linkPath : '',
      major: entry.major,
      minor: entry.minor,
      xattrs: speakableXattrs(xattrs),
    });
  }

  #put(parts: readonly string[], node: ContextNode): void {
    const name = parts.at(-1);
    // The root's own entry says nothing that a build takes over.
    if (name === undefined) return;
    let at = this.root;
    for (const part of parts.slice(0, -1)) {
      let next = at.children.get(part);
      if (next?.kind !== 'dir') {
        next = directory();
        at.children.set(part, next);
      }
      at = next;
    }
    const before = at.children.get(name);
    // A directory that is told again keeps what is in it.
    const children =
      before?.kind === 'dir' && node.kind === 'dir' ? before.children : node.children;
    at.children.set(name, { ...node, children });
  }

  /** Follows links like a process whose root is the context; undefined when there is nothing. */
  lookup(path: string, options: { readonly last?: 'follow' | 'keep' } = {}): Found | undefined {
    const rest = splitPath(path);
    const trail: Found[] = [{ path: '', node: this.root }];
    for (let links = 0; ; ) {
      const name = rest.shift();
      const here = trail.at(-1) ?? { path: '', node: this.root };
      if (name === undefined) return here;
      if (name === '..') {
        if (trail.length > 1) trail.pop();
        continue;
      }
      const node = here.node.children.get(name);
      if (node === undefined) return undefined;
      const isLast = rest.length === 0;
      if (node.kind === 'symlink' && !(isLast && options.last === 'keep')) {
        links += 1;
        if (links > LINKS_MAX) return undefined;
        if (node.link.startsWith('/')) trail.length = 1;
        rest.unshift(...node.link.split('/').filter((part) => part !== '' && part !== '.'));
        continue;
      }
      if (!isLast && node.kind !== 'dir') return undefined;
      trail.push({ path: here.path === '' ? name : `${here.path}/${name}`, node });
    }
  }

  /** Takes away what a .dockerignore leaves out; the Dockerfile and the file itself stay readable. */
  ignore(ignore: Ignore): void {
    if (!ignore.empty) prune(this.root, '', ignore);
  }

  /** By one descriptor for all of them: a context may have a hundred thousand small files. */
  async *content(node: ContextNode): AsyncGenerator<Uint8Array, void, undefined> {
    if (node.size === 0) return;
    this.#file ??= open(this.path, 'r');
    const file = await this.#file;
    for (let at = 0; at < node.size; ) {
      const length = Math.min(node.size - at, READ_BYTES);
      const { bytesRead, buffer } = await file.read(
        Buffer.allocUnsafe(length),
        0,
        length,
        node.offset + at,
      );
      if (bytesRead === 0) throw new EngineError('corrupt', 'the stored build context is cut off');
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  async text(node: ContextNode, bytesMax: number): Promise<string> {
    if (node.size > bytesMax) {
      throw new EngineError('limit_exceeded', `a file of the context exceeds ${bytesMax} bytes`);
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.content(node)) chunks.push(chunk);
    return Buffer.concat(chunks).toString('utf8');
  }

  /** As many as it was sent with. */
  get entries(): number {
    return this.#entries;
  }

  /** Bytes of all files. */
  get size(): number {
    return this.#size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#file)?.close();
    if (this.path !== '') await rm(this.path, { force: true });
  }
}

async function* entriesOf(
  archives: AsyncIterable<Archive> | Iterable<Archive>,
): AsyncGenerator<TarEntry, void, undefined> {
  for await (const archive of archives) yield* decodeTar(decompress(archive));
}

function prune(node: ContextNode, path: string, ignore: Ignore): void {
  for (const [name, child] of node.children) {
    const at = path === '' ? name : `${path}/${name}`;
    const text = Buffer.from(at, 'latin1').toString('utf8');
    const excluded = ignore.excludes(text);
    if (child.kind === 'dir' && !(excluded && ignore.excludesAll(text))) prune(child, at, ignore);
    const stays = !excluded || (child.kind === 'dir' && child.children.size > 0);
    if (!stays) node.children.delete(name);
  }
}

function directory(mode = DIRECTORY_MODE, mtime = 0n): ContextNode {
  return {
    kind: 'dir',
    mode,
    mtime,
    size: 0,
    offset: 0,
    digest: '',
    link: '',
    major: 0,
    minor: 0,
    xattrs: new Map(),
    children: new Map(),
  };
}

/** An archive's path: `..` in it would name something outside. */
function splitPath(path: string): string[] {
  if (path.length > PATH_BYTES_MAX) {
    throw new EngineError('limit_exceeded', 'a path in the build context is too long', {
      facts: { limit: 'PATH_BYTES_MAX', max: PATH_BYTES_MAX },
    });
  }
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) {
    const clean = posix.normalize(parts.join('/'));
    if (clean === '..' || clean.startsWith('../')) {
      throw broken(`${JSON.stringify(path)} leads outside`);
    }
    return clean === '.' ? [] : clean.split('/');
  }
  return parts;
}

function broken(what: string): EngineError {
  return new EngineError('invalid_argument', `the build context is broken: ${what}`);
}

/** A layer says with these what is no content: that a directory hides another, or is one elsewhere. */
const OVERLAY_XATTR = /^(?:trusted|user)\.overlay\./;

export function speakableXattrs(
  xattrs: ReadonlyMap<string, Uint8Array>,
): ReadonlyMap<string, Uint8Array> {
  return new Map([...xattrs].filter(([name]) => !OVERLAY_XATTR.test(name)));
}

const ZEROS = Buffer.alloc(64 * 1024);

/** The content of an entry, with zeros where an archive says only how many there are. */
export async function* expandHoles(
  body: TarEntry['body'],
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

/** Small pieces are written together. */
class Sink {
  total = 0;
  readonly #write: (bytes: Buffer) => Promise<void>;
  #batch: Uint8Array[] = [];
  #batched = 0;

  constructor(write: (bytes: Buffer) => Promise<void>) {
    this.#write = write;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.total + bytes.length > CONTEXT_BYTES_MAX) {
      throw new EngineError('limit_exceeded', 'the build context is too large', {
        facts: { limit: 'CONTEXT_BYTES_MAX', max: CONTEXT_BYTES_MAX },
      });
    }
    this.total += bytes.length;
    this.#batch.push(bytes);
    this.#batched += bytes.length;
    if (this.#batched >= WRITE_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#batched === 0) return;
    const bytes = Buffer.concat(this.#batch);
    this.#batch = [];
    this.#batched = 0;
    await this.#write(bytes);
  }
}
