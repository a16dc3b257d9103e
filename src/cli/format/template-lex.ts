// The words of a Go text/template: text, and inside {{ }} fields, variables, strings, numbers,
// names, pipes and parentheses. `{{-` and `-}}` trim the text beside them.
import { EngineError } from '#base/error.ts';

/** A template longer than this is no template. */
export const TEMPLATE_CHARS_MAX = 64 * 1024;

export type TokenKind = 'field' | 'variable' | 'string' | 'number' | 'name' | 'mark';

export type Token = {
  readonly kind: TokenKind;
  readonly value: string;
  /** Where it is in the source. */
  readonly from: number;
  readonly end: number;
};

export type Piece = { readonly text: string } | { readonly action: readonly Token[] };

export function templateError(reason: string): EngineError {
  return new EngineError('invalid_argument', `template: :1: ${reason}`);
}

/** The words of Go for a mistake that shows while a template runs: where, in what, and why. */
export function runError(source: string, at: number, what: string, reason: string): EngineError {
  const before = source.slice(0, at);
  const line = before.split('\n').length;
  const column = Buffer.byteLength(before.slice(before.lastIndexOf('\n') + 1));
  const place = `template: :${line}:${column}: executing "" at <${what}>`;
  return new EngineError('invalid_argument', `${place}: ${reason}`);
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
    pieces.push({ action: tokens });
    trimNext = trim;
    at = end;
  }
}

const TOKENS: readonly (readonly [TokenKind, RegExp])[] = [
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
    tokens.push(token);
    at = token.end;
  }
}

function lexToken(source: string, from: number, joined: boolean): Token {
  for (const [kind, pattern] of TOKENS) {
    pattern.lastIndex = from;
    const text = pattern.exec(source)?.[0];
    if (text === undefined) continue;
    const end = from + text.length;
    if (kind === 'string') return { kind, value: unquote(text), from, end };
    // A field right after a value or a parenthesis belongs to it: `.A.B`, `$x.B`, `(f).B`.
    const value = kind === 'field' ? (joined ? '+' : '') + text.slice(1) : text;
    return { kind, value, from, end };
  }
  throw templateError(`unexpected ${JSON.stringify(source[from])} in command`);
}

function unquote(text: string): string {
  if (text.startsWith('`')) return text.slice(1, -1);
  try {
    return JSON.parse(text) as string;
  } catch {
    throw templateError(`invalid string ${text}`);
  }
}
