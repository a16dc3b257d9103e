// Where `cp` copies from and to: the rules of docker's CLI (moby's pkg/archive/copy.go), so that a
// name is made, kept or refused in the same cases. Local paths are looked at, nothing is changed.
import { lstatSync, readlinkSync, realpathSync, type Stats, statSync } from 'node:fs';
import { posix } from 'node:path';
import { errnoOf } from '#base/error.ts';
import { CliError } from '../command.ts';
import { reasonOf } from '../create/kv-file.ts';

export type Place = { readonly container: string; readonly path: string };

/** One end of a copy. */
export type CopyInfo = {
  readonly path: string;
  readonly exists: boolean;
  readonly isDirectory: boolean;
  /** What the archive's entries are called instead of the source's own name. */
  readonly rebase: string;
};

const LINKS_MAX = 10;

/** "CONTAINER:PATH"; a path that begins with "." or "/" is local. */
export function parsePlace(text: string): Place {
  if (text.startsWith('/')) return { container: '', path: text };
  const colon = text.indexOf(':');
  if (colon < 0 || text.startsWith('.')) return { container: '', path: text };
  return { container: text.slice(0, colon), path: text.slice(colon + 1) };
}

/** Go's filepath.Base(). */
export function baseOf(path: string): string {
  if (path === '') return '.';
  const trimmed = path.replace(/\/+$/, '');
  return trimmed === '' ? '/' : trimmed.slice(trimmed.lastIndexOf('/') + 1);
}

function clean(path: string): string {
  return posix.normalize(path === '' ? '.' : path).replace(/(?<=.)\/+$/, '');
}

const isDot = (path: string): boolean => baseOf(path) === '.';
const isSlashed = (path: string): boolean => path.endsWith('/');

/** What a clean path would lose: the slash or dot at the end, which say "a directory". */
function keepEnd(cleaned: string, original: string): string {
  let path = cleaned;
  if (!isDot(path) && isDot(original)) path = `${isSlashed(path) ? path : `${path}/`}.`;
  return isSlashed(original) && !isSlashed(path) ? `${path}/` : path;
}

export function localPath(path: string): string {
  return keepEnd(posix.resolve(path), path);
}

/** The directory and the entry in it; "x/." is the entry "." of x. */
export function splitEntry(path: string): readonly [directory: string, base: string] {
  const whole = clean(path) + (isDot(path) ? '/.' : '');
  const at = whole.lastIndexOf('/');
  return [clean(at < 0 ? '.' : whole.slice(0, at) || '/'), baseOf(path)];
}

function lstat(path: string): Stats {
  try {
    return lstatSync(path);
  } catch (error) {
    throw new CliError(1, `lstat ${path}: ${reasonOf(error)}`, { cause: error });
  }
}

/** The source of a copy on this side; links before the last slash are followed. */
export function localSource(given: string, follow: boolean): CopyInfo {
  let path: string;
  let rebase = '';
  if (follow) {
    lstat(clean(given));
    [path, rebase] = rebased(given, realpathSync(given));
  } else {
    const at = given.lastIndexOf('/') + 1;
    const directory = given.slice(0, at);
    lstat(clean(directory === '' ? '.' : directory));
    path = posix.join(realpathSync(directory === '' ? '.' : directory), given.slice(at));
    path = keepEnd(path, given.slice(at) === '' ? '' : given);
    if (isSlashed(given) && baseOf(given) !== baseOf(path)) rebase = baseOf(given);
  }
  return { path, exists: true, isDirectory: lstat(path).isDirectory(), rebase };
}

/** A path that a link led elsewhere keeps the name that was asked for. */
export function rebased(path: string, resolved: string): readonly [path: string, rebase: string] {
  const at = keepEnd(resolved, path);
  return [at, baseOf(path) === baseOf(at) ? '' : baseOf(path)];
}

/** Where a copy goes on this side; what is not there yet has its directory at least. */
export function localTarget(given: string): CopyInfo {
  let path = given;
  for (let links = 0; links <= LINKS_MAX; links += 1) {
    const stat = statOrNothing(path);
    if (stat === undefined) {
      const [parent] = splitEntry(path);
      if (!statDirectory(parent)) throw new CliError(1, 'not a directory');
      return { path, exists: false, isDirectory: false, rebase: '' };
    }
    if (!stat.isSymbolicLink()) {
      return { path, exists: true, isDirectory: stat.isDirectory(), rebase: '' };
    }
    path = posix.resolve(splitEntry(path)[0], readlinkSync(path));
  }
  throw new CliError(1, `too many symlinks in ${given}`);
}

function statOrNothing(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw new CliError(1, `lstat ${path}: ${reasonOf(error)}`, { cause: error });
  }
}

function statDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    const text = `invalid output path: directory ${JSON.stringify(path)} does not exist`;
    throw new CliError(1, text, { cause: error });
  }
}

export type Prepared = {
  /** Where the archive is unpacked. */
  readonly directory: string;
  /** Of the entries' names, this beginning becomes that. */
  readonly from: string;
  readonly to: string;
};

/** How an archive of `source` must be unpacked so that `target` comes out of it. */
export function prepare(source: CopyInfo, target: CopyInfo): Prepared {
  const [directory, base] = splitEntry(target.path);
  const from = source.rebase === '' ? splitEntry(source.path)[1] : source.rebase;
  if (target.exists && target.isDirectory) return { directory: target.path, from: '', to: '' };
  if (target.exists && source.isDirectory) throw new CliError(1, 'cannot copy directory');
  if (!target.exists && !source.isDirectory && (isSlashed(target.path) || isDot(target.path))) {
    throw new CliError(1, 'no such directory');
  }
  return { directory, from: from === '/' ? '' : from, to: base };
}

/** One name of an archive, renamed. */
export function rename(name: string, { from, to }: Pick<Prepared, 'from' | 'to'>): string {
  if (to === '') return name;
  const at = name.indexOf(from);
  return at < 0 ? name : name.slice(0, at) + to + name.slice(at + from.length);
}
