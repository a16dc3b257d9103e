// Go's path.Match: what `--filter reference=PATTERN` means. `*` and `?` stop at a slash. Matched by
// hand in at most pattern times text steps: a regular expression made from a stranger's pattern
// could take years.

type Token =
  | { readonly kind: 'star' }
  | { readonly kind: 'any' }
  | { readonly kind: 'literal'; readonly char: string }
  | { readonly kind: 'set'; readonly negated: boolean; readonly ranges: readonly Range[] };
type Range = readonly [low: string, high: string];

/** The pattern as a test; undefined if it is malformed. */
export function compileGlob(pattern: string): ((text: string) => boolean) | undefined {
  const tokens: Token[] = [];
  for (let at = 0; at < pattern.length; ) {
    const parsed = parseToken(pattern, at);
    if (parsed === undefined) return undefined;
    tokens.push(parsed.token);
    at = parsed.end;
  }
  return (text) => matches(tokens, text);
}

type Parsed<T> = { readonly token: T; readonly end: number } | undefined;

function parseToken(pattern: string, at: number): Parsed<Token> {
  const char = pattern[at] ?? '';
  if (char === '*') return { token: { kind: 'star' }, end: at + 1 };
  if (char === '?') return { token: { kind: 'any' }, end: at + 1 };
  if (char === '[') return parseSet(pattern, at + 1);
  const literal = parseChar(pattern, at);
  return literal && { token: { kind: 'literal', char: literal.token }, end: literal.end };
}

/** One character, a backslash taking away its meaning. */
function parseChar(pattern: string, at: number): Parsed<string> {
  const start = pattern[at] === '\\' ? at + 1 : at;
  const token = pattern[start];
  return token === undefined ? undefined : { token, end: start + 1 };
}

function parseSet(pattern: string, start: number): Parsed<Token> {
  const negated = pattern[start] === '^';
  const ranges: Range[] = [];
  let at = negated ? start + 1 : start;
  while (pattern[at] !== ']' || ranges.length === 0) {
    if (pattern[at] === ']' || pattern[at] === '-') return undefined;
    const low = parseChar(pattern, at);
    if (low === undefined) return undefined;
    let high = low;
    if (pattern[low.end] === '-') {
      const bound = parseChar(pattern, low.end + 1);
      if (bound === undefined || bound.token === ']' || bound.token < low.token) return undefined;
      high = bound;
    }
    ranges.push([low.token, high.token]);
    at = high.end;
  }
  return { token: { kind: 'set', negated, ranges }, end: at + 1 };
}

/**
 * The last star takes as little as it can, and one more at each mismatch. Earlier stars need no
 * second thought: within a path component no match beats the earliest, and no star leaves one.
 */
function matches(tokens: readonly Token[], text: string): boolean {
  let token = 0;
  let at = 0;
  let star: { readonly token: number; taken: number } | undefined;
  while (at < text.length || token < tokens.length) {
    const wanted = tokens[token];
    if (wanted?.kind === 'star') {
      star = { token, taken: at };
      token += 1;
      continue;
    }
    if (wanted !== undefined && at < text.length && accepts(wanted, text[at] ?? '')) {
      token += 1;
      at += 1;
      continue;
    }
    if (star === undefined || star.taken >= text.length || text[star.taken] === '/') return false;
    star.taken += 1;
    token = star.token + 1;
    at = star.taken;
  }
  return true;
}

function accepts(token: Token, char: string): boolean {
  switch (token.kind) {
    case 'star':
      return false;
    case 'any':
      return char !== '/';
    case 'literal':
      return char === token.char;
    case 'set': {
      const inside = token.ranges.some(([low, high]) => low <= char && char <= high);
      return char !== '/' && inside !== token.negated;
    }
    default:
      return token satisfies never;
  }
}
