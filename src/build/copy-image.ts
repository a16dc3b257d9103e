// COPY --from: files of a stage or an image, as they are there, owners included.
import { posix } from 'node:path';
import { Ignore } from '#base/ignore.ts';
import { PathPattern } from '#base/path-pattern.ts';
import { encodeTree, type HeaderOf, headerOf } from '#container/archive-tar.ts';
import { idShift } from '#container/id-shift.ts';
import type { Visit } from '#runtime/visit.ts';
import { toBinary, toText } from '#tar/binary-path.ts';
import { encodeHeader, TRAILER } from '#tar/encode.ts';
import { clamp, type LayerStyle, parentItems } from './copy-layer.ts';
import {
  type CopyOptions,
  failed,
  hasWildcard,
  join,
  missingParents,
  splitPivot,
} from './copy-plan.ts';
import { ROOT } from './owner.ts';
import { basePath, type LinkedDirectories, type TargetFacts, whatIs } from './target.ts';

const S_IFDIR = 0o040000;
const S_IFMT = 0o170000;
const PERMISSIONS = 0o7777;
const SAME_IDS = idShift(undefined);

export type ImageSource = {
  /** Where it is, links followed; binary. */
  readonly path: string;
  /** By which it was found. */
  readonly name: string;
  readonly isDirectory: boolean;
  /** What --parents keeps. */
  readonly kept: string;
};

export async function findImageSources(
  visit: Visit | undefined,
  patterns: readonly string[],
  options: CopyOptions,
): Promise<readonly ImageSource[]> {
  const found: ImageSource[] = [];
  for (const pattern of patterns) {
    const { clean, skip } = splitPivot(pattern);
    const paths = hasWildcard(clean) ? await glob(visit, clean) : [toBinary(clean)];
    for (const path of paths) {
      const standing = visit === undefined ? undefined : await whatIs(visit, `/${path}`);
      if (standing === undefined) {
        throw failed(options, `stat ${toText(path)}: file does not exist`);
      }
      found.push({ ...standing, name: posix.basename(path), kept: path.slice(skip) });
    }
  }
  if (found.length === 0) throw failed(options, 'no source files were specified');
  return found;
}

/** Looked for below the last directory that has no wildcard. */
async function glob(visit: Visit | undefined, pattern: string): Promise<readonly string[]> {
  const names = pattern.split('/');
  const first = names.findIndex(hasWildcard);
  const above = toBinary(names.slice(0, first).join('/'));
  const start = visit === undefined ? undefined : await whatIs(visit, `/${above}`);
  if (visit === undefined || start?.isDirectory !== true) return [];
  const wanted = new PathPattern(names.slice(first).join('/'));
  const found: string[] = [];
  const wish = { directory: start.path, name: '', data: false };
  for await (const records of visit.walk(wish)) {
    for (const record of records) {
      if (record.kind !== 'entry' || record.path === '') continue;
      if (wanted.matches(toText(record.path))) found.push(join(above, record.path));
    }
  }
  return found.toSorted();
}

export type ImageCopy = {
  readonly sources: readonly ImageSource[];
  readonly into: boolean;
  readonly facts: TargetFacts;
  readonly options: CopyOptions;
  readonly style: LayerStyle;
  readonly links: LinkedDirectories;
};

/** The archive of the layer. */
export async function* imageArchive(
  visit: Visit,
  copy: ImageCopy,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { facts, links, options, sources, style } = copy;
  const ignore = new Ignore(options.exclude);
  const roots = sources.map((source) => ({ source, root: rootOf(copy, source) }));
  const { moment } = style;
  const paths = roots.map(({ source, root }) => ({
    path: source.isDirectory ? join(root, 'x') : root,
    isDirectory: false,
  }));
  const parents = missingParents(paths, facts, false);
  for (const item of parentItems(parents, { owner: style.owner ?? ROOT, moment })) {
    yield encodeHeader(item);
  }
  for (const { source, root } of roots) {
    const renamed: Renamed = source.isDirectory
      ? await linkedBelow(visit, source, root, links)
      : new Map();
    const headers = headersFor(source, root, renamed, ignore, style);
    yield* withoutTrailer(encodeTree(visit.walk({ ...startOf(source), data: true }), headers));
  }
  yield TRAILER;
}

function rootOf({ facts, into, options }: ImageCopy, source: ImageSource): string {
  const base = basePath(facts);
  if (options.parents) return join(base, source.kept);
  return source.isDirectory || !into ? base : join(base, source.name);
}

function startOf({ path, isDirectory }: ImageSource): {
  readonly directory: string;
  readonly name: string;
} {
  if (isDirectory) return { directory: path, name: '' };
  return { directory: posix.dirname(path), name: posix.basename(path) };
}

type Renamed = ReadonlyMap<string, { readonly path: string; readonly exists: boolean }>;

/** Directories that the target has by a link, or below one, by their path below the source. */
async function linkedBelow(
  visit: Visit,
  source: ImageSource,
  root: string,
  links: LinkedDirectories,
): Promise<Renamed> {
  const renamed = new Map<string, { readonly path: string; readonly exists: boolean }>();
  if (!(await links.exists(root))) return renamed;
  for await (const records of visit.walk({ ...startOf(source), data: false })) {
    for (const record of records) {
      if (record.kind !== 'entry' || (record.mode & S_IFMT) !== S_IFDIR) continue;
      const wanted = join(root, record.path);
      const path = await links.resolve(wanted);
      if (path === wanted) continue;
      renamed.set(record.path, { path, exists: await links.exists(wanted) });
    }
  }
  return renamed;
}

function headersFor(
  source: ImageSource,
  root: string,
  renamed: Renamed,
  ignore: Ignore,
  { owner, mode, epoch }: LayerStyle,
): HeaderOf {
  const nameOf = (path: string): string | undefined => {
    // The directory itself is the target, which has its own attributes.
    if (path === '') return source.isDirectory ? undefined : root;
    if (ignore.excludes(toText(path))) return undefined;
    const at = path.lastIndexOf('/');
    const above = renamed.get(path.slice(0, Math.max(at, 0)));
    return above === undefined ? join(root, path) : join(above.path, path.slice(at + 1));
  };
  return (entry) => {
    if (!source.isDirectory && ignore.excludes(toText(source.name))) return [];
    // A directory that the image has is left as it is.
    if (renamed.get(entry.path)?.exists === true) return [];
    const path = nameOf(entry.path);
    if (path === undefined) return [];
    const header = headerOf(entry, path, nameOf, SAME_IDS);
    const type = header.mode & S_IFMT;
    const isLink = header.kind === 'symlink';
    const own = header.mode & PERMISSIONS;
    return [
      {
        ...header,
        mode: isLink || mode === undefined ? header.mode : type | mode(own, type === S_IFDIR),
        ...(owner ?? {}),
        mtime: clamp(header.mtime ?? 0n, epoch),
      },
    ];
  };
}

/** Two zero blocks end an archive: not between two sources. */
async function* withoutTrailer(
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const held: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bytes) {
    held.push(chunk);
    size += chunk.length;
    while (held.length > 0 && size - (held[0]?.length ?? 0) >= TRAILER.length) {
      const first = held.shift();
      if (first === undefined) break;
      size -= first.length;
      yield first;
    }
  }
  const rest = Buffer.concat(held);
  yield rest.subarray(0, rest.length - TRAILER.length);
}
