// What `build` sends: a directory without what its .dockerignore leaves out, with the Dockerfile.
import { lstatSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { errnoOf } from '#base/error.ts';
import { Ignore } from '#base/ignore.ts';
import { type EncodeItem, encodeTar } from '#tar/encode.ts';
import { CliError } from '../command.ts';
import { itemsOf } from '../copy/pack.ts';
import { reasonOf } from '../create/kv-file.ts';

const IGNORE_FILE = '.dockerignore';

export type BuildContext = {
  readonly archive: AsyncIterable<Uint8Array>;
  /** Path of the Dockerfile in the archive. */
  readonly dockerfile: string;
  /** Its text, for error messages; undefined when it is not here. */
  readonly text: string | undefined;
  /** As the user calls it. */
  readonly shown: string;
};

/** `file` is -f, "" = Dockerfile in the directory; "-" reads standard input. */
export function openDirectory(path: string, file: string, stdin: () => Buffer): BuildContext {
  const root = contextRoot(path, 'unable to prepare context');
  const { inside, text, shown } = readDockerfile(root, file, stdin);
  const dockerfile = inside ?? `.dockerfile.${randomName()}`;
  const ignore = readIgnore(root, [`${inside ?? 'Dockerfile'}${IGNORE_FILE}`, IGNORE_FILE]);
  const keep = new Set([dockerfile, IGNORE_FILE, `${dockerfile}${IGNORE_FILE}`]);
  function* items(): Generator<EncodeItem> {
    yield* below(Buffer.from(root), '', ignore, keep);
    if (inside === undefined) {
      const body = Buffer.from(text);
      yield { kind: 'file', path: dockerfile, mode: 0o600, size: body.length, body };
    }
  }
  return { archive: encodeTar(items()), dockerfile, text, shown };
}

/** A context beside the main one, which has no Dockerfile. */
export function openFiles(path: string, name: string): AsyncIterable<Uint8Array> {
  const root = contextRoot(path, `failed to get build context ${name}`);
  const ignore = readIgnore(root, [IGNORE_FILE]);
  return encodeTar(below(Buffer.from(root), '', ignore, new Set([IGNORE_FILE])));
}

/** `failure` is what cannot be done without it. */
function contextRoot(path: string, failure: string): string {
  let why = `context must be a directory: ${resolve(path)}`;
  try {
    const root = realpathSync(path);
    if (statSync(root).isDirectory()) return root;
  } catch (error) {
    const shown = JSON.stringify(path);
    why = `path ${shown}${errnoOf(error) === 'ENOENT' ? ' not found' : `: ${reasonOf(error)}`}`;
  }
  throw new CliError(1, `${failure}: ${why}`);
}

function readDockerfile(root: string, file: string, stdin: () => Buffer) {
  if (file === '-') return { inside: undefined, text: stdin().toString('utf8'), shown: '-' };
  // As docker: beside the context first, then from where the command is run.
  const path = file === '' ? join(root, 'Dockerfile') : resolve(file);
  const found = file !== '' && !isThere(path) ? join(root, file) : path;
  let text: string;
  try {
    text = readFileSync(found, 'utf8');
  } catch (error) {
    // Of two places, the one that the user has most likely meant.
    const why = `unable to evaluate symlinks in Dockerfile path: lstat ${path}: ${reasonOf(error)}`;
    throw new CliError(1, `unable to prepare context: ${why}`, { cause: error });
  }
  const inside = relative(root, realpathSync(found));
  const isInside = inside !== '' && !inside.startsWith('..') && !isAbsolute(inside);
  return { inside: isInside ? inside : undefined, text, shown: file === '' ? 'Dockerfile' : file };
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** By the first of these files that is there. */
function readIgnore(root: string, names: readonly string[]): Ignore {
  for (const name of names) {
    const path = join(root, name);
    if (isThere(path)) return Ignore.parse(readFileSync(path, 'utf8'));
  }
  return new Ignore([]);
}

function* below(
  directory: Buffer,
  prefix: string,
  ignore: Ignore,
  keep: ReadonlySet<string>,
): Generator<EncodeItem> {
  const names = readdirSync(directory, { encoding: 'buffer' }).sort(Buffer.compare);
  for (const name of names) {
    const path = Buffer.concat([directory, Buffer.from('/'), name]);
    const own = prefix === '' ? name.toString('latin1') : `${prefix}/${name.toString('latin1')}`;
    const text = Buffer.from(own, 'latin1').toString('utf8');
    const isDirectory = lstatSync(path).isDirectory();
    const excluded = ignore.excludes(text) && !keep.has(text);
    if (!isDirectory) {
      if (!excluded) yield* itemsOf(path, own);
      continue;
    }
    const holdsKept = [...keep].some((each) => each.startsWith(`${text}/`));
    if (excluded && ignore.excludesAll(text) && !holdsKept) continue;
    if (!excluded) yield* itemsOf(path, own);
    yield* below(path, own, ignore, keep);
  }
}

/** node:crypto is loaded here: at the top it would cost every start of the command line. */
function randomName(): string {
  return process.getBuiltinModule('node:crypto').randomBytes(10).toString('hex');
}
