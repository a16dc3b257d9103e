// Runs a Go text/template over plain JSON values. A function in the data is a method: `.Label "x"`.
// An unknown field is an error that names it and where it stands, as in docker inspect.
import { isMap } from './shape.ts';
import {
  type Functions,
  FUNCTIONS,
  isTrue,
  printValue,
  TemplateFault,
} from './template-functions.ts';
import { runError, templateError } from './template-lex.ts';
import {
  type Command,
  type Node,
  parseTemplate,
  type Pipe,
  type Term,
  type Tree,
} from './template-parse.ts';

export type Template = (data: unknown) => string;

/** `{{template}}` within itself more often than this is endless. */
const DEPTH_MAX = 100;

/** Compiles once, so that a syntax error comes before any request. */
export function compileTemplate(source: string, functions: Functions = FUNCTIONS): Template {
  const tree = parseTemplate(source, (name) => Object.hasOwn(functions, name));
  return (data) => {
    const variables = [{ name: '$', value: data }];
    const scope: Scope = { source, functions, tree, variables, out: [], depth: 0 };
    run(tree.nodes, data, scope);
    return scope.out.join('');
  };
}

interface Scope {
  readonly source: string;
  readonly functions: Functions;
  readonly tree: Tree;
  readonly variables: { name: string; value: unknown }[];
  readonly out: string[];
  readonly depth: number;
}

/** What ends a body before its end. */
type Jump = 'break' | 'continue' | undefined;

function run(nodes: readonly Node[], dot: unknown, scope: Scope): Jump {
  for (const node of nodes) {
    switch (node.kind) {
      case 'text':
        scope.out.push(node.text);
        break;
      case 'print': {
        const value = evaluatePipe(node.pipe, dot, scope);
        if (node.pipe.declare.length === 0) scope.out.push(printValue(value));
        break;
      }
      case 'template':
        runTemplate(node, dot, scope);
        break;
      case 'break':
      case 'continue':
        return node.kind;
      default: {
        const jump = runBlock(node, dot, scope);
        if (jump !== undefined) return jump;
      }
    }
  }
  return undefined;
}

function runTemplate(
  { name, pipe }: Extract<Node, { kind: 'template' }>,
  dot: unknown,
  scope: Scope,
): void {
  const nodes = scope.tree.defined.get(name);
  if (nodes === undefined) throw templateError(`template ${JSON.stringify(name)} not defined`);
  if (scope.depth === DEPTH_MAX) throw templateError(`exceeded maximum depth (${DEPTH_MAX})`);
  const value = pipe === undefined ? undefined : evaluatePipe(pipe, dot, scope);
  run(nodes, value, { ...scope, variables: [{ name: '$', value }], depth: scope.depth + 1 });
}

type Block = Extract<Node, { kind: 'if' | 'range' | 'with' }>;

function runBlock(node: Block, dot: unknown, scope: Scope): Jump {
  const mark = scope.variables.length;
  if (node.kind === 'range') return runRange(node, dot, scope);
  const value = evaluatePipe(node.pipe, dot, scope);
  const inner = node.kind === 'with' ? value : dot;
  const jump = isTrue(value) ? run(node.body, inner, scope) : run(node.otherwise, dot, scope);
  scope.variables.length = mark;
  return jump;
}

function runRange(node: Block, dot: unknown, scope: Scope): Jump {
  const value = evaluatePipe({ ...node.pipe, declare: [] }, dot, scope);
  const entries = entriesOf(value);
  if (entries.length === 0) return run(node.otherwise, dot, scope);
  const [first, second] = node.pipe.declare;
  for (const [key, item] of entries) {
    const mark = scope.variables.length;
    if (second !== undefined && first !== undefined) {
      scope.variables.push({ name: first, value: key }, { name: second, value: item });
    } else if (first !== undefined) scope.variables.push({ name: first, value: item });
    const jump = run(node.body, item, scope);
    scope.variables.length = mark;
    if (jump === 'break') break;
  }
  return undefined;
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
  const values = (): unknown[] => [...rest.map((term) => evaluateTerm(term, dot, scope)), ...piped];
  if (head.operand.kind === 'call' && head.fields.length === 0) {
    const { name } = head.operand;
    const called = scope.functions[name];
    const args = values();
    checkCount(scope, head, { name, wanted: called?.length ?? 0, given: args.length });
    try {
      return called?.(...args);
    } catch (error) {
      if (!(error instanceof TemplateFault)) throw error;
      const text = command.map((term) => term.text).join(' ');
      throw runError(scope.source, head.at, text, `error calling ${name}: ${error.message}`);
    }
  }
  const value = evaluateTerm(head, dot, scope, false);
  const args = values();
  if (typeof value === 'function') {
    const name = head.fields.at(-1) ?? '';
    checkCount(scope, head, { name, wanted: value.length, given: args.length });
    return (value as (...args: unknown[]) => unknown)(...args);
  }
  if (args.length > 0) {
    const reason = `can't give argument to non-function ${head.text}`;
    throw runError(scope.source, head.at, head.text, reason);
  }
  return value;
}

/** What a function can do without is not counted in its length. */
function checkCount(
  scope: Scope,
  { at, text }: Term,
  {
    given,
    name,
    wanted,
  }: { readonly given: number; readonly name: string; readonly wanted: number },
): void {
  if (given >= wanted) return;
  const reason = `wrong number of args for ${name}: want ${wanted} got ${given}`;
  throw runError(scope.source, at, text, reason);
}

function evaluateTerm(term: Term, dot: unknown, scope: Scope, call = true): unknown {
  let value = operandValue(term, dot, scope);
  try {
    for (const field of term.fields) value = fieldOf(value, field);
  } catch (error) {
    if (!(error instanceof TemplateFault)) throw error;
    throw runError(scope.source, term.at, term.text, error.message);
  }
  return call && typeof value === 'function' ? (value as () => unknown)() : value;
}

function operandValue(term: Term, dot: unknown, scope: Scope): unknown {
  const { operand } = term;
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
      return evaluateCommand([{ ...term, fields: [] }], [], dot, scope);
    case 'pipe':
      return evaluatePipe(operand.pipe, dot, scope);
    default:
      return operand satisfies never;
  }
}

function fieldOf(value: unknown, field: string): unknown {
  // Of what is not in a map nothing is, either.
  if (value === undefined) return undefined;
  if (value === null) {
    throw new TemplateFault(`map has no entry for key ${JSON.stringify(field)}`);
  }
  if (typeof value !== 'object') {
    throw new TemplateFault(`can't evaluate field ${field} in type ${goType(value)}`);
  }
  if (Object.hasOwn(value, field)) return (value as Record<string, unknown>)[field];
  // Go's struct says `.ID` where the JSON says "Id"; people write either.
  const folded = field.toLowerCase();
  const key = Object.getOwnPropertyNames(value).find((each) => each.toLowerCase() === folded);
  if (key !== undefined) return (value as Record<string, unknown>)[key];
  if (isMap(value)) return undefined;
  throw new TemplateFault(`map has no entry for key ${JSON.stringify(field)}`);
}

function goType(value: unknown): string {
  if (typeof value === 'boolean') return 'bool';
  return typeof value === 'number' ? 'int' : typeof value;
}
