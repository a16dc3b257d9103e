// Durations and ages: Go's time.ParseDuration and go-units' HumanDuration, whose words ("About a
// minute", "2 weeks") are what users of docker ps know.
import { EngineError } from '#base/error.ts';

const UNIT_NS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** "1h30m", "1.5s", "-2ms" as nanoseconds; throws Go's texts. */
export function parseDuration(text: string): number {
  const bad = new EngineError('invalid_argument', `time: invalid duration ${JSON.stringify(text)}`);
  const sign = text.startsWith('-') ? -1 : 1;
  let rest = text.replace(/^[+-]/, '');
  if (rest === '0') return 0;
  if (rest === '') throw bad;
  let total = 0;
  while (rest !== '') {
    const match = /^(\d+\.?\d*|\.\d+)([^\d.]*)/.exec(rest);
    if (match === null) throw bad;
    const name = match[2] ?? '';
    const unit = UNIT_NS[name];
    if (unit === undefined) {
      const what = name === '' ? 'missing unit' : `unknown unit ${JSON.stringify(name)}`;
      const reason = `time: ${what} in duration ${JSON.stringify(text)}`;
      throw new EngineError('invalid_argument', reason);
    }
    total += Number(match[1]) * unit;
    rest = rest.slice(match[0].length);
  }
  return sign * Math.round(total);
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** go-units HumanDuration. */
export function humanDuration(seconds: number): string {
  const whole = Math.trunc(seconds);
  const minutes = Math.trunc(seconds / MINUTE);
  const hours = Math.floor(seconds / HOUR + 0.5);
  if (whole < 1) return 'Less than a second';
  if (whole === 1) return '1 second';
  if (whole < 60) return `${whole} seconds`;
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.trunc(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.trunc(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`;
  return `${Math.trunc(seconds / DAY / 365)} years`;
}

/** "3 hours ago" for a moment in seconds since 1970. */
export function ago(unixSeconds: number, nowMs = Date.now()): string {
  return `${humanDuration(nowMs / 1000 - unixSeconds)} ago`;
}

const DATE = /^(\d{4}-\d\d-\d\d)(?:T(\d\d(?::\d\d){0,2})(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?$/;

/**
 * The API's since and until: a Unix time goes as it is, a duration counts back from now, a date
 * without a zone is local time (moby's timetypes.GetTimestamp).
 */
export function timestamp(text: string, nowMs = Date.now()): string {
  if (text === '' || /^-?\d+(\.\d+)?$/.test(text)) return text;
  try {
    const ns = BigInt(Math.trunc(nowMs)) * 1_000_000n - BigInt(parseDuration(text));
    return `${ns / 1_000_000_000n}.${String(ns % 1_000_000_000n).padStart(9, '0')}`;
  } catch {
    // Not a duration: a date, then.
  }
  const match = DATE.exec(text);
  const [, day, time = '00', fraction = '', zone = ''] = match ?? [];
  const clock = time.padEnd(8, ':00:00'.slice(-(8 - time.length) || 6));
  const ms = Date.parse(`${day}T${clock}${zone}`);
  if (match === null || Number.isNaN(ms)) {
    const reason = `failed to parse value as time or duration: ${JSON.stringify(text)}`;
    throw new EngineError('invalid_argument', reason);
  }
  return `${Math.floor(ms / 1000)}.${fraction.padEnd(9, '0')}`;
}
