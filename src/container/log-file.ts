// Reads the json-file logs that monitors write: `<path>`, and after rotation `<path>.1` (younger),
// `<path>.2`, ... Knows lines and files; what a line means is logs.ts' business.
// No line is lost or told twice under rotation: files are followed by inode, never by name.
import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { EngineError, errnoOf } from '#base/error.ts';

const BLOCK_BYTES = 64 * 1024;
/** Monitors split lines at 16 KiB; escaped they may be six times that. More is no line of ours. */
export const LOG_LINE_BYTES_MAX = 1024 * 1024;
/** A rotation of a few files takes microseconds; waiting longer means that its writer is gone. */
const SETTLE_TRIES_MAX = 500;
const SETTLE_MS = 1;
const NEWLINE = 0x0a;

export type FollowUntil = {
  /** True when nothing more will be written. */
  readonly ended: () => boolean;
  /** Wakes when `ended` may have changed, until its answer is called. */
  readonly onEnd: (wake: () => void) => () => void;
  readonly signal: AbortSignal;
};

type OpenFile = { readonly handle: FileHandle; readonly inode: bigint; position: number };

/** Blocks of whole lines, oldest first. `tail`: only the last n lines of what is there now. */
export async function* readLines(
  path: string,
  options: { readonly tail: number | undefined; readonly follow: FollowUntil | undefined },
): AsyncGenerator<readonly Buffer[]> {
  const files = await openAll(path);
  try {
    if (options.tail !== undefined) await seekTail(files, options.tail);
    while (files.length > 1) {
      const [oldest] = files;
      if (oldest === undefined) break;
      yield* readToEnd(oldest);
      await oldest.handle.close();
      files.shift();
    }
    if (options.follow === undefined) {
      if (files[0] !== undefined) yield* readToEnd(files[0]);
    } else yield* follow(path, files, options.follow);
  } finally {
    await Promise.all(files.map((file) => file.handle.close().catch(() => {})));
  }
}

/** All files, the oldest first, as they were at one moment. */
async function openAll(path: string): Promise<OpenFile[]> {
  for (let tries = 0; tries < SETTLE_TRIES_MAX; tries += 1) {
    const inodes = await settled(path);
    const files = await Promise.all(inodes.map((_, index) => openFile(nameOf(path, index))));
    if (files.every((file, index) => file?.inode === inodes[index])) {
      return (files as OpenFile[]).toReversed();
    }
    // Rotated between the look and the opening.
    await Promise.all(files.map((file) => file?.handle.close()));
  }
  throw new EngineError('unavailable', 'the log is rotated faster than it can be opened');
}

/**
 * The inodes of `path`, `path.1`, ... when no rotation is under way. A rotation renames the oldest
 * first, so for a moment there are holes, and a file could be seen twice or not at all: two looks
 * without a hole must agree.
 */
async function settled(path: string): Promise<readonly bigint[]> {
  let before: readonly bigint[] | undefined;
  for (let tries = 0; tries < SETTLE_TRIES_MAX; tries += 1) {
    const inodes = await look(path);
    if (inodes !== undefined && before !== undefined && isDeepStrictEqual(inodes, before)) {
      return inodes;
    }
    if (tries > 0) await sleep(SETTLE_MS);
    before = inodes;
  }
  // The writer died in the middle of a rotation: what can be named is what there is.
  return before ?? [];
}

/** undefined when there is a hole. */
async function look(path: string): Promise<readonly bigint[] | undefined> {
  const base = `${basename(path)}.`;
  const names = await readdir(dirname(path)).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  });
  const rotatedCount = names.filter(
    (name) => name.startsWith(base) && /^\d{1,4}$/.test(name.slice(base.length)),
  ).length;
  const inodes: bigint[] = [];
  for (let index = 0; index <= rotatedCount; index += 1) {
    const inode = await inodeOf(nameOf(path, index));
    if (inode !== undefined) inodes.push(inode);
    else if (index > 0 || rotatedCount > 0) return undefined;
  }
  return inodes;
}

async function openFile(name: string): Promise<OpenFile | undefined> {
  try {
    const handle = await open(name, 'r');
    const { ino } = await handle.stat({ bigint: true });
    return { handle, inode: ino, position: 0 };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function nameOf(path: string, index: number): string {
  return index === 0 ? path : `${path}.${index}`;
}

/** Puts the files' positions so that n lines are left, and drops files that are not needed. */
async function seekTail(files: OpenFile[], lines: number): Promise<void> {
  let left = lines;
  for (let index = files.length - 1; index >= 0; index -= 1) {
    const file = files[index];
    if (file === undefined) continue;
    const found = await seekBack(file, left);
    left -= found;
    if (left > 0) continue;
    for (const older of files.splice(0, index)) await older.handle.close();
    return;
  }
}

/** Reads backwards in blocks until n line ends are behind; answers how many lines there are. */
async function seekBack(file: OpenFile, lines: number): Promise<number> {
  const { size } = await file.handle.stat();
  const block = Buffer.alloc(BLOCK_BYTES);
  let position = size;
  let seen = 0;
  if (lines === 0) {
    // From the end of the last whole line: one that is being written belongs to the future.
    file.position = await lastLineEnd(file, size, block);
    return 0;
  }
  while (position > 0) {
    const start = Math.max(0, position - BLOCK_BYTES);
    const { bytesRead } = await file.handle.read(block, 0, position - start, start);
    for (let at = bytesRead - 1; at >= 0; at -= 1) {
      if (block[at] !== NEWLINE) continue;
      // The end of the line before the first wanted one.
      if (seen === lines) {
        file.position = start + at + 1;
        return lines;
      }
      seen += 1;
    }
    position = start;
  }
  file.position = 0;
  return seen;
}

async function lastLineEnd(file: OpenFile, size: number, block: Buffer): Promise<number> {
  let position = size;
  while (position > 0) {
    const start = Math.max(0, position - BLOCK_BYTES);
    const { bytesRead } = await file.handle.read(block, 0, position - start, start);
    const at = block.lastIndexOf(NEWLINE, bytesRead - 1);
    if (at !== -1) return start + at + 1;
    position = start;
  }
  return 0;
}

/** All whole lines from the position on; a part of a line at the end is left for later. */
async function* readToEnd(file: OpenFile): AsyncGenerator<readonly Buffer[]> {
  let size = BLOCK_BYTES;
  for (;;) {
    const block = Buffer.allocUnsafe(size);
    const { bytesRead } = await file.handle.read(block, 0, size, file.position);
    if (bytesRead === 0) {
      // Somebody has cleared it: what comes now begins at its beginning.
      if ((await file.handle.stat()).size >= file.position) return;
      file.position = 0;
      continue;
    }
    const end = block.lastIndexOf(NEWLINE, bytesRead - 1);
    if (end === -1) {
      if (bytesRead < size) return;
      // Longer than a block: take it in one bite, or step over what is no line of ours.
      if (size >= LOG_LINE_BYTES_MAX) file.position += bytesRead;
      size = Math.min(size * 2, LOG_LINE_BYTES_MAX);
      continue;
    }
    size = BLOCK_BYTES;
    file.position += end + 1;
    yield split(block.subarray(0, end));
  }
}

function split(block: Buffer): readonly Buffer[] {
  const lines: Buffer[] = [];
  let start = 0;
  for (let at = block.indexOf(NEWLINE); at !== -1; at = block.indexOf(NEWLINE, start)) {
    lines.push(block.subarray(start, at));
    start = at + 1;
  }
  lines.push(block.subarray(start));
  return lines;
}

async function* follow(
  path: string,
  files: OpenFile[],
  until: FollowUntil,
): AsyncGenerator<readonly Buffer[]> {
  const bell = new Bell();
  const watcher = watchQuietly(dirname(path), () => bell.ring());
  const forget = until.onEnd(() => bell.ring());
  const leave = (): void => bell.ring();
  until.signal.addEventListener('abort', leave, { once: true });
  try {
    while (!until.signal.aborted) {
      const ended = until.ended();
      const heard = bell.next();
      let [file] = files;
      if (file === undefined) {
        file = await openFile(path);
        if (file !== undefined) files.push(file);
      }
      if (file !== undefined) {
        yield* readToEnd(file);
        if (await rotated(path, file)) {
          // The writer has left this file: what it holds now is all it ever will.
          yield* readToEnd(file);
          if (await replace(path, files, file)) continue;
        }
      }
      if (ended) return;
      await heard;
    }
  } finally {
    until.signal.removeEventListener('abort', leave);
    forget();
    watcher?.close();
  }
}

async function rotated(path: string, file: OpenFile): Promise<boolean> {
  return (await inodeOf(path)) !== file.inode;
}

async function inodeOf(name: string): Promise<bigint | undefined> {
  try {
    return (await stat(name, { bigint: true })).ino;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Opens the file that came after this one; false when there is none. */
async function replace(path: string, files: OpenFile[], file: OpenFile): Promise<boolean> {
  for (let tries = 0; tries < SETTLE_TRIES_MAX; tries += 1) {
    const inodes = await settled(path);
    const index = inodes.indexOf(file.inode);
    // Rotated away altogether: the oldest that is left comes next.
    const wanted = index === -1 ? inodes.length - 1 : index - 1;
    if (wanted < 0) return false;
    const next = await openFile(nameOf(path, wanted));
    if (next !== undefined && next.inode === inodes[wanted]) {
      await file.handle.close();
      files.splice(0, files.length, next);
      return true;
    }
    await next?.handle.close();
  }
  return false;
}

/** Rings between two waits are heard at the second one. */
class Bell {
  #ring: () => void = () => {};
  #next: Promise<void>;

  constructor() {
    this.#next = this.#arm();
  }

  ring(): void {
    this.#ring();
  }

  /** Resolves at the first ring after this call. */
  next(): Promise<void> {
    this.#next = this.#arm();
    return this.#next;
  }

  #arm(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ring = resolve;
    return promise;
  }
}

function watchQuietly(directory: string, wake: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(directory, { persistent: false }, wake);
    // The directory goes with its container; then the end is told by the container.
    watcher.on('error', wake);
    return watcher;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
