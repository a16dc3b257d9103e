// A look into the files of one container by a C process that is confined to them (native/visit.c,
// native/records.c). Names are binary strings (latin1). It lives as long as the look; a daemon that
// dies takes it along.
import { NativeProcess, decodeResults } from './agent.ts';
import { Decoder, Encoder, encodeOps } from './encode.ts';
import type { Op, OpResult } from './op.ts';
import { NativeTreeWriter, type TreeWriter } from './tree.ts';

export type FileStat = {
  /** st_mode, with the kind. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly major: number;
  readonly minor: number;
  readonly size: number;
  /** That it takes on disk. */
  readonly allocated: number;
  /** Nanoseconds. */
  readonly mtime: bigint;
};

export type FoundFile = FileStat & {
  readonly readonly: boolean;
  /** On the root's own mount, not on one that lies over it. */
  readonly onRoot: boolean;
  /** As the container sees it; of a link, of its directory. */
  readonly path: string;
  /** What a link says. */
  readonly link: string;
  /** Where that leads to; "" = nowhere. */
  readonly target: string;
};

export type TreeEntry = FileStat & {
  readonly kind: 'entry';
  /** Below the start; "" is the start itself. */
  readonly path: string;
  /** The layers below have something of this name, and whether that is a regular file. */
  readonly wasThere: boolean;
  readonly wasFile: boolean;
  /** A directory that did not change itself. */
  readonly same: boolean;
  /** The layers below have it, and it is not there any more. */
  readonly gone: boolean;
  /** Nothing of the layers below is seen in this directory. */
  readonly opaque: boolean;
  /** One more name of the entry whose path is in `link`. */
  readonly hardLink: boolean;
  /** Bytes of the file below. */
  readonly before: number;
  readonly link: string;
  readonly xattrs: ReadonlyMap<string, Buffer>;
};

export type TreeRecord =
  | TreeEntry
  | { readonly kind: 'data'; readonly data: Buffer }
  | { readonly kind: 'zeros'; readonly length: number };

export type WalkWish = {
  readonly directory: string;
  readonly name: string;
  /** Content of files too. */
  readonly data: boolean;
  /**
   * Only what differs from the layers below: `marks` are those of an overlay (whiteouts), without
   * them what is absent is gone; `layers`: so, and every other file is told, whatever it looks
   * like.
   */
  readonly compare?: 'marks' | 'absence' | 'layers';
  /** What is no directory is told even if it looks the same. */
  readonly everyFile?: boolean;
  /** Paths below the start that are left out unless they were there before. */
  readonly omit?: readonly string[];
  /** Mount points that are shown as empty directories. */
  readonly hidden?: readonly string[];
  /** Where the start is, for `hidden`. */
  readonly base?: string;
};

export interface Visit extends AsyncDisposable {
  stat(directory: string, name: string): Promise<FoundFile>;
  /** By name or number, as the container's own passwd has it. */
  user(user: string): Promise<{ readonly uid: number; readonly gid: number }>;
  /** Records, some at a time, each directory before what is in it. One walk at a time. */
  walk(wish: WalkWish): AsyncGenerator<readonly TreeRecord[], void, undefined>;
  /** Writes below the root. strict: a directory and what is none do not replace each other. */
  writer(options: { readonly strict: boolean }): Promise<TreeWriter>;
  /** Ends it now; whatever still goes on fails. */
  kill(): void;
}

const WANT_DATA = 1;
const COMPARE = 2;
const ABSENT_IS_GONE = 4;
const EVERY_FILE = 8;
const SAME_INODE = 16;
const COMPARES = {
  marks: COMPARE,
  absence: COMPARE | ABSENT_IS_GONE,
  layers: COMPARE | ABSENT_IS_GONE | SAME_INODE,
} as const;
/** Of records that are asked for at a time; the next ones are made meanwhile. */
const ANSWER_BYTES = 192 * 1024;

export class NativeVisit implements Visit {
  readonly #process: NativeProcess;

  private constructor(nativePath: string) {
    this.#process = new NativeProcess(nativePath, ['tree', '-']);
  }

  /** The operations say whose files they are. */
  static async open(nativePath: string, ops: readonly Op[]): Promise<NativeVisit> {
    const visit = new NativeVisit(nativePath);
    try {
      await visit.#perform(ops);
      return visit;
    } catch (error) {
      await visit[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #perform(ops: readonly Op[]): Promise<readonly OpResult[]> {
    const out = new Encoder();
    encodeOps(out, ops);
    return decodeResults(await this.#process.send(out.finish()));
  }

  async stat(directory: string, name: string): Promise<FoundFile> {
    const [result] = await this.#perform([{ op: 'tree_stat', directory, name }]);
    const decoder = new Decoder(result?.output ?? Buffer.alloc(0));
    return {
      readonly: decoder.u32() === 1,
      onRoot: decoder.u32() === 1,
      ...decodeStat(decoder),
      path: decoder.bytes().toString('latin1'),
      link: decoder.bytes().toString('latin1'),
      target: decoder.bytes().toString('latin1'),
    };
  }

  async user(user: string): Promise<{ readonly uid: number; readonly gid: number }> {
    const [result] = await this.#perform([{ op: 'tree_user', user }]);
    const decoder = new Decoder(result?.output ?? Buffer.alloc(0));
    return { uid: decoder.u32(), gid: decoder.u32() };
  }

  async *walk(wish: WalkWish): AsyncGenerator<readonly TreeRecord[], void, undefined> {
    const { directory, name, omit = [], hidden = [], base = '' } = wish;
    const compare = wish.compare === undefined ? 0 : COMPARES[wish.compare];
    const every = wish.everyFile === true ? EVERY_FILE : 0;
    const flags = (wish.data ? WANT_DATA : 0) | compare | every;
    await this.#perform([{ op: 'tree_walk', directory, name, flags, omit, hidden, base }]);
    const ask = (): Promise<readonly OpResult[]> => {
      const asked = this.#perform([{ op: 'tree_next', bytes: ANSWER_BYTES }]);
      asked.catch(() => {}); // when whoever reads leaves before it is there
      return asked;
    };
    for (let next = ask(); ; ) {
      const [result] = await next;
      if (result === undefined) return;
      next = ask();
      yield decodeRecords(result.output);
    }
  }

  async writer({ strict }: { readonly strict: boolean }): Promise<TreeWriter> {
    await this.#perform([{ op: 'tree_strict', on: strict ? 1 : 0 }]);
    const none = { [Symbol.asyncDispose]: async () => {} };
    const process = {
      send: (...pieces: readonly Uint8Array[]) => this.#process.send(...pieces),
      ...none,
    };
    return new NativeTreeWriter({ process, verb: 'write' });
  }

  kill(): void {
    this.#process.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // It holds nothing that would have to be written down.
    this.#process.kill();
    await this.#process[Symbol.asyncDispose]();
  }
}

function decodeStat(decoder: Decoder): FileStat {
  return {
    mode: decoder.u32(),
    uid: decoder.u32(),
    gid: decoder.u32(),
    major: decoder.u32(),
    minor: decoder.u32(),
    size: Number(decoder.u64()),
    allocated: Number(decoder.u64()),
    mtime: BigInt.asIntN(64, decoder.u64()) * 1_000_000_000n + BigInt(decoder.u32()),
  };
}

const FLAG = { THERE: 1, SAME: 2, GONE: 4, OPAQUE: 8, LINK: 16, FILE: 32 } as const;

function decodeEntry(decoder: Decoder): TreeEntry {
  const path = decoder.bytes().toString('latin1');
  const flags = decoder.u32();
  const has = (flag: number): boolean => (flags & flag) !== 0;
  const stat = decodeStat(decoder);
  const before = Number(decoder.u64());
  const link = decoder.bytes().toString('latin1');
  const xattrs = new Map<string, Buffer>();
  for (let count = decoder.u32(); count > 0; count -= 1) {
    xattrs.set(decoder.bytes().toString('latin1'), decoder.bytes());
  }
  return {
    kind: 'entry',
    ...stat,
    path,
    wasThere: has(FLAG.THERE),
    wasFile: has(FLAG.FILE),
    same: has(FLAG.SAME),
    gone: has(FLAG.GONE),
    opaque: has(FLAG.OPAQUE),
    hardLink: has(FLAG.LINK),
    before,
    link,
    xattrs,
  };
}

function decodeRecords(output: Buffer): readonly TreeRecord[] {
  const decoder = new Decoder(output);
  const records: TreeRecord[] = [];
  while (!decoder.ended) {
    const kind = decoder.u32();
    if (kind === 1) records.push(decodeEntry(decoder));
    else if (kind === 2) records.push({ kind: 'data', data: decoder.bytes() });
    else records.push({ kind: 'zeros', length: Number(decoder.u64()) });
  }
  return records;
}
