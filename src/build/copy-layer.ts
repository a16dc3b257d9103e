// COPY and ADD, the acting part: the entries of the layer's archive, made from the context's bytes
// or from another archive, so that the same input gives the same layer.
import { posix } from 'node:path';
import { EngineError } from '#base/error.ts';
import { toText } from '#tar/binary-path.ts';
import { decompress } from '#tar/compression.ts';
import { decodeTar } from '#tar/decode.ts';
import type { EncodeItem } from '#tar/encode.ts';
import type { ModeChange } from './chmod.ts';
import type { ContextNode } from './context.ts';
import { expandHoles, speakableXattrs } from './context.ts';
import { join, type Placed } from './copy-plan.ts';
import type { Owner } from './owner.ts';
import type { LinkedDirectories } from './target.ts';

const PARENT_MODE = 0o755;
const WHITEOUT = '.wh.';

export type LayerStyle = {
  /** undefined: as they are. */
  readonly owner: Owner | undefined;
  readonly mode: ModeChange | undefined;
  /** No file is younger; undefined = as they are. */
  readonly epoch: bigint | undefined;
  /** Of directories that nobody has named. */
  readonly moment: bigint;
};

export function clamp(mtime: bigint, epoch: bigint | undefined): bigint {
  return epoch !== undefined && mtime > epoch ? epoch : mtime;
}

export function parentItems(
  parents: readonly string[],
  { owner, moment }: { readonly owner: Owner; readonly moment: bigint },
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

/** Opens each file when its turn comes, not all at once. */
export async function* contextItems(
  placed: readonly Placed[],
  style: LayerStyle,
  links: LinkedDirectories,
): AsyncGenerator<EncodeItem, void, undefined> {
  /** Of files that have several names: where their content is, and the first name. */
  const first = new Map<string, string>();
  for (const { path: wanted, context, node, source } of placed) {
    const path = await resolveEntry(links, wanted, node.kind === 'dir');
    if (path === undefined) continue;
    const content = node.kind === 'file' && node.size > 0;
    const known = `${source} ${node.offset}`;
    const before = content ? first.get(known) : undefined;
    if (content && before === undefined) first.set(known, path);
    yield {
      ...attributesOf(node, style),
      kind: before === undefined ? node.kind : 'link',
      path,
      linkPath: before ?? node.link,
      ...(content && before === undefined
        ? { size: node.size, body: context.content(node) }
        : { size: 0 }),
    };
  }
}

function attributesOf(node: ContextNode, { owner, mode, epoch }: LayerStyle) {
  const own = node.kind === 'symlink' ? 0o777 : node.mode;
  return {
    mode: node.kind === 'symlink' ? own : (mode?.(own, node.kind === 'dir') ?? own),
    uid: owner?.uid ?? 0,
    gid: owner?.gid ?? 0,
    mtime: clamp(node.mtime, epoch),
    major: node.major,
    minor: node.minor,
    xattrs: node.xattrs,
  };
}

/** ADD of an archive: its own entries, below the target, with their owners. */
export async function* unpackedItems(
  bytes: AsyncIterable<Uint8Array>,
  base: string,
  epoch: bigint | undefined,
  links: LinkedDirectories,
): AsyncGenerator<EncodeItem, void, undefined> {
  for await (const entry of decodeTar(decompress(bytes))) {
    const { kind } = entry;
    if (kind === 'other') continue;
    const wanted = inside(base, entry.path);
    if (wanted === undefined) continue;
    const path = await resolveEntry(links, wanted, kind === 'dir');
    if (path === undefined) continue;
    const target = kind === 'link' ? inside(base, entry.linkPath) : undefined;
    yield {
      kind,
      path,
      linkPath:
        target === undefined
          ? entry.linkPath
          : ((await resolveEntry(links, target, false)) ?? target),
      mode: entry.mode,
      uid: entry.uid,
      gid: entry.gid,
      mtime: clamp(entry.mtime, epoch),
      size: entry.size,
      major: entry.major,
      minor: entry.minor,
      xattrs: speakableXattrs(entry.xattrs),
      ...(kind === 'file' ? { body: expandHoles(entry.body) } : {}),
    };
  }
}

/** undefined: a directory that the image has by a link; it is left as it is. */
async function resolveEntry(
  links: LinkedDirectories,
  wanted: string,
  isDirectory: boolean,
): Promise<string | undefined> {
  if (wanted.split('/').some((name) => name.startsWith(WHITEOUT))) {
    const text = `${JSON.stringify(`/${toText(wanted)}`)} cannot be in a layer: names that begin with "${WHITEOUT}" say there that a file is gone`;
    throw new EngineError('invalid_argument', text);
  }
  if (isDirectory) {
    const path = await links.resolve(wanted);
    return path !== wanted && (await links.exists(wanted)) ? undefined : path;
  }
  const at = wanted.lastIndexOf('/');
  if (at < 0) return wanted;
  return `${await links.resolve(wanted.slice(0, at))}${wanted.slice(at)}`;
}

/** undefined for the archive's own root; an entry that climbs out ends at the root. */
function inside(base: string, path: string): string | undefined {
  const clean = join(posix.normalize(`/${path}`));
  return clean === '' ? undefined : join(base, clean);
}
