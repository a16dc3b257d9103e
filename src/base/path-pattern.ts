// One pattern over paths, as Go's filepath.Match plus `**`: in .dockerignore, in COPY's sources and
// in --exclude. Matched by following all positions at once, so that no pattern takes more time than
// its length times the path's.
import { EngineError } from './error.ts';

type Token =
  /** A run inside one name; `**` at the end, everything; `**` before a name, all directories. */
  | { readonly kind: 'star' | 'any' | 'rest' | 'deep' }
  | { readonly kind: 'char'; readonly char: string }
  | { readonly kind: 'class'; readonly negated: boolean; readonly ranges: readonly Range[] };
type Range = readonly [low: string, high: string];

export class PathPattern {
  readonly #tokens: readonly Token[];

  /** Throws invalid_argument for one that Go calls bad. */
  constructor(pattern: string) {
    this.#tokens = parse(pattern);
  }

  matches(path: string): boolean {
    return this.#ends(path).has(path.length);
  }

  /** The path itself, or a directory that it is in. */
  matchesAbove(path: string): boolean {
    const ends = this.#ends(path);
    return [...ends].some((end) => end > 0 && (end === path.length || path[end] === '/'));
  }

  #ends(path: string): ReadonlySet<number> {
    let at = new Set([0]);
    for (const token of this.#tokens) {
      if (at.size === 0) return at;
      at = step(token, path, at);
    }
    return at;
  }
}

function step(token: Token, path: string, from: ReadonlySet<number>): Set<number> {
  const next = new Set<number>();
  switch (token.kind) {
    case 'star':
      for (const start of from) {
        // Where another run has been already, its end is the same.
        for (let at = start; !next.has(at); at += 1) {
          next.add(at);
          if (at >= path.length || path[at] === '/') break;
        }
      }
      return next;
    case 'rest':
    case 'deep': {
      const first = Math.min(...from);
      for (const start of from) next.add(start);
      for (let at = first; at < path.length; at += 1) {
        if (token.kind === 'rest' || path[at] === '/') next.add(at + 1);
      }
      return next;
    }
    default:
      for (const at of from) if (fits(token, path[at])) next.add(at + 1);
      return next;
  }
}

function fits(token: Token, char: string | undefined): boolean {
  if (char === undefined) return false;
  if (token.kind === 'char') return token.char === char;
  if (char === '/') return false;
  if (token.kind !== 'class') return true;
  return token.ranges.some(([low, high]) => low <= char && char <= high) !== token.negated;
}

function parse(pattern: string): readonly Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < pattern.length; at += 1) {
    const char = pattern[at] ?? '';
    if (char === '*' && pattern[at + 1] === '*') {
      at += 1;
      if (pattern[at + 1] === '/') {
        at += 1;
        tokens.push({ kind: 'deep' });
      } else tokens.push({ kind: 'rest' });
    } else if (char === '*') tokens.push({ kind: 'star' });
    else if (char === '?') tokens.push({ kind: 'any' });
    else if (char === '[') {
      const { token, end } = readClass(pattern, at);
      tokens.push(token);
      at = end;
    } else if (char === '\\') {
      at += 1;
      const next = pattern[at];
      if (next === undefined) throw bad(pattern);
      tokens.push({ kind: 'char', char: next });
    } else tokens.push({ kind: 'char', char });
  }
  return tokens;
}

function readClass(pattern: string, from: number): { readonly token: Token; readonly end: number } {
  const ranges: Range[] = [];
  let at = from + 1;
  const negated = pattern[at] === '^';
  if (negated) at += 1;
  const one = (): string => {
    if (pattern[at] === '\\') at += 1;
    const char = pattern[at];
    if (char === undefined) throw bad(pattern);
    at += 1;
    return char;
  };
  while (pattern[at] !== ']' || ranges.length === 0) {
    const low = one();
    if (pattern[at] === '-' && pattern[at + 1] !== ']') {
      at += 1;
      ranges.push([low, one()]);
    } else ranges.push([low, low]);
  }
  return { token: { kind: 'class', negated, ranges }, end: at };
}

function bad(pattern: string): EngineError {
  return new EngineError('invalid_argument', `syntax error in pattern: ${JSON.stringify(pattern)}`);
}
