// An archive in a file that the user names: written beside it and renamed at the end, as docker's
// does, so that one that failed leaves the file that was there.
import { randomBytes } from 'node:crypto';
import { createWriteStream, lstatSync, openSync, rmSync, type Stats, statSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CliError } from './command.ts';
import { reasonOf } from './create/kv-file.ts';

/** 256 KiB pieces: fewer system calls for archives of many megabytes. */
const PIECE_BYTES = 256 * 1024;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Before the request: an archive can take minutes. `failed`: "failed to save image". */
export function checkOutput(path: string, failed: string): void {
  const refuse = (why: string, cause?: unknown): CliError =>
    new CliError(1, `${failed}: ${why}`, { cause });
  const parent = dirname(path);
  let isDirectory: boolean;
  try {
    isDirectory = statSync(parent).isDirectory();
  } catch (error) {
    throw refuse(`invalid output path: stat ${parent}: ${reasonOf(error)}`, error);
  }
  if (!isDirectory) throw refuse(`invalid output path: stat ${parent}: not a directory`);
  const there = lstatSync(path, { throwIfNoEntry: false });
  const kind = there === undefined ? undefined : kindOf(there);
  if (kind !== undefined) throw refuse(`cannot write to a ${kind}`);
}

/** What cannot be replaced by a rename without a loss. */
function kindOf(stats: Stats): string | undefined {
  if (stats.isDirectory()) return 'directory';
  if (stats.isSymbolicLink()) return 'symbolic link directly';
  if (stats.isFIFO()) return 'named pipe (FIFO)';
  if (stats.isSocket()) return 'socket';
  if (stats.isCharacterDevice()) return 'character device file';
  return stats.isBlockDevice() ? 'block device file' : undefined;
}

export async function writeOutput(path: string, body: Readable): Promise<void> {
  const name = `.tmp-${basename(path)}${randomBytes(5).toString('hex')}`;
  const aside = join(dirname(path), name);
  const remove = (): void => rmSync(aside, { force: true });
  const end = (signal: NodeJS.Signals): void => {
    remove();
    forget();
    process.kill(process.pid, signal);
  };
  const forget = (): void => {
    for (const signal of SIGNALS) process.off(signal, end);
  };
  for (const signal of SIGNALS) process.on(signal, end);
  try {
    // On the disk before it takes the other's place.
    const options = { flush: true, highWaterMark: PIECE_BYTES };
    // Made at once: opened behind us, it could come to be after a signal has removed it.
    const fd = openSync(aside, 'wx', 0o600);
    await pipeline(body, createWriteStream(aside, { ...options, fd }));
    await rename(aside, path);
  } catch (error) {
    remove();
    throw error;
  } finally {
    forget();
  }
}
