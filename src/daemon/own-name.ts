// What the kernel keeps for a daemon by name: each with another data root has names of its own, so
// that none takes for its leftovers what another one uses.
import { createHash } from 'node:crypto';

export const DATA_ROOT = '/var/lib/coracle';

/** The name of a table with it has 15 letters at most (parseTableName()). */
const TAG_DIGITS = 6;

/** undefined for the usual data root, whose names are plain. */
export function tagOf(dataRoot: string): string | undefined {
  if (dataRoot === DATA_ROOT) return undefined;
  return createHash('sha256').update(dataRoot).digest('hex').slice(0, TAG_DIGITS);
}

export function withOwnTag(name: string, dataRoot: string): string {
  const tag = tagOf(dataRoot);
  return tag === undefined ? name : `${name}_${tag}`;
}
