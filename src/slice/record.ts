// The record of a slice, `<data>/slices/cg1:cg2.json`: what the user wished, in the words that the
// user's side has for it. This folder only keeps it and hands it back.
import { EngineError } from '#base/error.ts';

export const RECORD_VERSION = 1;

export type SliceRecord<Wish> = {
  readonly version: typeof RECORD_VERSION;
  readonly path: string;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly wish: Wish;
  /** An update is being carried out: after a crash the next daemon completes it. */
  readonly pending?: Wish;
  /** Its cgroups are being removed: after a crash the next daemon completes that. */
  readonly removing?: true;
};

const SUFFIX = '.json';

/** No name of a slice has a colon. */
export function fileOf(path: string): string {
  return `${path.replaceAll('/', ':')}${SUFFIX}`;
}

/** undefined for files that are no records: what a crash left of one that was being written. */
export function pathOfFile(file: string): string | undefined {
  return file.endsWith(SUFFIX) ? file.slice(0, -SUFFIX.length).replaceAll(':', '/') : undefined;
}

export function decodeRecord<Wish>(
  text: string,
  path: string,
  decodeWish: (raw: object) => Wish,
): SliceRecord<Wish> {
  const raw: unknown = JSON.parse(text);
  if (!isObject(raw)) throw corrupt('it is no object');
  if (raw['version'] !== RECORD_VERSION) {
    throw corrupt(`its version ${String(raw['version'])} is not ${RECORD_VERSION}`);
  }
  if (raw['path'] !== path) throw corrupt('its path is not that of its file');
  const { wish, pending } = raw;
  if (!isObject(wish)) throw corrupt('it has no wish');
  return {
    version: RECORD_VERSION,
    path,
    createdAt: String(raw['createdAt']),
    wish: decodeWish(wish),
    ...(isObject(pending) ? { pending: decodeWish(pending) } : {}),
    ...(raw['removing'] === true ? { removing: true } : {}),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function corrupt(why: string): EngineError {
  return new EngineError('corrupt', `the record cannot be read: ${why}`);
}
