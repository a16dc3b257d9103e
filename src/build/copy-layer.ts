// COPY and ADD, the acting part: the archive of the layer. It is made from the context's bytes or
// from the files of another image, entry by entry, so that the same input gives the same layer.
import { posix } from 'node:path';
import { EngineError, isEngineError } from '#base/error.ts';
import { encodeTree, type HeaderOf, headerOf } from '#container/archive-tar.ts';
import { idShift } from '#container/id-shift.ts';
import type { Visit } from '#runtime/visit.ts';
import { toBinary, toText } from '#tar/binary-path.ts';
import { decompress } from '#tar/compression.ts';
import { decodeTar } from '#tar/decode.ts';
import { encodeHeader, type EncodeItem, encodeTar } from '#tar/encode.ts';
import type { Context, ContextNode } from './context.ts';
import { failed, type Owner, type Placed, type TargetFacts } from './copy-plan.ts';
import type { Place } from './dockerfile/fault.ts';
import { Ignore } from '#base/ignore.ts';

const S_IFDIR = 0o040000;
const S_IFMT = 0o170000;
const PARENT_MODE = 0o755;
const SAME_IDS = idShift(undefined);

export type LayerStyle = {
  readonly owner: Owner;
  readonly mode: number | undefined;
  /** No file is younger; undefined = as they are. */
  readonly epoch: bigint | undefined;
  /** Of directories that nobody has named. */
  readonly moment: bigint;
};

/** What stands at a path of an image. Absolute, with a slash at the end or not. */
export async function lookAt(visit: Visit | undefined, target: string): Promise<TargetFacts> {
  const missing: string[] = [];
  for (let at = posix.resolve('/', target); ; at = posix.dirname(at)) {
    if (visit === undefined) {
      const names = posix.resolve('/', target).split('/');
      return { existing: '/', missing: names.filter((name) => name !== ''), isFile: false };
    }
    try {
      const found = await visit.stat(toBinary(at), '');
      return { existing: found.path, missing, isFile: false };
    } catch (error) {
      const errno = isEngineError(error, 'kernel_refused') ? error.facts['errno'] : undefined;
      if (errno !== 'ENOENT' && errno !== 'ENOTDIR') throw error;
      if (errno === 'ENOTDIR' && missing.length === 0) {
        const { path } = await visit.stat(
          toBinary(posix.dirname(at)),
          toBinary(posix.basename(at)),
        );
        return { existing: posix.dirname(path), missing: [posix.basename(path)], isFile: true };
      }
      missing.unshift(posix.basename(at));
    }
  }
}

function clamp(mtime: bigint, epoch: bigint | undefined): bigint {
  return epoch !== undefined && mtime > epoch ? epoch : mtime;
}

export function parentItems(
  parents: readonly string[],
  { owner, moment }: LayerStyle,
): readonly EncodeItem[] {
  return parents.map((path) => ({
    kind: 'dir',
    path,
    mode: PARENT_MODE,
    uid: owner.uid,
    gid: owner.gid,
    mtime: moment,
  }));
}

export function contextItems(
  context: Context,
  placed: readonly Placed[],
  style: LayerStyle,
): readonly EncodeItem[] {
  return placed.map(({ path, node }) => ({
    kind: node.kind,
    path,
    linkPath: node.link,
    mode: modeOf(node, style.mode),
    uid: style.owner.uid,
    gid: style.owner.gid,
    mtime: clamp(node.mtime, style.epoch),
    size: node.size,
    major: node.major,
    minor: node.minor,
    xattrs: node.xattrs,
    ...(node.kind === 'file' && node.size > 0 ? { body: context.content(node) } : {}),
  }));
}

function modeOf(node: ContextNode, mode: number | undefined): number {
  return node.kind === 'symlink' ? 0o777 : (mode ?? node.mode);
}

/** Opens each file when its turn comes, not all at once. */
export async function* contextArchive(
  context: Context,
  parents: readonly EncodeItem[],
  placed: readonly Placed[],
  style: LayerStyle,
): AsyncGenerator<Uint8Array, void, undefined> {
  function* items(): Generator<EncodeItem> {
    yield* parents;
    for (const one of placed) yield* contextItems(context, [one], style);
  }
  yield* encodeTar(items());
}

/** ADD of an archive: its own entries, below the target, with their owners. */
export async function* unpackedItems(
  bytes: AsyncIterable<Uint8Array>,
  base: string,
  epoch: bigint | undefined,
): AsyncGenerator<EncodeItem, void, undefined> {
  for await (const entry of decodeTar(decompress(bytes))) {
    const { kind } = entry;
    if (kind === 'other') continue;
    const path = inside(base, entry.path);
    if (path === undefined) continue;
    yield {
      kind,
      path,
      linkPath: kind === 'link' ? (inside(base, entry.linkPath) ?? '') : entry.linkPath,
      mode: entry.mode,
      uid: entry.uid,
      gid: entry.gid,
      mtime: clamp(entry.mtime, epoch),
      size: entry.size,
      major: entry.major,
      minor: entry.minor,
      xattrs: new Map(entry.xattrs),
      ...(kind === 'file' ? { body: plain(entry.body) } : {}),
    };
  }
}

/** undefined for the archive's own root; an entry that climbs out is refused. */
function inside(base: string, path: string): string | undefined {
  const clean = posix.normalize(`/${path}`).replace(/^\/+|\/+$/g, '');
  if (path.split('/').includes('..') && posix.normalize(path).startsWith('..')) {
    throw new EngineError('invalid_argument', `ADD failed: ${JSON.stringify(path)} leads outside`);
  }
  if (clean === '') return undefined;
  return base === '' ? clean : `${base}/${clean}`;
}

const ZEROS = Buffer.alloc(64 * 1024);

async function* plain(
  body: AsyncIterable<Uint8Array | { readonly hole: number }>,
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

/**
 * COPY --from: files of another image, as they are there. `source` must exist; a directory gives
 * what is in it.
 */
export async function* imageArchive(
  visit: Visit,
  source: string,
  target: string,
  facts: TargetFacts,
  options: {
    readonly style: LayerStyle;
    readonly exclude: readonly string[];
    readonly place: Place;
  },
): AsyncGenerator<Uint8Array, void, undefined> {
  const { style, exclude, place } = options;
  const at = posix.resolve('/', source);
  let kind: 'dir' | 'file';
  let name: string;
  let directory: string;
  try {
    const found = await visit.stat(toBinary(at), '');
    [kind, directory, name] = ['dir', found.path, ''];
  } catch {
    try {
      const found = await visit.stat(toBinary(posix.dirname(at)), toBinary(posix.basename(at)));
      const real = found.target === '' ? found.path : found.target;
      [kind, directory, name] = ['file', posix.dirname(real), posix.basename(real)];
    } catch (error) {
      if (!isEngineError(error, 'kernel_refused')) throw error;
      throw failed(place, `stat ${at}: file does not exist`);
    }
  }
  const intoDirectory = target.endsWith('/') || (facts.missing.length === 0 && !facts.isFile);
  if (facts.isFile && (kind === 'dir' || intoDirectory)) {
    throw failed(place, `cannot copy to non-directory: ${target}`);
  }
  const base = [...facts.existing.split('/'), ...facts.missing.map(toBinary)]
    .filter((part) => part !== '')
    .join('/');
  const ownName = toBinary(posix.basename(at));
  const root = kind === 'file' && intoDirectory ? `${base}/${ownName}`.replace(/^\//, '') : base;
  const headers = headersFor(root, kind, new Ignore(exclude), style);
  const records = visit.walk({ directory: toBinary(directory), name: toBinary(name), data: true });
  const parents = parentNames(kind === 'file' ? posix.dirname(`/${root}`).slice(1) : root, facts);
  for (const parent of parentItems(parents, style)) {
    yield* headerOnly(parent);
  }
  yield* encodeTree(records, headers);
}

function parentNames(path: string, { existing }: TargetFacts): readonly string[] {
  const above = existing
    .split('/')
    .filter((part) => part !== '')
    .join('/');
  const parts = path.split('/').filter((part) => part !== '');
  return parts
    .map((_, index) => parts.slice(0, index + 1).join('/'))
    .filter((parent) => parent !== above && !above.startsWith(`${parent}/`));
}

function* headerOnly(item: EncodeItem): Generator<Uint8Array, void, undefined> {
  yield encodeHeader(item);
}

function headersFor(
  root: string,
  kind: 'dir' | 'file',
  ignore: Ignore,
  { owner, mode, epoch }: LayerStyle,
): HeaderOf {
  const nameOf = (path: string): string | undefined => {
    if (path === '') return kind === 'dir' ? undefined : root;
    if (ignore.excludes(toText(path))) return undefined;
    return root === '' ? path : `${root}/${path}`;
  };
  return (entry) => {
    const path = nameOf(entry.path);
    if (path === undefined) return [];
    const header = headerOf(entry, path, nameOf, SAME_IDS);
    const type = header.mode & S_IFMT;
    const isLink = header.kind === 'symlink';
    return [
      {
        ...header,
        mode: type === S_IFDIR || isLink || mode === undefined ? header.mode : type | mode,
        uid: owner.uid,
        gid: owner.gid,
        mtime: clamp(header.mtime ?? 0n, epoch),
      },
    ];
  };
}
