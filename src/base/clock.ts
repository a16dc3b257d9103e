// Times as Docker writes them: RFC 3339 with up to nine fractional digits, trailing zeros dropped,
// always UTC ("2026-01-02T03:04:05.6Z"). Inside the engine a moment is nanoseconds since 1970 as
// bigint; a JavaScript Date would lose six digits.

export type Nanoseconds = bigint;

/** Go's zero time, which Docker writes for "never". */
export const ZERO_TIME = '0001-01-01T00:00:00Z';

const start = BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint();

/** Now, in nanoseconds since 1970. Follows the wall clock at a resolution finer than Date's. */
export function now(): Nanoseconds {
  const fine = start + process.hrtime.bigint();
  const wall = BigInt(Date.now()) * 1_000_000n;
  const drift = fine - wall;
  // A stepped clock shows as drift; then the wall clock is the truth, at its own resolution.
  return drift > 50_000_000n || drift < -50_000_000n ? wall : fine;
}

/** The ends of the years that RFC 3339 can write; files may say they are of any time. */
const TIME_MIN = -62_167_219_200_000_000_000n;
const TIME_MAX = 253_402_300_799_999_999_999n;

/** RFC 3339 with nanoseconds, Go's `time.RFC3339Nano`. */
export function formatTime(moment: Nanoseconds): string {
  const ns = moment < TIME_MIN ? TIME_MIN : moment > TIME_MAX ? TIME_MAX : moment;
  const rest = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const seconds = (ns - rest) / 1_000_000_000n;
  const fraction = String(rest).padStart(9, '0').replace(/0+$/, '');
  const base = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return fraction === '' ? `${base}Z` : `${base}.${fraction}Z`;
}

/** Parses RFC 3339 (any offset, up to nine fractional digits); undefined if it is not. */
export function parseTime(text: string): Nanoseconds | undefined {
  const match = /^(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?\d*([Zz]|[+-]\d\d:\d\d)$/.exec(
    text,
  );
  if (match === null) return undefined;
  const ms = Date.parse(`${match[1]}${match[3]}`);
  if (Number.isNaN(ms)) return undefined;
  return BigInt(ms) * 1_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
}

/** Parses "1136073600" or "1136073600.000000001" (the API's since and until). */
export function parseUnixTime(text: string): Nanoseconds | undefined {
  const match = /^(-?\d{1,12})(?:\.(\d{1,9}))?$/.exec(text);
  if (match === null) return undefined;
  return BigInt(match[1] ?? '0') * 1_000_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
}

const UNITS_NS: Readonly<Record<string, number>> = {
  h: 3_600e9,
  m: 60e9,
  s: 1e9,
  ms: 1e6,
  us: 1e3,
  ns: 1,
};

/** An `until`: seconds since 1970, RFC 3339, or how long ago as Go writes it ("1h30m"). */
export function parseMoment(text: string, from: Nanoseconds = now()): Nanoseconds | undefined {
  const known = parseUnixTime(text) ?? parseTime(text);
  if (known !== undefined) return known;
  if (!/^(?:\d{1,12}(?:\.\d{1,9})?(?:h|m|s|ms|us|ns))+$/.test(text)) return undefined;
  let ago = 0;
  for (const [, count, unit = ''] of text.matchAll(/([\d.]+)([a-z]+)/g)) {
    ago += Number(count) * (UNITS_NS[unit] ?? 0);
  }
  return from - BigInt(Math.round(ago));
}
