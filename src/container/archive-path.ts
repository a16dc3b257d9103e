// How a path of the archive endpoints is read: as moby's container.ResolvePath() and
// pkg/archive.PreserveTrailingDotOrSeparator() do. Pure; what is on disk is asked of the C program.
import { posix } from 'node:path';

export type ArchivePath = {
  /** Absolute and clean, but for "/" or "/." at the end, which say something. */
  readonly whole: string;
  /** What is before the last slash: every link in it is followed. */
  readonly directory: string;
  /** The last component: "" or "." for the directory itself; a link is not followed. */
  readonly name: string;
  /** What an archive of it calls it: "/" for the root. */
  readonly base: string;
};

export function parseArchivePath(path: string): ArchivePath {
  const clean = posix.normalize(`/${path}`).replace(/(?<=.)\/+$/, '');
  const dot = baseOf(path) === '.';
  const slash = /\/$/.test(path);
  const slashed = clean === '/' ? '/' : `${clean}/`;
  const whole = dot ? `${slashed}.${slash ? '/' : ''}` : slash ? slashed : clean;
  const at = whole.lastIndexOf('/') + 1;
  return { whole, directory: whole.slice(0, at), name: whole.slice(at), base: baseOf(whole) };
}

/** Go's filepath.Base(). */
function baseOf(path: string): string {
  if (path === '') return '.';
  const trimmed = path.replace(/\/+$/, '');
  return trimmed === '' ? '/' : trimmed.slice(trimmed.lastIndexOf('/') + 1);
}

/** The parts of a name in an archive that is unpacked; undefined for one that climbs out. */
export function partsOf(name: string): readonly string[] | undefined {
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.length > 0) parts.pop();
    // "/.." is "/", as everywhere.
    else if (!name.startsWith('/')) return undefined;
  }
  return parts;
}

const S_IFMT = 0o170000;
const KINDS: ReadonlyMap<number, number> = new Map([
  [0o040000, 2 ** 31], // ModeDir
  [0o120000, 2 ** 27], // ModeSymlink
  [0o060000, 2 ** 26], // ModeDevice
  [0o020000, 2 ** 26 + 2 ** 21], // ModeDevice | ModeCharDevice
  [0o010000, 2 ** 25], // ModeNamedPipe
  [0o140000, 2 ** 24], // ModeSocket
]);

/** st_mode as Go's os.FileMode, which is what clients get. */
export function goMode(mode: number): number {
  const special =
    ((mode & 0o4000) !== 0 ? 2 ** 23 : 0) +
    ((mode & 0o2000) !== 0 ? 2 ** 22 : 0) +
    ((mode & 0o1000) !== 0 ? 2 ** 20 : 0);
  return (KINDS.get(mode & S_IFMT) ?? 0) + special + (mode & 0o777);
}

export function isDirectory(mode: number): boolean {
  return (mode & S_IFMT) === 0o040000;
}

export function isLink(mode: number): boolean {
  return (mode & S_IFMT) === 0o120000;
}

export function isFile(mode: number): boolean {
  return (mode & S_IFMT) === 0o100000;
}
