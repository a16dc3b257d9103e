// COPY and ADD, the deciding part: which files of a context go where. Rules and texts are those of
// Docker's builder (Dockerfile reference, COPY).
import { posix } from 'node:path';
import { EngineError } from '#base/error.ts';
import { toBinary, toText } from '#tar/binary-path.ts';
import type { Context, ContextNode, Found } from './context.ts';
import { fault, type Place } from './dockerfile/fault.ts';
import { Ignore } from '#base/ignore.ts';
import { PathPattern } from '#base/path-pattern.ts';

/** What there is at a target in the image so far. */
export type TargetFacts = {
  /** The deepest directory on the way that exists, links followed; "/" for the root. */
  readonly existing: string;
  /** Names below it that do not exist. */
  readonly missing: readonly string[];
  /** The target itself exists, and is something else than a directory. */
  readonly isFile: boolean;
};

/** A file at a place in the image, absolute without the first slash; binary strings. */
export type Placed = { readonly path: string; readonly node: ContextNode };

export type CopyOptions = {
  readonly exclude: readonly string[];
  /** Keep the directories of the sources. */
  readonly parents: boolean;
};

/** The sources that a COPY names, each with its own place in the context. */
export function findSources(
  context: Context,
  patterns: readonly string[],
  place: Place,
): readonly Found[] {
  return patterns.flatMap((pattern) => findOne(context, pattern, place));
}

function findOne(context: Context, pattern: string, place: Place): readonly Found[] {
  const clean = posix.normalize(`/${pattern}`).replace(/^\/+|\/+$/g, '');
  if (posix.normalize(pattern).startsWith('../') || posix.normalize(pattern) === '..') {
    throw failed(place, `forbidden path outside the build context: ${pattern}`);
  }
  if (!/[*?[\\]/.test(clean)) {
    const found = context.lookup(toBinary(clean));
    if (found === undefined) {
      const why = 'file not found in build context or excluded by .dockerignore';
      throw failed(place, `${why}: stat ${clean}: file does not exist`);
    }
    // A link is copied as what it leads to, by its own name.
    return [{ path: toBinary(clean), node: found.node }];
  }
  const matcher = new PathPattern(clean);
  const found: Found[] = [];
  for (const each of walk({ path: '', node: context.root })) {
    if (each.path !== '' && matcher.matches(toText(each.path))) {
      found.push({ path: each.path, node: context.lookup(each.path)?.node ?? each.node });
    }
  }
  if (found.length === 0) throw failed(place, 'no source files were specified');
  return found.toSorted((a, b) => (a.path < b.path ? -1 : 1));
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

/** Where each file goes; directories before what is in them. */
export function placeSources(
  sources: readonly Found[],
  target: string,
  facts: TargetFacts,
  options: CopyOptions,
  place: Place,
): readonly Placed[] {
  const ignore = new Ignore(options.exclude);
  const intoDirectory =
    target.endsWith('/') ||
    target.endsWith('/.') ||
    sources.length > 1 ||
    options.parents ||
    (facts.missing.length === 0 && !facts.isFile);
  const needsDirectory = intoDirectory || sources.some(({ node }) => node.kind === 'dir');
  if (facts.isFile && needsDirectory) {
    throw failed(place, `cannot copy to non-directory: ${target}`);
  }
  const base = join(facts.existing, ...facts.missing.map(toBinary));
  const placed: Placed[] = [];
  for (const source of sources) {
    const name = source.path.split('/').at(-1) ?? '';
    const root = options.parents
      ? join(base, source.path)
      : source.node.kind === 'dir' || !intoDirectory
        ? base
        : join(base, name);
    for (const each of walk({ path: '', node: source.node })) {
      const inside = each.path;
      const own = toText(source.node.kind === 'dir' ? inside : name);
      if (own !== '' && ignore.excludes(own)) continue;
      // The directory itself is the target, which has its own attributes.
      if (inside === '' && each.node.kind === 'dir' && !options.parents) continue;
      placed.push({ path: join(root, inside), node: each.node });
    }
  }
  return placed;
}

function join(...parts: readonly string[]): string {
  return parts
    .flatMap((part) => part.split('/'))
    .filter((part) => part !== '')
    .join('/');
}

/** Directories that a layer must have before these files can be in them, shortest first. */
export function missingParents(
  placed: readonly Placed[],
  facts: TargetFacts,
  alsoTarget: boolean,
): readonly string[] {
  const known = new Set(placed.filter(({ node }) => node.kind === 'dir').map(({ path }) => path));
  const parents = new Set<string>();
  const existing = join(facts.existing);
  const add = (path: string): void => {
    const parts = path.split('/');
    for (let length = 1; length <= parts.length; length += 1) {
      const parent = parts.slice(0, length).join('/');
      const isAbove = existing === parent || existing.startsWith(`${parent}/`);
      if (parent !== '' && !isAbove && !known.has(parent)) parents.add(parent);
    }
  };
  for (const { path } of placed) add(path.split('/').slice(0, -1).join('/'));
  if (alsoTarget) add(join(facts.existing, ...facts.missing.map(toBinary)));
  return [...parents].toSorted((a, b) => (a < b ? -1 : 1));
}

export function failed(place: Place, why: string): EngineError {
  return new EngineError('invalid_argument', `COPY failed: ${why}`, {
    facts: { line: place.start, endLine: place.end },
  });
}

export type Owner = { readonly uid: number; readonly gid: number };

/** --chmod: octal alone, as Docker's builder had it for long. */
export function parseMode(text: string, place: Place): number | undefined {
  if (text === '') return undefined;
  if (/^0?[0-7]{3,4}$/.test(text)) return Number.parseInt(text, 8);
  throw fault(place, `invalid chmod parameter: '${text}': it should be octal, as 0755`);
}
