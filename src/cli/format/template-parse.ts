// Words to a tree: if, range (break, continue), with, else, variables, pipes, define, template and
// block.
import { lexTemplate, type Piece, templateError, type Token } from './template-lex.ts';

export type Operand =
  | { readonly kind: 'dot' }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'constant'; readonly value: string | number | boolean | null }
  | { readonly kind: 'call'; readonly name: string }
  | { readonly kind: 'pipe'; readonly pipe: Pipe };

/** A value and the fields that are taken of it: `$x.A.B`. */
export type Term = {
  readonly operand: Operand;
  readonly fields: readonly string[];
  /** The text of it, and where Go says that it is: of a chain of fields the second one. */
  readonly text: string;
  readonly at: number;
  readonly end: number;
};
export type Command = readonly Term[];
export type Pipe = { readonly declare: readonly string[]; readonly commands: readonly Command[] };

export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly pipe: Pipe }
  | { readonly kind: 'break' | 'continue' }
  | { readonly kind: 'template'; readonly name: string; readonly pipe: Pipe | undefined }
  | {
      readonly kind: 'if' | 'range' | 'with';
      readonly pipe: Pipe;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
    };

export type Tree = {
  readonly nodes: readonly Node[];
  /** What `define` and `block` gave a name. */
  readonly defined: ReadonlyMap<string, readonly Node[]>;
};

/** `isFunction` knows the names that may be called. */
export function parseTemplate(source: string, isFunction: (name: string) => boolean): Tree {
  const defined = new Map<string, readonly Node[]>();
  const reader = { source, pieces: lexTemplate(source), at: 0, isFunction, defined, loops: 0 };
  const { nodes, ending } = parseList(reader);
  if (ending !== undefined) throw templateError(`unexpected {{${ending.word}}}`);
  return { nodes, defined };
}

interface Reader {
  readonly source: string;
  readonly pieces: readonly Piece[];
  readonly isFunction: (name: string) => boolean;
  readonly defined: Map<string, readonly Node[]>;
  at: number;
  /** How many `range` are open here. */
  loops: number;
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
    const node = parseAction(reader, word, piece.action);
    if (node !== undefined) nodes.push(node);
  }
  return { nodes };
}

/** Undefined for what prints nothing where it stands. */
function parseAction(reader: Reader, word: string, action: readonly Token[]): Node | undefined {
  const rest = action.slice(1);
  switch (word) {
    case 'if':
    case 'range':
    case 'with':
      return parseBlock(reader, word, rest);
    case 'break':
    case 'continue':
      if (reader.loops === 0) throw templateError(`{{${word}}} outside {{range}}`);
      if (rest.length > 0) throw templateError(`unexpected ${rest[0]?.value} in {{${word}}}`);
      return { kind: word };
    case 'define':
      reader.defined.set(nameOf(rest, word), parseBody(reader));
      return undefined;
    case 'template':
      return { kind: 'template', name: nameOf(rest, word), pipe: argument(reader, rest) };
    case 'block': {
      const name = nameOf(rest, word);
      const pipe = argument(reader, rest);
      if (pipe === undefined) throw templateError('missing value for block clause');
      reader.defined.set(name, parseBody(reader));
      return { kind: 'template', name, pipe };
    }
    default:
      return { kind: 'print', pipe: parsePipe(reader, action) };
  }
}

function nameOf([first]: readonly Token[], word: string): string {
  if (first?.kind === 'string') return first.value;
  throw templateError(`unexpected ${first?.value ?? '}}'} in ${word} clause`);
}

function argument(reader: Reader, rest: readonly Token[]): Pipe | undefined {
  return rest.length > 1 ? parsePipe(reader, rest.slice(1)) : undefined;
}

function parseBody(reader: Reader): readonly Node[] {
  const { nodes, ending } = parseList(reader);
  if (ending?.word !== 'end') throw templateError('unexpected EOF');
  return nodes;
}

function parseBlock(
  reader: Reader,
  kind: 'if' | 'range' | 'with',
  condition: readonly Token[],
): Node {
  const pipe = parsePipe(reader, condition);
  reader.loops += kind === 'range' ? 1 : 0;
  const { nodes: body, ending } = parseList(reader);
  reader.loops -= kind === 'range' ? 1 : 0;
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

function parsePipe(reader: Reader, tokens: readonly Token[]): Pipe {
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
  const words = { source: reader.source, isFunction: reader.isFunction, tokens: rest, at: 0 };
  const commands = parseCommands(words);
  if (words.at < rest.length) throw templateError('unexpected right paren');
  return { declare, commands };
}

interface TokenReader {
  readonly source: string;
  readonly isFunction: (name: string) => boolean;
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
      terms.push(withField(reader.source, last, token));
    } else terms.push(parseTerm(reader, token));
  }
  close();
  return commands;
}

function parseTerm(reader: TokenReader, token: Token): Term {
  const { from } = token;
  const operand: Operand = token.kind === 'field' ? { kind: 'dot' } : parseOperand(reader, token);
  // A parenthesis has been read up to its end.
  const end = reader.tokens[reader.at]?.end ?? token.end;
  const fields = token.kind === 'field' ? [token.value] : [];
  return { operand, fields, text: reader.source.slice(from, end), at: from, end };
}

function withField(source: string, last: Term, token: Token): Term {
  const from = last.end - last.text.length;
  return {
    ...last,
    fields: [...last.fields, token.value.slice(1)],
    text: source.slice(from, token.end),
    at: last.at === from ? token.from : last.at,
    end: token.end,
  };
}

const WORDS: Readonly<Record<string, boolean | null>> = { true: true, false: false, nil: null };

function parseOperand(reader: TokenReader, token: Token): Operand {
  if (token.kind === 'variable') return { kind: 'variable', name: token.value };
  if (token.kind === 'string') return { kind: 'constant', value: token.value };
  if (token.kind === 'number') return { kind: 'constant', value: Number(token.value) };
  if (token.kind === 'name') {
    const constant = WORDS[token.value];
    if (constant !== undefined) return { kind: 'constant', value: constant };
    if (!reader.isFunction(token.value)) {
      throw templateError(`function ${JSON.stringify(token.value)} not defined`);
    }
    return { kind: 'call', name: token.value };
  }
  if (token.value === '.') return { kind: 'dot' };
  if (token.value !== '(') throw templateError(`unexpected ${JSON.stringify(token.value)}`);
  reader.at += 1;
  const commands = parseCommands(reader);
  if (reader.tokens[reader.at]?.value !== ')') throw templateError('unclosed left paren');
  return { kind: 'pipe', pipe: { declare: [], commands } };
}
