// `docker images` and its filters.
import { EngineError } from '#base/error.ts';
import type { Nanoseconds } from '#base/clock.ts';
import type { ImageDeps } from './deps.ts';
import { compileGlob } from './glob.ts';
import type { ImageRecord } from './record.ts';
import { familiarName, familiarReference, type Reference } from '#base/reference.ts';
import { resolveImage } from './resolve.ts';

export type ListOptions = {
  /** Also images that only others are built on. */
  readonly all?: boolean;
  readonly dangling?: boolean | undefined;
  /** Globs over familiar names, with or without tag. */
  readonly references?: readonly string[];
  /** "key" or "key=value"; all must hold. */
  readonly labels?: readonly string[];
  /** Created before, or after, that image. */
  readonly before?: string | undefined;
  readonly since?: string | undefined;
  /** Created before that moment. */
  readonly until?: Nanoseconds | undefined;
};

/** Newest first. With a reference filter, an image shows only the names that match. */
export function listImages(deps: ImageDeps, options: ListOptions): readonly ImageRecord[] {
  const before = boundary(deps, options.before);
  const since = boundary(deps, options.since);
  const names = (options.references ?? []).map(compileReference);
  const result: ImageRecord[] = [];
  for (const image of deps.store.list()) {
    const created = image.created ?? 0n;
    if (before !== undefined && created >= before) continue;
    if (since !== undefined && created <= since) continue;
    if (options.until !== undefined && created > options.until) continue;
    if (!hasLabels(image.config.labels, options.labels ?? [])) continue;
    const dangling = image.repoTags.length === 0 && image.repoDigests.length === 0;
    if (options.dangling !== undefined && options.dangling !== dangling) continue;
    if (dangling && options.all !== true && deps.store.children(image.id).length > 0) continue;
    if (names.length === 0) {
      result.push(image);
      continue;
    }
    const matching = deps.store
      .references(image.id)
      .filter((name) => names.some((matches) => matches(name)));
    const isTag = (name: Reference) => name.digest === undefined;
    const repoTags = matching.filter(isTag).map(familiarReference);
    const repoDigests = matching.filter((name) => !isTag(name)).map(familiarReference);
    if (repoTags.length + repoDigests.length > 0) result.push({ ...image, repoTags, repoDigests });
  }
  return result.sort((a, b) => ((a.created ?? 0n) < (b.created ?? 0n) ? 1 : -1));
}

function boundary(deps: ImageDeps, text: string | undefined): Nanoseconds | undefined {
  return text === undefined ? undefined : (resolveImage(deps, text).created ?? 0n);
}

/** Docker matches the familiar name with and without its tag (reference.FamiliarMatch). */
function compileReference(pattern: string): (name: Reference) => boolean {
  const match = compileGlob(pattern);
  if (match === undefined) throw new EngineError('invalid_argument', 'syntax error in pattern');
  return (name) => match(familiarReference(name)) || match(familiarName(name));
}

/** True if each wanted "key" or "key=value" is there. */
export function hasLabels(
  labels: Readonly<Record<string, string>>,
  wanted: readonly string[],
): boolean {
  return wanted.every((text) => {
    const equals = text.indexOf('=');
    const key = equals < 0 ? text : text.slice(0, equals);
    if (!Object.hasOwn(labels, key)) return false;
    return equals < 0 || labels[key] === text.slice(equals + 1);
  });
}
