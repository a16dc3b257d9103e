// --env-file and --label-file: one `key=value` a line, `#` comments, no quoting (docker's kvfile).
import { readFileSync } from 'node:fs';
import { isUtf8 } from 'node:buffer';
import { errnoOf, messageOf } from '#base/error.ts';
import { invalid } from '../flag-kind.ts';

/** A file of variables larger than this is a mistake. */
export const FILE_BYTES_MAX = 4 * 1024 * 1024;

/** The lines of the files, then the values of the flags: later ones win in the engine. */
export function readEnv(files: readonly string[], values: readonly string[]): string[] {
  const lines = files.flatMap((file) =>
    readPairs(file).flatMap((line) => {
      if (line.includes('=')) return [line];
      const value = process.env[line];
      return value === undefined ? [] : [`${line}=${value}`];
    }),
  );
  return [...lines, ...values];
}

export function readLabels(
  files: readonly string[],
  values: readonly string[],
): Record<string, string> {
  const labels: Record<string, string> = {};
  // In a file, a line without a value says nothing; docker drops it.
  const lines = files.flatMap(readPairs).filter((line) => line.includes('='));
  for (const pair of [...lines, ...values]) {
    const equals = pair.indexOf('=');
    if (equals < 0) labels[pair] = '';
    else labels[pair.slice(0, equals)] = pair.slice(equals + 1);
  }
  return labels;
}

function readPairs(file: string): string[] {
  const bad = (reason: string): Error => invalid(`invalid env file (${file}): ${reason}`);
  const data = readPairBytes(file, bad);
  const lines = data
    .toString('latin1')
    .replace(/^\xef\xbb\xbf/, '')
    .split('\n');
  const pairs: string[] = [];
  for (const [index, piece] of lines.entries()) {
    const bytes = Buffer.from(piece, 'latin1');
    if (!isUtf8(bytes)) {
      throw bad(`invalid utf8 bytes at line ${index + 1}: [${[...bytes].join(' ')}]`);
    }
    const raw = bytes.toString();
    const line = raw.replace(/\r$/, '').trimStart();
    if (line === '' || line.startsWith('#')) continue;
    const equals = line.indexOf('=');
    const key = equals < 0 ? line : line.slice(0, equals);
    if (key === '') throw bad(`no variable name on line '${line}'`);
    if (/\s/.test(key)) throw bad(`variable '${key}' contains whitespaces`);
    pairs.push(line);
  }
  return pairs;
}

function readPairBytes(file: string, bad: (reason: string) => Error): Buffer {
  try {
    return readBounded(file);
  } catch (error) {
    if (errnoOf(error) !== 'EISDIR') throw invalid(`open ${file}: ${reasonOf(error)}`);
    throw bad(`read ${file}: is a directory`);
  }
}

/** Reads a text file; the error is worded as Go words it. */
export function readText(file: string): string {
  try {
    return readBounded(file).toString();
  } catch (error) {
    throw invalid(`open ${file}: ${reasonOf(error)}`);
  }
}

function readBounded(file: string): Buffer {
  const data = readFileSync(file);
  if (data.length > FILE_BYTES_MAX) throw invalid(`more than ${FILE_BYTES_MAX} bytes`);
  return data;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EISDIR: 'is a directory',
  EEXIST: 'file exists',
  ENOTDIR: 'not a directory',
};

/** The C library's words for an errno, as Go prints them. */
export function reasonOf(error: unknown): string {
  return REASONS[errnoOf(error) ?? ''] ?? messageOf(error);
}
