// Words to a tree: if, range, with, else, variables, pipes. No define, block or template: docker's
// --format has no use for them.
import { lexTemplate, type Piece, templateError, type Token } from './template-lex.ts';

export type Operand =
  | { readonly kind: 'dot' }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'constant'; readonly value: string | number | boolean | null }
  | { readonly kind: 'call'; readonly name: string }
  | { readonly kind: 'pipe'; readonly pipe: Pipe };

/** A value and the fields that are taken of it: `$x.A.B`. */
export type Term = { readonly operand: Operand; readonly fields: readonly string[] };
export type Command = readonly Term[];
export type Pipe = { readonly declare: readonly string[]; readonly commands: readonly Command[] };

export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly pipe: Pipe }
  | {
      readonly kind: 'if' | 'range' | 'with';
      readonly pipe: Pipe;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
    };

export function parseTemplate(source: string): readonly Node[] {
  const reader = { pieces: lexTemplate(source), at: 0 };
  const { nodes, ending } = parseList(reader);
  if (ending !== undefined) throw templateError(`unexpected {{${ending.word}}}`);
  return nodes;
}

interface Reader {
  readonly pieces: readonly Piece[];
  at: number;
}

interface Ending {
  readonly word: 'end' | 'else';
  readonly rest: readonly Token[];
}

function parseList(reader: Reader): { nodes: Node[]; ending?: Ending } {
  const nodes: Node[] = [];
  while (reader.at < reader.pieces.length) {
    const piece = reader.pieces[reader.at];
    reader.at += 1;
    if (piece === undefined) break;
    if ('text' in piece) {
      nodes.push({ kind: 'text', text: piece.text });
      continue;
    }
    const [first, ...rest] = piece.action;
    const word = first?.kind === 'name' ? first.value : '';
    if (word === 'end' || word === 'else') return { nodes, ending: { word, rest } };
    if (word === 'if' || word === 'range' || word === 'with') {
      nodes.push(parseBlock(reader, word, rest));
    } else {
      nodes.push({ kind: 'print', pipe: parsePipe(piece.action) });
    }
  }
  return { nodes };
}

function parseBlock(
  reader: Reader,
  kind: 'if' | 'range' | 'with',
  condition: readonly Token[],
): Node {
  const pipe = parsePipe(condition);
  const { nodes: body, ending } = parseList(reader);
  if (ending === undefined) throw templateError('unexpected EOF');
  if (ending.word === 'end') return { kind, pipe, body, otherwise: [] };
  const [next, ...rest] = ending.rest;
  if (next?.kind === 'name' && (next.value === 'if' || next.value === 'with')) {
    return { kind, pipe, body, otherwise: [parseBlock(reader, next.value, rest)] };
  }
  const other = parseList(reader);
  if (other.ending?.word !== 'end') throw templateError('expected end; found EOF or {{else}}');
  return { kind, pipe, body, otherwise: other.nodes };
}

function parsePipe(tokens: readonly Token[]): Pipe {
  const declare: string[] = [];
  let rest = tokens;
  const assign = tokens.findIndex((token) => token.kind === 'mark' && /^:?=$/.test(token.value));
  if (assign > 0) {
    for (const token of tokens.slice(0, assign)) {
      if (token.kind === 'variable') declare.push(token.value);
      else if (token.value !== ',') throw templateError(`unexpected ${token.value} in declaration`);
    }
    rest = tokens.slice(assign + 1);
  }
  const reader = { tokens: rest, at: 0 };
  const commands = parseCommands(reader);
  if (reader.at < rest.length) throw templateError('unexpected right paren');
  return { declare, commands };
}

interface TokenReader {
  readonly tokens: readonly Token[];
  at: number;
}

function parseCommands(reader: TokenReader): Command[] {
  const commands: Command[] = [];
  let terms: Term[] = [];
  const close = (): void => {
    if (terms.length === 0) throw templateError('missing value for command');
    commands.push(terms);
    terms = [];
  };
  for (; reader.at < reader.tokens.length; reader.at += 1) {
    const token = reader.tokens[reader.at];
    if (token === undefined) break;
    if (token.kind === 'mark' && token.value === '|') close();
    else if (token.kind === 'mark' && token.value === ')') break;
    else if (token.kind === 'field' && token.value.startsWith('+')) {
      const last = terms.pop();
      if (last === undefined) throw templateError(`unexpected .${token.value.slice(1)}`);
      terms.push({ ...last, fields: [...last.fields, token.value.slice(1)] });
    } else if (token.kind === 'field') {
      terms.push({ operand: { kind: 'dot' }, fields: [token.value] });
    } else terms.push({ operand: parseOperand(reader, token), fields: [] });
  }
  close();
  return commands;
}

const WORDS: Readonly<Record<string, boolean | null>> = { true: true, false: false, nil: null };

function parseOperand(reader: TokenReader, token: Token): Operand {
  if (token.kind === 'variable') return { kind: 'variable', name: token.value };
  if (token.kind === 'string') return { kind: 'constant', value: token.value };
  if (token.kind === 'number') return { kind: 'constant', value: Number(token.value) };
  if (token.kind === 'name') {
    const constant = WORDS[token.value];
    if (constant !== undefined) return { kind: 'constant', value: constant };
    return { kind: 'call', name: token.value };
  }
  if (token.value === '.') return { kind: 'dot' };
  if (token.value !== '(') throw templateError(`unexpected ${JSON.stringify(token.value)}`);
  reader.at += 1;
  const commands = parseCommands(reader);
  if (reader.tokens[reader.at]?.value !== ')') throw templateError('unclosed left paren');
  return { kind: 'pipe', pipe: { declare: [], commands } };
}
