// --net-rate and --net-burst: bandwidths as tc(8) writes them, for both directions or for one.
import { parseBurst, parseRate } from '#base/net-rate.ts';
import type { NetLimit, NetRate } from '#wire/container-config.ts';
import { type FlagKind, invalid } from '../flag-kind.ts';
import type { Flags } from '../flags.ts';

/** What was said of each direction; null = "none". */
type Both<T> = { readonly in?: T | null; readonly out?: T | null };

const DIRECTIONS = ['in', 'out'] as const;

/** Later words win: `10mbit,out:none` is 10mbit inwards. */
function directed<T>(word: string, parse: (text: string) => T): FlagKind<Both<T>> {
  return {
    word,
    parse(text, before) {
      let made: Both<T> = before ?? {};
      for (const part of text.split(',')) {
        const [, direction, value = ''] = /^(?:(in|out):)?(.*)$/.exec(part.trim()) ?? [];
        const parsed = value === 'none' ? null : parse(value);
        made =
          direction === undefined ? { in: parsed, out: parsed } : { ...made, [direction]: parsed };
      }
      return made;
    },
  };
}

export const netRateKind = directed('rate', parseRate);
export const netBurstKind = directed('size', parseBurst);

/**
 * The NetRate of a body, undefined when there is none to send. `none` takes a limit away in an
 * update; a new container has none to take away.
 */
export function planNetRate(flags: Flags, verb: 'create' | 'update'): NetRate | undefined {
  const rates: Both<number> = flags.map('net-rate');
  const bursts: Both<number> = flags.map('net-burst');
  const bounded = DIRECTIONS.filter((direction) => typeof bursts[direction] === 'number');
  if (bounded.length > 0 && bounded.every((direction) => typeof rates[direction] !== 'number')) {
    throw invalid('--net-burst needs a --net-rate of the same direction to go with it');
  }
  const made: { In?: NetLimit | null; Out?: NetLimit | null } = {};
  for (const direction of DIRECTIONS) {
    const { [direction]: rate } = rates;
    const { [direction]: burst } = bursts;
    const key = direction === 'in' ? 'In' : 'Out';
    if (rate === null && verb === 'update') made[key] = null;
    if (typeof rate !== 'number') continue;
    const limit = { BitsPerSecond: rate };
    made[key] = typeof burst === 'number' ? { ...limit, BurstBytes: burst } : limit;
  }
  return Object.keys(made).length === 0 ? undefined : made;
}
