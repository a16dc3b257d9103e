// pids.current and pids.max: the same in both versions.
import { parseLimit } from './keyed.ts';

export type PidsUsage = {
  readonly version: 1 | 2;
  readonly current: number;
  /** undefined = none. */
  readonly limit: number | undefined;
};

export function parsePids(version: 1 | 2, current: string, max: string): PidsUsage {
  return { version, current: Number(current), limit: parseLimit(max) };
}
