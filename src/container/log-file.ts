// Reads the json-file logs that monitors write: `<path>`, and after rotation `<path>.1` (younger),
// `<path>.2`, ... Knows lines and files; what a line means is logs.ts' business.
// No line is lost or told twice under rotation: files are followed by inode, never by name.
import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from '#base/error.ts';

const BLOCK_BYTES = 64 * 1024;
/** Monitors split lines at 16 KiB; escaped they may be six times that. More is no line of ours. */
export const LOG_LINE_BYTES_MAX = 1024 * 1024;
const LOG_FILES_MAX = 1000;
const NEWLINE = 0x0a;

export type FollowUntil = {
  /** True when nothing more will be written. */
  readonly ended: () => boolean;
  /** Told when `ended` may have changed. */
  readonly onEnd: (wake: () => void) => void;
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

/** Youngest first by name, so that a rotation meanwhile shows a file twice, never not at all. */
async function openAll(path: string): Promise<OpenFile[]> {
  const files: OpenFile[] = [];
  for (let index = 0; index <= LOG_FILES_MAX; index += 1) {
    const file = await openFile(nameOf(path, index));
    if (file === undefined) {
      if (index > 0) break;
      continue;
    }
    if (files.some((known) => known.inode === file.inode)) await file.handle.close();
    else files.unshift(file);
  }
  return files;
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
    if (bytesRead === 0) return;
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
  until.onEnd(() => bell.ring());
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
          await replace(path, files, file);
          continue;
        }
      }
      if (ended) return;
      await heard;
    }
  } finally {
    until.signal.removeEventListener('abort', leave);
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

/** Opens the file that came after this one. */
async function replace(path: string, files: OpenFile[], file: OpenFile): Promise<void> {
  for (;;) {
    const index = await indexOf(path, file.inode);
    // Rotated away altogether: the oldest that is left comes next.
    const next = await openFile(nameOf(path, index === undefined ? await oldest(path) : index - 1));
    if (next !== undefined && (index === undefined || (await indexOf(path, file.inode)) === index)) {
      await file.handle.close();
      files.splice(0, files.length, next);
      return;
    }
    await next?.handle.close();
    // Between rename and create of the writer there is no youngest file; removed logs have none.
    if (next === undefined && (await inodeOf(path)) === undefined) return;
  }
}

async function indexOf(path: string, inode: bigint): Promise<number | undefined> {
  for (let index = 1; index <= LOG_FILES_MAX; index += 1) {
    const found = await inodeOf(nameOf(path, index));
    if (found === undefined) return undefined;
    if (found === inode) return index;
  }
  return undefined;
}

async function oldest(path: string): Promise<number> {
  let index = 0;
  while (index < LOG_FILES_MAX && (await inodeOf(nameOf(path, index + 1))) !== undefined) index += 1;
  return index;
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
