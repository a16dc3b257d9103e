// Sizes as Docker writes and reads them (go-units): "64m" is 64 MiB, "1.5g" is allowed, and texts
// are "12.3MB" (decimal) or "1.5GiB" (binary).
import { EngineError } from './error.ts';

export type Bytes = number & { readonly __brand: 'Bytes' };

const UNITS = ['', 'k', 'm', 'g', 't', 'p', 'e'] as const;
const SIZE = /^(\d+(?:\.\d+)?) ?([kKmMgGtTpPeE]?)([iI]?[bB]?)$/;

/** Parses "64m", "1.5GiB", "1024" (binary units whatever the spelling, as `docker run -m`). */
export function parseSize(text: string): Bytes {
  const match = SIZE.exec(text.trim());
  if (match === null) throw new EngineError('invalid_argument', `invalid size: '${text}'`);
  const power = UNITS.indexOf((match[2] ?? '').toLowerCase() as (typeof UNITS)[number]);
  return Math.floor(Number(match[1]) * 1024 ** power) as Bytes;
}

/** "12.3MB": powers of 1000, 3 significant digits (`%.3g`) as `docker images`; system df has 4. */
export function formatSize(bytes: number, digits = 3): string {
  return scaled(bytes, 1000, ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'], digits);
}

/** "1.5GiB": powers of 1024, `%.4g`, as `docker stats`. */
export function formatBinarySize(bytes: number): string {
  return scaled(bytes, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'], 4);
}

function scaled(bytes: number, base: number, units: readonly string[], digits: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= base && unit < units.length - 1) {
    value /= base;
    unit += 1;
  }
  return `${Number(value.toPrecision(digits))}${units[unit]}`;
}
