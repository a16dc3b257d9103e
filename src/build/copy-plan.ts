// COPY and ADD, the deciding part: which files of a context go where. Rules and texts are those of
// Docker's builder (Dockerfile reference, COPY).
import { posix } from 'node:path';
import type { EngineError } from '#base/error.ts';
import { Ignore } from '#base/ignore.ts';
import { PathPattern } from '#base/path-pattern.ts';
import { toBinary, toText } from '#tar/binary-path.ts';
import type { Context, ContextNode, Found } from './context.ts';
import { failure, type Place } from './dockerfile/fault.ts';
import { basePath, type TargetFacts } from './target.ts';

/** A file at a place in the image, absolute without the first slash; binary strings. */
export type Placed = {
  readonly path: string;
  readonly node: ContextNode;
  /** Where its content is. */
  readonly context: Context;
  /** Which of the sources it comes from: hard links stay links within one. */
  readonly source: number;
};

/** Something that is copied; `kept` is what --parents keeps of its path. */
export type Source = Found & { readonly kept: string; readonly context: Context };

export type CopyOptions = {
  /** "COPY" or "ADD", for the texts of errors. */
  readonly verb: string;
  readonly exclude: readonly string[];
  /** Keep the directories of the sources. */
  readonly parents: boolean;
  readonly place: Place;
};

export function failed({ verb, place }: CopyOptions, why: string): EngineError {
  return failure(place, `${verb} failed: ${why}`);
}

/** Without what is before "/./", which --parents does not keep. */
export function splitPivot(pattern: string): { readonly clean: string; readonly skip: number } {
  const clean = cleanPath(pattern);
  const at = pattern.indexOf('/./');
  if (at < 0) return { clean, skip: 0 };
  const before = cleanPath(pattern.slice(0, at));
  return { clean, skip: before === '' ? 0 : before.length + 1 };
}

function cleanPath(path: string): string {
  return posix.normalize(`/${path}`).replace(/^\/+|\/+$/g, '');
}

export function hasWildcard(path: string): boolean {
  return /[*?[\\]/.test(path);
}

/** The sources that a COPY names, each with its own place in the context. */
export function findSources(
  context: Context,
  patterns: readonly string[],
  options: CopyOptions,
): readonly Source[] {
  return patterns.flatMap((pattern) => findOne(context, pattern, options));
}

function findOne(context: Context, pattern: string, options: CopyOptions): readonly Source[] {
  const normal = posix.normalize(pattern);
  if (normal === '..' || normal.startsWith('../')) {
    throw failed(options, `forbidden path outside the build context: ${pattern} ()`);
  }
  const { clean, skip } = splitPivot(pattern);
  if (!hasWildcard(clean)) return [follow(context, toBinary(clean), skip, options)];
  const glob = new PathPattern(clean);
  const found: Source[] = [];
  for (const { path } of walk({ path: '', node: context.root })) {
    if (path !== '' && glob.matches(toText(path))) found.push(follow(context, path, skip, options));
  }
  if (found.length === 0) throw failed(options, 'no source files were specified');
  return found;
}

/** A link is copied as what it leads to, by its own name. */
function follow(context: Context, path: string, skip: number, options: CopyOptions): Source {
  const found = context.lookup(path);
  if (found !== undefined) return { path, node: found.node, kept: path.slice(skip), context };
  const why = 'file not found in build context or excluded by .dockerignore';
  throw failed(options, `${why}: stat ${toText(path)}: file does not exist`);
}

export function* walk(from: Found): Generator<Found> {
  yield from;
  const names = [...from.node.children.keys()].sort();
  for (const name of names) {
    const node = from.node.children.get(name);
    if (node === undefined) continue;
    yield* walk({ path: from.path === '' ? name : `${from.path}/${name}`, node });
  }
}

/** What the target is to be: a directory that takes them, or a file. */
export function targetKind(
  sources: readonly { readonly isDirectory: boolean }[],
  target: string,
  facts: TargetFacts,
  options: CopyOptions,
): { readonly into: boolean } {
  if (sources.length > 1 && !target.endsWith('/')) {
    const text = `When using ${options.verb} with more than one source file, the destination must be a directory and end with a /`;
    throw failure(options.place, text);
  }
  const into =
    target.endsWith('/') || options.parents || (facts.missing.length === 0 && !facts.isFile);
  const isBelow = facts.isFile && facts.missing.length > 1;
  if (facts.isFile && (into || isBelow || sources.some(({ isDirectory }) => isDirectory))) {
    throw failed(options, `cannot copy to non-directory: ${target}`);
  }
  return { into };
}

/** Where each file goes; directories before what is in them. */
export function placeSources(
  sources: readonly Source[],
  into: boolean,
  facts: TargetFacts,
  { exclude, parents }: CopyOptions,
): readonly Placed[] {
  const ignore = new Ignore(exclude);
  const base = basePath(facts);
  const placed: Placed[] = [];
  for (const [source, { context, node, path, kept }] of sources.entries()) {
    const name = path.split('/').at(-1) ?? '';
    const isDirectory = node.kind === 'dir';
    const root = parents ? join(base, kept) : isDirectory || !into ? base : join(base, name);
    for (const each of walk({ path: '', node })) {
      const inside = each.path;
      const own = toText(isDirectory ? inside : name);
      if (own !== '' && ignore.excludes(own)) continue;
      // The directory itself is the target, which has its own attributes.
      if (inside === '' && isDirectory && !parents) continue;
      placed.push({ path: join(root, inside), node: each.node, context, source });
    }
  }
  return placed;
}

export function join(...parts: readonly string[]): string {
  return parts
    .flatMap((part) => part.split('/'))
    .filter((part) => part !== '')
    .join('/');
}

/** Directories that a layer must have before these files can be in them, shortest first. */
export function missingParents(
  paths: readonly { readonly path: string; readonly isDirectory: boolean }[],
  facts: TargetFacts,
  alsoTarget: boolean,
): readonly string[] {
  const known = new Set(paths.flatMap(({ path, isDirectory }) => (isDirectory ? [path] : [])));
  const parents = new Set<string>();
  const existing = join(facts.existing);
  const add = (path: string): void => {
    for (let at = path.indexOf('/'); ; at = path.indexOf('/', at + 1)) {
      const parent = at < 0 ? path : path.slice(0, at);
      const isAbove = existing === parent || existing.startsWith(`${parent}/`);
      if (parent !== '' && !isAbove && !known.has(parent)) parents.add(parent);
      if (at < 0) return;
    }
  };
  for (const path of new Set(paths.map((each) => directoryOf(each.path)))) add(path);
  if (alsoTarget) add(basePath(facts));
  return [...parents].toSorted((a, b) => (a < b ? -1 : 1));
}

function directoryOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf('/'), 0));
}
