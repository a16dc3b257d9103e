// JSON text -> unknown, with what JSON.parse alone would lose: integers beyond 2^53 come as bigint,
// so that a decoder can refuse instead of rounding. Error texts follow Go's encoding/json, which
// Docker's users know. Keys such as "__proto__" stay plain own properties.
import { EngineError } from '#base/error.ts';

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;
// The third argument and rawJSON are ECMAScript 2026 (JSON.parse source text access).
const parse = JSON.parse as (text: string, reviver: Reviver) => unknown;
const raw = JSON as unknown as { rawJSON(text: string): unknown };

export function parseJson(text: string): unknown {
  try {
    return parse(text, keepIntegers);
  } catch (error) {
    throw new EngineError('invalid_argument', goMessage(text, error), { cause: error });
  }
}

/** An integer of any size in the output. */
export function rawInteger(value: bigint): unknown {
  return raw.rawJSON(String(value));
}

const keepIntegers: Reviver = (_key, value, context) => {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  const { source } = context;
  return source !== undefined && /^-?\d{1,40}$/.test(source) ? BigInt(source) : value;
};

function goMessage(text: string, error: unknown): string {
  if (error instanceof RangeError) return 'invalid JSON: exceeded max depth';
  const message = error instanceof Error ? error.message : '';
  if (text.trim() === '') return 'invalid JSON: got EOF while reading request body';
  if (message.includes('after JSON')) return 'unexpected content after JSON';
  const position = /at position (\d+)/.exec(message)?.[1];
  const at = position === undefined ? undefined : Number(position);
  const ended = at !== undefined && at >= text.trimEnd().length;
  if (ended || /end of JSON input|Unterminated/.test(message))
    return 'invalid JSON: unexpected EOF';
  const token = at === undefined ? /Unexpected token '(.+?)',/.exec(message)?.[1] : text[at];
  if (token === undefined) return 'invalid JSON: invalid character';
  return `invalid JSON: invalid character ${quote(token)} looking for beginning of value`;
}

function quote(token: string): string {
  return `'${JSON.stringify(token).slice(1, -1).replace(/\\"/g, '"')}'`;
}
