// Writes a layer's files below one directory through a C process that is confined to it
// (native/tree.c). Operations are batched into frames and pipelined; a failure of one surfaces at a
// later call or at finish(), and names the operation and the path.
import { EngineError } from '#base/error.ts';
import { decodeResults, NativeProcess } from './agent.ts';
import { Encoder, encodeOp, OpError } from './encode.ts';
import { errnoText } from './errno.ts';
import type { Op } from './op.ts';

/** mtime: nanoseconds since 1970. */
export type TreeMeta = {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: bigint;
};

/** Paths are relative to the root, as latin1 strings that may hold any byte but NUL. */
export interface TreeWriter extends AsyncDisposable {
  dir(path: string, meta: TreeMeta): Promise<void>;
  /** Followed by data(), copy() and hole() for exactly `size` bytes. */
  file(path: string, meta: TreeMeta, size: number): Promise<void>;
  data(chunk: Uint8Array): Promise<void>;
  /** The next bytes of the file are these of the archive that the tree was opened with. */
  copy(offset: number, length: number): Promise<void>;
  hole(bytes: number): Promise<void>;
  symlink(path: string, target: string, meta: TreeMeta): Promise<void>;
  link(path: string, existing: string): Promise<void>;
  node(
    path: string,
    kind: 'char' | 'block' | 'fifo',
    major: number,
    minor: number,
    meta: TreeMeta,
  ): Promise<void>;
  whiteout(path: string): Promise<void>;
  remove(path: string): Promise<void>;
  opaque(path: string): Promise<void>;
  xattr(path: string, name: string, value: Uint8Array): Promise<void>;
  /** Directory times; and what failed before is told at last. */
  finish(): Promise<void>;
}

const BATCH_BYTES = 256 * 1024;
const BATCH_OPS = 512;
/** A full batch and its last operation, mostly. */
const FRAME_BYTES = BATCH_BYTES + 64 * 1024;
/** Frames sent and not answered; more wait. */
const FRAMES_PENDING_MAX = 8;
const KINDS = { char: 0o020000, block: 0o060000, fifo: 0o010000 } as const;

/** Where the operations go, and what a failure is called. */
export type TreeTarget = {
  readonly process: Pick<NativeProcess, 'send'> & AsyncDisposable;
  readonly verb: string;
};

export type NewTree = {
  readonly nativePath: string;
  readonly root: string;
  /** Default: with all else on that file system it is on the disk when finish() resolves. */
  readonly durable?: boolean;
  /** The file that copy() takes from. */
  readonly source?: string;
};

export class NativeTreeWriter implements TreeWriter {
  readonly #process: TreeTarget['process'];
  readonly #verb: string;
  readonly #end: 'tree_finish' | 'tree_end';
  /** The frame that is being filled, and what each of its operations makes. */
  #out: Encoder | undefined;
  #made: Made[] = [];
  #last: Made = '';
  /** Memory of frames that were answered. */
  readonly #spare: Encoder[] = [];
  #pending = new Set<Promise<void>>();
  #failure: Error | undefined;

  /** Below a directory of the host; or where a process already looks. */
  constructor(options: NewTree | TreeTarget) {
    const isNew = 'root' in options;
    this.#process = isNew
      ? new NativeProcess(options.nativePath, ['tree', options.root])
      : options.process;
    this.#verb = isNew ? 'unpack' : options.verb;
    this.#end = isNew && options.durable !== false ? 'tree_finish' : 'tree_end';
    if (isNew && options.source !== undefined) {
      this.#put({ op: 'tree_source', path: options.source });
    }
  }

  dir(path: string, meta: TreeMeta): Promise<void> {
    return this.#add({ op: 'tree_dir', path, ...owner(meta), ...time(meta) });
  }

  file(path: string, meta: TreeMeta, size: number): Promise<void> {
    return this.#add({ op: 'tree_file', path, ...owner(meta), ...time(meta), size });
  }

  /** The chunk is copied: its memory may be used again when the promise has resolved. */
  async data(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; at += BATCH_BYTES) {
      await this.#add({ op: 'tree_data', data: chunk.subarray(at, at + BATCH_BYTES) });
    }
  }

  /** The next bytes of the file are these of the source. */
  copy(offset: number, length: number): Promise<void> {
    return this.#add({ op: 'tree_copy', offset, length });
  }

  /** What is made in the root from now on is placed far apart, where the file system can. */
  spread(): Promise<void> {
    return this.#add({ op: 'tree_spread' });
  }

  hole(bytes: number): Promise<void> {
    return this.#add({ op: 'tree_hole', length: bytes });
  }

  symlink(path: string, target: string, meta: TreeMeta): Promise<void> {
    const { uid, gid } = meta;
    return this.#add({ op: 'tree_symlink', path, target, uid, gid, ...time(meta) });
  }

  link(path: string, existing: string): Promise<void> {
    return this.#add({ op: 'tree_link', path, existing });
  }

  node(
    path: string,
    kind: keyof typeof KINDS,
    major: number,
    minor: number,
    meta: TreeMeta,
  ): Promise<void> {
    const { uid, gid } = meta;
    const mode = KINDS[kind] | (meta.mode & 0o7777);
    return this.#add({ op: 'tree_node', path, mode, major, minor, uid, gid, ...time(meta) });
  }

  whiteout(path: string): Promise<void> {
    return this.#add({ op: 'tree_whiteout', path });
  }

  remove(path: string): Promise<void> {
    return this.#add({ op: 'tree_remove', path });
  }

  opaque(path: string): Promise<void> {
    return this.#add({ op: 'tree_opaque', path });
  }

  xattr(path: string, name: string, value: Uint8Array): Promise<void> {
    return this.#add({ op: 'tree_xattr', path, name, value });
  }

  async finish(): Promise<void> {
    await this.#add({ op: this.#end });
    await this.#flush();
    await Promise.all(this.#pending);
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #add(op: Op): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const bytes = this.#put(op);
    if (bytes >= BATCH_BYTES || this.#made.length >= BATCH_OPS) await this.#flush();
  }

  /** Answers the bytes of the frame so far. */
  #put(op: Op): number {
    if (this.#out === undefined) {
      this.#out = this.#spare.pop() ?? new Encoder(FRAME_BYTES);
      this.#out.reset();
      this.#out.u32(0); // how many there are, known at the end
    }
    encodeOp(this.#out, op);
    // Content belongs to the file before it.
    if (op.op === 'tree_link') this.#last = { path: op.path, existing: op.existing };
    else if ('path' in op) this.#last = op.path;
    this.#made.push(this.#last);
    return this.#out.length;
  }

  async #flush(): Promise<void> {
    const out = this.#out;
    if (out === undefined) return;
    const made = this.#made;
    this.#out = undefined;
    this.#made = [];
    out.setU32(0, made.length);
    const answered: Promise<void> = this.#process
      .send(out.finish())
      .then((body) => {
        this.#spare.push(out);
        decodeResults(body);
      })
      .catch((error: unknown) => {
        this.#failure ??= explain(error, made, this.#verb);
      })
      .finally(() => this.#pending.delete(answered));
    this.#pending.add(answered);
    while (this.#pending.size >= FRAMES_PENDING_MAX) await Promise.race(this.#pending);
    if (this.#failure !== undefined) throw this.#failure;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}

function owner(meta: TreeMeta): { mode: number; uid: number; gid: number } {
  return { mode: meta.mode & 0o7777, uid: meta.uid, gid: meta.gid };
}

function time(meta: TreeMeta): { seconds: bigint; nanoseconds: bigint } {
  const nanoseconds = ((meta.mtime % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return { seconds: (meta.mtime - nanoseconds) / 1_000_000_000n, nanoseconds };
}

/** A path, or a link with what it leads to, which may be what is wrong. */
type Made = string | { readonly path: string; readonly existing: string };

/** Adds the path, which the C side does not repeat. */
function explain(error: unknown, made: readonly Made[], verb: string): Error {
  if (!(error instanceof OpError)) return error instanceof Error ? error : new Error(String(error));
  const { index, errno } = error.result;
  const what = made[index] ?? '';
  const isLink = typeof what !== 'string';
  const path = isLink ? what.path : what;
  const link = isLink ? `, a hard link to ${JSON.stringify(what.existing)}` : '';
  return new EngineError(
    'kernel_refused',
    `cannot ${verb} ${JSON.stringify(path)}${link}: ${errnoText(errno)}`,
    { cause: error, facts: { ...error.facts, path } },
  );
}
