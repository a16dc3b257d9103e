// The words of a Go text/template: text, and inside {{ }} fields, variables, strings, numbers,
// names, pipes and parentheses. `{{-` and `-}}` trim the text beside them.
import { EngineError } from '#base/error.ts';

/** A template longer than this is no template. */
export const TEMPLATE_CHARS_MAX = 64 * 1024;

export type Token =
  | { readonly kind: 'field'; readonly value: string }
  | { readonly kind: 'variable'; readonly value: string }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'number'; readonly value: string }
  | { readonly kind: 'name'; readonly value: string }
  | { readonly kind: 'mark'; readonly value: string };

export type Piece =
  | { readonly text: string }
  | { readonly action: readonly Token[]; readonly source: string };

export function templateError(reason: string): EngineError {
  return new EngineError('invalid_argument', `template: :1: ${reason}`);
}

export function lexTemplate(source: string): Piece[] {
  if (source.length > TEMPLATE_CHARS_MAX) throw templateError('template too long');
  const pieces: Piece[] = [];
  let at = 0;
  let trimNext = false;
  for (;;) {
    const open = source.indexOf('{{', at);
    let text = source.slice(at, open < 0 ? undefined : open);
    if (trimNext) text = text.trimStart();
    const trimBefore = open >= 0 && /^-\s/.test(source.slice(open + 2, open + 4));
    if (trimBefore) text = text.trimEnd();
    if (text !== '') pieces.push({ text });
    if (open < 0) return pieces;
    const from = open + (trimBefore ? 3 : 2);
    const comment = /^\s*\/\*[\s\S]*?\*\/\s*(-?)\}\}/.exec(source.slice(from));
    if (comment !== null) {
      trimNext = comment[1] === '-';
      at = from + comment[0].length;
      continue;
    }
    const { tokens, end, trim } = lexAction(source, from);
    pieces.push({ action: tokens, source: source.slice(from, end) });
    trimNext = trim;
    at = end;
  }
}

const TOKENS: readonly (readonly [Token['kind'], RegExp])[] = [
  ['string', /"(?:[^"\\\n]|\\.)*"/y],
  ['string', /`[^`]*`/y],
  ['field', /\.[A-Za-z_]\w*/y],
  ['variable', /\$\w*/y],
  ['number', /-?\d+(?:\.\d+)?/y],
  ['name', /[A-Za-z_]\w*/y],
  ['mark', /:=|[.|(),=]/y],
];

function lexAction(source: string, from: number): { tokens: Token[]; end: number; trim: boolean } {
  const tokens: Token[] = [];
  let at = from;
  for (;;) {
    const space = /\s*/y;
    space.lastIndex = at;
    const gap = space.exec(source)?.[0].length ?? 0;
    at += gap;
    if (gap > 0 && source.startsWith('-}}', at)) return { tokens, end: at + 3, trim: true };
    if (source.startsWith('}}', at)) return { tokens, end: at + 2, trim: false };
    if (at >= source.length) throw templateError('unclosed action');
    const last = tokens.at(-1);
    const joins = last?.kind === 'field' || last?.kind === 'variable' || last?.value === ')';
    const token = lexToken(source, at, gap === 0 && joins);
    tokens.push(token.token);
    at = token.end;
  }
}

function lexToken(source: string, at: number, joined: boolean): { token: Token; end: number } {
  for (const [kind, pattern] of TOKENS) {
    pattern.lastIndex = at;
    const value = pattern.exec(source)?.[0];
    if (value === undefined) continue;
    const end = at + value.length;
    if (kind === 'string') return { token: { kind, value: unquote(value) }, end };
    // A field right after a value or a parenthesis belongs to it: `.A.B`, `$x.B`, `(f).B`.
    if (kind === 'field') {
      return { token: { kind, value: (joined ? '+' : '') + value.slice(1) }, end };
    }
    return { token: { kind, value }, end };
  }
  throw templateError(`unexpected ${JSON.stringify(source[at])} in command`);
}

function unquote(text: string): string {
  if (text.startsWith('`')) return text.slice(1, -1);
  try {
    return JSON.parse(text) as string;
  } catch {
    throw templateError(`invalid string ${text}`);
  }
}
