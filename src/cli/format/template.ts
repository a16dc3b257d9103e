// Runs a Go text/template over plain JSON values. A function in the data is a method: `.Label "x"`.
// An unknown field is an error that names it, as in docker inspect.
import { type Functions, FUNCTIONS, isTrue, printValue } from './template-functions.ts';
import { templateError } from './template-lex.ts';
import { type Command, type Node, parseTemplate, type Pipe, type Term } from './template-parse.ts';

export type Template = (data: unknown) => string;

/** Compiles once, so that a syntax error comes before any request. */
export function compileTemplate(source: string, functions: Functions = FUNCTIONS): Template {
  const nodes = parseTemplate(source);
  return (data) => {
    const scope: Scope = { functions, variables: [{ name: '$', value: data }], out: [] };
    run(nodes, data, scope);
    return scope.out.join('');
  };
}

interface Scope {
  readonly functions: Functions;
  readonly variables: { name: string; value: unknown }[];
  readonly out: string[];
}

function run(nodes: readonly Node[], dot: unknown, scope: Scope): void {
  for (const node of nodes) {
    if (node.kind === 'text') scope.out.push(node.text);
    else if (node.kind === 'print') {
      const value = evaluatePipe(node.pipe, dot, scope);
      if (node.pipe.declare.length === 0) scope.out.push(printValue(value));
    } else runBlock(node, dot, scope);
  }
}

function runBlock(node: Extract<Node, { body: unknown }>, dot: unknown, scope: Scope): void {
  const mark = scope.variables.length;
  if (node.kind === 'range') runRange(node, dot, scope);
  else {
    const value = evaluatePipe(node.pipe, dot, scope);
    const inner = node.kind === 'with' ? value : dot;
    if (isTrue(value)) run(node.body, inner, scope);
    else run(node.otherwise, dot, scope);
  }
  scope.variables.length = mark;
}

function runRange(node: Extract<Node, { body: unknown }>, dot: unknown, scope: Scope): void {
  const value = evaluatePipe({ ...node.pipe, declare: [] }, dot, scope);
  const entries = entriesOf(value);
  if (entries.length === 0) return run(node.otherwise, dot, scope);
  const [first, second] = node.pipe.declare;
  for (const [key, item] of entries) {
    const mark = scope.variables.length;
    if (second !== undefined && first !== undefined) {
      scope.variables.push({ name: first, value: key }, { name: second, value: item });
    } else if (first !== undefined) scope.variables.push({ name: first, value: item });
    run(node.body, item, scope);
    scope.variables.length = mark;
  }
}

/** Go ranges over a map in the order of its keys. */
function entriesOf(value: unknown): readonly (readonly [unknown, unknown])[] {
  if (value === null || value === undefined) return [];
  if (Array.isArray(value)) return value.map((item: unknown, index) => [index, item] as const);
  if (typeof value === 'object') {
    return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  }
  throw templateError(`range can't iterate over ${printValue(value)}`);
}

function evaluatePipe(pipe: Pipe, dot: unknown, scope: Scope): unknown {
  let piped: readonly unknown[] = [];
  for (const command of pipe.commands) piped = [evaluateCommand(command, piped, dot, scope)];
  for (const name of pipe.declare) scope.variables.push({ name, value: piped[0] });
  return piped[0];
}

function evaluateCommand(
  command: Command,
  piped: readonly unknown[],
  dot: unknown,
  scope: Scope,
): unknown {
  const [head, ...rest] = command;
  if (head === undefined) throw templateError('missing value for command');
  if (head.operand.kind === 'call' && head.fields.length === 0) {
    const { name } = head.operand;
    const called = scope.functions[name];
    if (called === undefined) throw templateError(`function ${JSON.stringify(name)} not defined`);
    return called(...rest.map((term) => evaluateTerm(term, dot, scope)), ...piped);
  }
  const value = evaluateTerm(head, dot, scope, false);
  const args = [...rest.map((term) => evaluateTerm(term, dot, scope)), ...piped];
  if (typeof value === 'function') return (value as (...args: unknown[]) => unknown)(...args);
  if (args.length > 0) throw templateError(`can't give argument to non-function ${head.fields}`);
  return value;
}

function evaluateTerm(term: Term, dot: unknown, scope: Scope, call = true): unknown {
  let value = operandValue(term, dot, scope);
  for (const field of term.fields) value = fieldOf(value, field);
  return call && typeof value === 'function' ? (value as () => unknown)() : value;
}

function operandValue({ operand }: Term, dot: unknown, scope: Scope): unknown {
  switch (operand.kind) {
    case 'dot':
      return dot;
    case 'constant':
      return operand.value;
    case 'variable': {
      const found = scope.variables.findLast(({ name }) => name === operand.name);
      if (found === undefined) throw templateError(`undefined variable "${operand.name}"`);
      return found.value;
    }
    case 'call':
      return evaluateCommand([{ operand, fields: [] }], [], dot, scope);
    case 'pipe':
      return evaluatePipe(operand.pipe, dot, scope);
    default:
      return operand satisfies never;
  }
}

function fieldOf(value: unknown, field: string): unknown {
  if (typeof value !== 'object' || value === null) {
    const at = `executing "" at <.${field}>`;
    const what = value === null || value === undefined ? 'nil' : typeof value;
    throw templateError(`${at}: can't evaluate field ${field} in type ${what}`);
  }
  const own = Object.hasOwn(value, field);
  if (own) return (value as Record<string, unknown>)[field];
  // Go's struct says `.ID` where the JSON says "Id"; people write either.
  const folded = field.toLowerCase();
  const key = Object.keys(value).find((each) => each.toLowerCase() === folded);
  if (key !== undefined) return (value as Record<string, unknown>)[key];
  const at = `executing "" at <.${field}>`;
  throw templateError(`${at}: map has no entry for key ${JSON.stringify(field)}`);
}
