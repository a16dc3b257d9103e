// Files that the user names, with Go's words when they cannot be opened.
import { createReadStream, type ReadStream, statSync } from 'node:fs';
import { once } from 'node:events';
import { CliError } from './command.ts';
import { reasonOf } from './create/kv-file.ts';

/** 256 KiB pieces: fewer system calls for archives of many megabytes. */
const PIECE_BYTES = 256 * 1024;

export async function openInput(path: string): Promise<ReadStream> {
  const stream = createReadStream(path, { highWaterMark: PIECE_BYTES });
  try {
    await once(stream, 'open');
    if (statSync(path).isDirectory()) throw new CliError(1, `read ${path}: is a directory`);
  } catch (error) {
    stream.destroy();
    if (error instanceof CliError) throw error;
    throw new CliError(1, `open ${path}: ${reasonOf(error)}`, { cause: error });
  }
  return stream;
}
