// How many bytes a directory may hold, and who counts them. The file system does where it has
// project quotas; else the directory is one of a file system of its own that lies in a sparse file.
import { parseSize } from '#base/bytes.ts';
import { EngineError } from '#base/error.ts';

export type Limit =
  /** A project of the file system (quotactl_fd(2)); its number is nobody else's. */
  | { readonly kind: 'quota'; readonly project: number; readonly bytes: number }
  /** ext4 in the file DISK beside the directory. */
  | { readonly kind: 'disk'; readonly bytes: number };

export const DISK = 'disk.img';

/** A first file and a few inodes; in less there is an ext4 that nothing fits into. */
const LIMIT_BYTES_MIN = 4 * 1024 * 1024;
/** ext4 with blocks of 4096 bytes. */
const LIMIT_BYTES_MAX = 16 * 1024 ** 4;
const BLOCK_BYTES = 4096;

/** "1g" → bytes, in whole blocks of a file system. */
export function parseLimit(text: string): number {
  return checkLimit(parseSize(text), text);
}

export function checkLimit(bytes: number, text = String(bytes)): number {
  if (bytes >= LIMIT_BYTES_MIN && bytes <= LIMIT_BYTES_MAX) {
    return Math.floor(bytes / BLOCK_BYTES) * BLOCK_BYTES;
  }
  throw new EngineError('invalid_argument', `invalid size: '${text}': it is from 4m to 16t`);
}

/** From a record; throws `corrupt`. */
export function decodeLimit(raw: unknown): Limit | undefined {
  if (raw === undefined || raw === null) return undefined;
  const { kind, project, bytes } = raw as Record<string, unknown>;
  if (typeof bytes !== 'number' || !Number.isSafeInteger(bytes)) {
    throw new EngineError('corrupt', 'the limit of the record has no bytes');
  }
  if (kind === 'disk') return { kind, bytes };
  if (kind === 'quota' && typeof project === 'number') return { kind, project, bytes };
  throw new EngineError('corrupt', `unknown kind ${String(kind)} of the limit in the record`);
}

/** The space of a file system cannot be taken from under the files in it while they are used. */
export function checkGrowth(what: string, from: number, to: number): void {
  if (to >= from) return;
  throw new EngineError(
    'invalid_argument',
    `cannot shrink ${what} from ${from} to ${to} bytes: a file system in use only grows; ` +
      'make a smaller one and copy into it',
  );
}
