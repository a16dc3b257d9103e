// GET, HEAD and PUT of /containers/{id}/archive: files out of and into a container, in any state.
// Texts are dockerd's (daemon/archive.go).
import { posix } from 'node:path';
import { EngineError, isEngineError } from '#base/error.ts';
import { toBinary, toText } from '#tar/binary-path.ts';
import type { FoundFile, Visit } from '#runtime/visit.ts';
import { type ArchivePath, goMode, isDirectory, isLink, parseArchivePath } from './archive-path.ts';
import { encodeTree, plainHeader } from './archive-tar.ts';
import type { Deps } from './deps.ts';
import { publish } from './event.ts';
import { extractTree } from './extract.ts';
import { type IdShift, idShift } from './id-shift.ts';
import { begin, keepOpen, type OpenVisit, openVisit } from './visit.ts';

export type PathStat = {
  readonly name: string;
  readonly size: number;
  /** As Go's os.FileMode has it. */
  readonly mode: number;
  readonly mtime: bigint;
  readonly linkTarget: string;
};

/** What the engine puts into every container: an archive of "/" has them as empty directories. */
const OWN_MOUNTS = ['/dev', '/proc', '/sys'];
/** As the kernel: more links on one path are a loop (path_resolution(7)). */
const LINKS_MAX = 40;

export async function statArchive(deps: Deps, ref: string, path: string): Promise<PathStat> {
  await using visit = await openVisit(deps, ref);
  const at = parseArchivePath(path);
  return pathStat(visit.files, at, await find(visit, ref, at, path));
}

export type ArchiveAnswer = {
  readonly stat: PathStat;
  readonly chunks: AsyncIterable<Uint8Array>;
};

/** The chunks must be read, or their iterator be ended: the look stays open until then. */
export async function getArchive(deps: Deps, ref: string, path: string): Promise<ArchiveAnswer> {
  await using parts = new AsyncDisposableStack();
  const visit = parts.use(await openVisit(deps, ref));
  const at = parseArchivePath(path);
  const found = await find(visit, ref, at, path);
  const stat = await pathStat(visit.files, at, found);
  const records = visit.files.walk({
    ...binaryOf(at),
    data: true,
    hidden: OWN_MOUNTS,
    base: found.path,
  });
  // What was exchanged since then is told by a status, not by half an answer.
  const first = await begin(records, (error) =>
    lookFailure(visit.reason(error), ref, path, at.whole),
  );
  publish(deps, visit.record, 'archive-path');
  const bytes = encodeTree(first, plainHeader(namesBelow(at.base), idsOf(visit)));
  return { stat, chunks: keepOpen(visit, bytes, parts.move()) };
}

/** What an entry below the start is called. */
function namesBelow(base: string): (rest: string) => string {
  const name = toBinary(base);
  const prefix = name === '/' ? '' : name;
  return (rest) => (rest === '' ? name : `${prefix}/${rest}`);
}

function idsOf({ record }: OpenVisit): IdShift {
  return idShift(record.userns?.mappings);
}

function binaryOf(at: ArchivePath) {
  return { directory: toBinary(at.directory), name: toBinary(at.name) };
}

async function find(
  visit: OpenVisit,
  ref: string,
  at: ArchivePath,
  path: string,
): Promise<FoundFile> {
  const { directory, name } = binaryOf(at);
  try {
    return await visit.files.stat(directory, name);
  } catch (error) {
    throw lookFailure(visit.reason(error), ref, path, at.whole);
  }
}

function lookFailure(error: unknown, ref: string, path: string, whole: string): unknown {
  if (!isEngineError(error, 'kernel_refused')) return error;
  const { errno } = error.facts;
  if (errno === 'ENOENT') {
    const text = `Could not find the file ${path} in container ${ref}`;
    return new EngineError('not_found', text, { cause: error });
  }
  const words: Readonly<Record<string, string>> = {
    ENOTDIR: 'not a directory',
    ELOOP: 'too many levels of symbolic links',
    ENAMETOOLONG: 'file name too long',
  };
  const why = words[String(errno)];
  if (why === undefined) return error;
  return new EngineError('kernel_refused', `lstat ${whole}: ${why}`, { cause: error });
}

async function pathStat(files: Visit, at: ArchivePath, found: FoundFile): Promise<PathStat> {
  return {
    name: at.base,
    size: found.size,
    mode: goMode(found.mode),
    mtime: found.mtime,
    linkTarget: isLink(found.mode) ? toText(await targetOf(files, found)) : '',
  };
}

/** Where a link leads, also when there is nothing: as far as the way exists, links are followed. */
async function targetOf(files: Visit, link: FoundFile): Promise<string> {
  let at = link;
  for (let links = 0; links < LINKS_MAX; links += 1) {
    if (at.target !== '') return at.target;
    const next = posix.resolve(at.path, at.link);
    try {
      at = await files.stat(posix.dirname(next), posix.basename(next));
    } catch {
      return next;
    }
    if (!isLink(at.mode)) return at.path;
  }
  return link.link;
}

export type ExtractWish = {
  readonly noOverwriteDirNonDir: boolean;
  /** The container's user gets all of it. */
  readonly copyUidGid: boolean;
  readonly signal: AbortSignal;
};

/** `body` is a tar archive, plain or compressed; it is read to its end. */
export async function putArchive(
  deps: Deps,
  ref: string,
  path: string,
  body: AsyncIterable<Uint8Array>,
  wish: ExtractWish,
): Promise<void> {
  await using visit = await openVisit(deps, ref);
  const { whole } = parseArchivePath(path);
  const place = await placeFor(visit, ref, whole, path);
  const { user } = visit.record.merged;
  const owner = wish.copyUidGid && user !== '' ? await visit.files.user(user) : undefined;
  const abort = (): void => visit.cut('the client went away');
  wish.signal.addEventListener('abort', abort, { once: true });
  try {
    wish.signal.throwIfAborted();
    await extractTree(visit, body, {
      directory: place.path,
      strict: wish.noOverwriteDirNonDir,
      owner,
      ids: idsOf(visit),
    });
  } catch (error) {
    throw visit.reason(error);
  } finally {
    wish.signal.removeEventListener('abort', abort);
  }
  publish(deps, visit.record, 'extract-to-dir');
}

/** The directory to unpack in: every link on the way is followed, the last one too. */
async function placeFor(
  visit: OpenVisit,
  ref: string,
  whole: string,
  path: string,
): Promise<FoundFile> {
  let place: FoundFile;
  try {
    place = await visit.files.stat(toBinary(whole), '');
  } catch (error) {
    if (isEngineError(error) && error.facts['errno'] === 'ENOTDIR') {
      const text = 'extraction point is not a directory';
      throw new EngineError('invalid_argument', text, { cause: error });
    }
    throw lookFailure(visit.reason(error), ref, path, whole);
  }
  if (!isDirectory(place.mode)) {
    throw new EngineError('invalid_argument', 'extraction point is not a directory');
  }
  if (!place.readonly) return place;
  const what = place.onRoot ? 'container rootfs' : 'mounted volume';
  throw new EngineError('forbidden', `${what} is marked read-only`);
}
