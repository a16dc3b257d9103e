// pids.current and pids.max: the same in both versions.
import { parseLimit } from './keyed.ts';

export type PidsUsage = {
  readonly current: number;
  /** undefined = none. */
  readonly limit: number | undefined;
};

export function parsePids(current: string, max: string): PidsUsage {
  return { current: Number(current), limit: parseLimit(max) };
}
