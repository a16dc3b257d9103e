// memory.*: bytes in use, what they are, how often the limit was met, and who was killed for it.
import { KeyedFile, parseKeyed, parseLimit } from './keyed.ts';

export type MemoryUsage = {
  readonly version: 1 | 2;
  readonly usage: number;
  /** undefined = none. */
  readonly limit: number | undefined;
  /** The most it ever was; only of version 1. */
  readonly maxUsage?: number;
  /** How often the limit was met (v1), or nothing could be reclaimed then (v2). */
  readonly failures: number;
  /** memory.stat, in the kernel's words. */
  readonly stat: Readonly<Record<string, number>>;
  /** memory.events of version 2; of version 1 what oom_control counts. */
  readonly events: Readonly<Record<string, number>>;
};

/** The longest of all files: 40 lines, once a second for each container that is watched. */
const STAT = new KeyedFile();

export function parseMemoryV1(
  stat: string,
  usage: string,
  [limit, maxUsage, failures, oom]: readonly (string | undefined)[],
): MemoryUsage {
  return {
    version: 1,
    usage: Number(usage),
    limit: parseLimit(limit),
    maxUsage: Number(maxUsage ?? 0),
    failures: Number(failures ?? 0),
    stat: STAT.parse(stat),
    events: parseKeyed(oom ?? ''),
  };
}

export function parseMemoryV2(
  stat: string,
  current: string,
  [max, eventsText]: readonly (string | undefined)[],
): MemoryUsage {
  const events = parseKeyed(eventsText ?? '');
  return {
    version: 2,
    usage: Number(current),
    limit: parseLimit(max),
    failures: events['oom'] ?? 0,
    stat: STAT.parse(stat),
    events,
  };
}
