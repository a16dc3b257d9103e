// JSON text -> unknown, with what JSON.parse alone would lose: integers beyond 2^53 come as bigint,
// so that a decoder can refuse instead of rounding. Error texts follow Go's encoding/json, which
// Docker's users know. Keys such as "__proto__" stay plain own properties.
import { EngineError } from '#base/error.ts';

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;
// The third argument and rawJSON are ECMAScript 2026 (JSON.parse source text access).
const parse = JSON.parse as (text: string, reviver: Reviver) => unknown;
const raw = JSON as unknown as { rawJSON(text: string): unknown };

/** Nobody's request is nested deeper; Go stops at 10,000, our parser's reviver recurses. */
export const JSON_DEPTH_MAX = 1_000;

export function parseJson(text: string): unknown {
  if (text.length > JSON_DEPTH_MAX && depthOf(text) > JSON_DEPTH_MAX) {
    throw new EngineError('invalid_argument', 'invalid JSON: exceeded max depth');
  }
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

/** Brackets that look open, texts left out; a scan, so that a hostile body costs milliseconds. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) quoted = !quoted;
    else if (quoted) at += code === BACKSLASH ? 1 : 0;
    else if (code === OPEN_LIST || code === OPEN_MAP) deepest = Math.max(deepest, ++depth);
    else if (code === CLOSE_LIST || code === CLOSE_MAP) depth -= 1;
  }
  return deepest;
}

const [QUOTE, BACKSLASH] = [34, 92];
const [OPEN_LIST, CLOSE_LIST, OPEN_MAP, CLOSE_MAP] = [91, 93, 123, 125];

function goMessage(text: string, error: unknown): string {
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
