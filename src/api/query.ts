// The query string, read as Docker reads it (moby's httputils): what is a boolean, what is a
// number, and the errors of Go's strconv.
import { EngineError } from '#base/error.ts';
import { parseTime, parseUnixTime } from '#base/clock.ts';

const FALSE = new Set(['', '0', 'no', 'false', 'none']);

export class Query {
  readonly #values: URLSearchParams;
  constructor(text: string) {
    this.#values = new URLSearchParams(text);
  }

  text(name: string): string {
    return this.#values.get(name) ?? '';
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  all(name: string): readonly string[] {
    return this.#values.getAll(name);
  }

  /** Absent = `fallback`. */
  bool(name: string, fallback = false): boolean {
    const value = this.#values.get(name);
    return value === null ? fallback : !FALSE.has(value.trim().toLowerCase());
  }

  /** Absent or empty = undefined. */
  int(name: string): number | undefined {
    const value = this.text(name);
    if (value === '') return undefined;
    const number = Number(value);
    if (/^[+-]?\d{1,16}$/.test(value) && Number.isSafeInteger(number)) return number;
    throw notANumber('Atoi', value);
  }

  /** Must be there. */
  requiredInt(name: string): number {
    const value = this.int(name);
    if (value === undefined) throw notANumber('Atoi', '');
    return value;
  }

  /** "1136073600", "1136073600.5" or RFC 3339; absent, empty or 0 = undefined. */
  time(name: string): bigint | undefined {
    const value = this.text(name);
    if (value === '' || value === '0') return undefined;
    const time = parseUnixTime(value) ?? parseTime(value);
    if (time === undefined) throw notANumber('ParseInt', value);
    return time;
  }
}

function notANumber(call: string, value: string): EngineError {
  const text = `strconv.${call}: parsing ${JSON.stringify(value.slice(0, 100))}: invalid syntax`;
  return new EngineError('invalid_argument', text);
}
