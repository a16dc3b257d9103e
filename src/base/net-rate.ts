// Bandwidths and bursts as tc(8) writes them: "10mbit" is ten million bits a second, "10mbps" eight
// times as much (bytes), "64k" of a burst are 64 KiB. Read by the command line, checked again where
// the daemon reads JSON.
import { EngineError } from './error.ts';

export const RATE_BITS_MIN = 1_000;
export const RATE_BITS_MAX = 1_000_000_000_000;
/** A packet has to fit: a token bucket smaller than one never lets it pass. */
export const BURST_BYTES_MIN = 2 * 1024;
export const BURST_BYTES_MAX = 1024 * 1024 * 1024;

const PREFIXES: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  ki: 1024,
  mi: 1024 ** 2,
  gi: 1024 ** 3,
  ti: 1024 ** 4,
};
const BITS_PER_BYTE = 8;
const RATE = /^(\d+(?:\.\d+)?)(?:([kmgt]?i?)(bit|bps))?$/i;
const SIZE = /^(\d+(?:\.\d+)?)([kmg]?)(b|bit)?$/i;

function invalid(what: string, value: string, why: string): EngineError {
  return new EngineError('invalid_argument', `invalid ${what} ${JSON.stringify(value)}: ${why}`);
}

/** "10mbit", "1.5gbit", "500kbps", "100mibit"; a bare number is bits a second. */
export function parseRate(text: string): number {
  const [, number = '', prefix = '', unit = ''] = RATE.exec(text.trim()) ?? [];
  const factor = PREFIXES[prefix.toLowerCase()];
  if (number === '' || factor === undefined) {
    throw invalid(
      'network rate',
      text,
      'it is a number with a unit as tc(8) has them, as "10mbit"',
    );
  }
  const bits = Number(number) * factor * (unit.toLowerCase() === 'bps' ? BITS_PER_BYTE : 1);
  return checkRate(Math.round(bits), text);
}

/** "64k", "64kb", "1mb", "512kbit"; a bare number is bytes. Powers of 1024, as tc(8). */
export function parseBurst(text: string): number {
  const [, number = '', prefix = '', unit = ''] = SIZE.exec(text.trim()) ?? [];
  if (number === '') {
    throw invalid('network burst', text, 'it is a size as tc(8) has them, as "64k"');
  }
  const power = ['', 'k', 'm', 'g'].indexOf(prefix.toLowerCase());
  const bytes = (Number(number) * 1024 ** power) / (unit.toLowerCase() === 'bit' ? 8 : 1);
  return checkBurst(Math.round(bytes), text);
}

/** Throws for what no interface can be limited to; `text` is how the user wrote it. */
export function checkRate(bitsPerSecond: number, text = String(bitsPerSecond)): number {
  const { isSafeInteger } = Number;
  if (
    isSafeInteger(bitsPerSecond) &&
    bitsPerSecond >= RATE_BITS_MIN &&
    bitsPerSecond <= RATE_BITS_MAX
  ) {
    return bitsPerSecond;
  }
  throw invalid('network rate', text, 'it is from 1kbit to 1tbit');
}

export function checkBurst(bytes: number, text = String(bytes)): number {
  if (Number.isSafeInteger(bytes) && bytes >= BURST_BYTES_MIN && bytes <= BURST_BYTES_MAX) {
    return bytes;
  }
  throw invalid('network burst', text, 'it is from 2k, so that a packet fits, to 1g');
}

/** The shortest spelling that parseRate() reads back: "10mbit", "1500kbit", "1234bit". */
export function formatRate(bitsPerSecond: number): string {
  return shortest(bitsPerSecond, 1000, ['bit', 'kbit', 'mbit', 'gbit', 'tbit']);
}

/** "64k", "1m", "2049b". */
export function formatBurst(bytes: number): string {
  return shortest(bytes, 1024, ['b', 'k', 'm', 'g']);
}

function shortest(value: number, base: number, units: readonly string[]): string {
  let power = 0;
  while (power < units.length - 1 && value !== 0 && value % base ** (power + 1) === 0) power += 1;
  return `${value / base ** power}${units[power]}`;
}
