// What a flag's value can be: how its text is parsed, what --help calls it. The error texts are
// those of Go's strconv and of docker's opts, because people and scripts know them.
import { EngineError } from '#base/error.ts';
import { parseSize } from '#base/bytes.ts';
import { parseDuration } from './duration.ts';

export interface FlagKind<T = unknown> {
  /** The word after the flag in --help; empty for a switch. */
  readonly word: string;
  /** What a flag without a value means ("true" for a switch); absent when one is required. */
  readonly bare?: string;
  /** Parses one occurrence; `before` is what the earlier ones made. Throws with the reason. */
  parse(text: string, before: T | undefined): T;
}

export function invalid(reason: string): EngineError {
  return new EngineError('invalid_argument', reason);
}

const TRUE = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const FALSE = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

export const bool: FlagKind<boolean> = {
  word: '',
  bare: 'true',
  parse(text) {
    if (TRUE.has(text)) return true;
    if (FALSE.has(text)) return false;
    throw invalid(`strconv.ParseBool: parsing ${quote(text)}: invalid syntax`);
  },
};

export const string: FlagKind<string> = { word: 'string', parse: (text) => text };

/** Every occurrence, as written. */
export const list: FlagKind<readonly string[]> = {
  word: 'list',
  parse: (text, before) => [...(before ?? []), text],
};

/** pflag's stringSlice: commas separate, too. */
export const strings: FlagKind<readonly string[]> = {
  word: 'strings',
  parse: (text, before) => [...(before ?? []), ...(text === '' ? [] : text.split(','))],
};

export const int: FlagKind<number> = { word: 'int', parse: (text) => parseInteger(text) };

export const uint16: FlagKind<number> = {
  word: 'uint16',
  parse: (text) => parseUnsigned(text, 65535n),
};

export const uint: FlagKind<number> = {
  word: 'uint',
  parse: (text) => parseUnsigned(text, (1n << 64n) - 1n),
};

/** Nanoseconds. */
export const duration: FlagKind<number> = { word: 'duration', parse: parseDuration };

/** "64m" as bytes. */
export const bytes: FlagKind<number> = { word: 'bytes', parse: (text) => parseSize(text) };

/** As bytes, with -1 for "no limit". */
export const swapBytes: FlagKind<number> = {
  word: 'bytes',
  parse: (text) => (text === '-1' ? -1 : parseSize(text)),
};

/** A number of CPUs ("1.5") as nano-CPUs. Go reads a rational, so "1/2" is half a CPU. */
export const cpus: FlagKind<number> = {
  word: 'decimal',
  parse(text) {
    const match = /^([+-]?\d*\.?\d*(?:[eE][+-]?\d+)?)(?:\/(\d+))?$/.exec(text);
    const value = Number(match?.[1] || 'x') / Number(match?.[2] ?? '1');
    if (!Number.isFinite(value)) throw invalid(`failed to parse ${text} as a rational number`);
    const nano = value * 1e9;
    if (Math.abs(nano - Math.round(nano)) > 1e-6) throw invalid('value is too precise');
    return Math.round(nano);
  },
};

/** `--filter key=value`, as the API wants it: a set of values for each key. */
export type FilterSet = Record<string, Record<string, true>>;

export const filter: FlagKind<FilterSet> = {
  word: 'filter',
  parse(text, before) {
    const equals = text.indexOf('=');
    if (text === '') return before ?? {};
    if (equals < 0) throw invalid('bad format of filter (expected name=value)');
    const key = text.slice(0, equals).trim().toLowerCase();
    const value = text.slice(equals + 1).trim();
    return { ...before, [key]: { ...before?.[key], [value]: true } };
  },
};

/** `key=value` pairs; the last one of a key wins. */
export const map: FlagKind<Record<string, string>> = {
  word: 'map',
  parse(text, before) {
    const equals = text.indexOf('=');
    const key = equals < 0 ? text : text.slice(0, equals);
    return { ...before, [key]: equals < 0 ? '' : text.slice(equals + 1) };
  },
};

export function parseInteger(text: string): number {
  const digits = /^[+-]?(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|[1-9]\d*|0)$/.exec(text)?.[1];
  if (digits === undefined) throw syntaxError('ParseInt', text);
  const value = toBigInt(digits) * (text.startsWith('-') ? -1n : 1n);
  if (BigInt.asIntN(64, value) !== value) throw rangeError('ParseInt', text);
  return Number(value);
}

export function parseUnsigned(text: string, max: bigint): number {
  if (!/^(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|[1-9]\d*|0)$/.test(text)) {
    throw syntaxError('ParseUint', text);
  }
  const value = toBigInt(text);
  if (value > max) throw rangeError('ParseUint', text);
  return Number(value);
}

/** Go's base 0: a leading 0 is octal. */
function toBigInt(digits: string): bigint {
  return BigInt(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits);
}

function syntaxError(verb: string, text: string): EngineError {
  return invalid(`strconv.${verb}: parsing ${quote(text)}: invalid syntax`);
}

function rangeError(verb: string, text: string): EngineError {
  return invalid(`strconv.${verb}: parsing ${quote(text)}: value out of range`);
}

/** Go's %q for the texts that occur here. */
export function quote(text: string): string {
  return JSON.stringify(text);
}
