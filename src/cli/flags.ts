// A command line as pflag reads it: -it, -p80:80, -p=80:80, --name x, --name=x, --rm=false, `--`.
// Pure: argv and a table in, values out. `run` and `exec` stop at the first positional, because
// what follows belongs to the container.
import { EngineError, messageOf } from '#base/error.ts';
import type { FilterSet, FlagKind } from './flag-kind.ts';

export interface FlagSpec {
  readonly name: string;
  readonly short?: string;
  // A table of flags holds kinds of different types; parse() is only called with its own result.
  readonly kind: FlagKind<never> | FlagKind;
  /** Help text; a default that is worth showing is part of it. */
  readonly usage: string;
  readonly hidden?: boolean;
  /** Accepted with one dash as well: the spellings of the book. */
  readonly singleDash?: readonly string[];
  /** Another name with two dashes, not shown. */
  readonly alias?: string;
}

/** A line of a table of flags. */
export function flag(
  name: string,
  kind: FlagSpec['kind'],
  usage: string,
  rest: Omit<FlagSpec, 'name' | 'kind' | 'usage'> = {},
): FlagSpec {
  return { name, kind, usage, ...rest };
}

export interface FlagRules {
  /** False: stop at the first positional. */
  readonly interspersed: boolean;
}

export interface Parsed {
  readonly flags: Flags;
  readonly args: readonly string[];
}

/** A flag that is unknown or whose value is wrong: usage is shown, exit 125. */
export class FlagError extends Error {
  override readonly name = 'FlagError';
}

/** `--help` was given. */
export class HelpRequested extends Error {
  override readonly name = 'HelpRequested';
}

/** The parsed values, read by type. Asking a flag for a type it has not is our own defect. */
export class Flags {
  readonly #values: ReadonlyMap<string, unknown>;
  constructor(values: ReadonlyMap<string, unknown>) {
    this.#values = values;
  }

  get isEmpty(): boolean {
    return this.#values.size === 0;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  bool(name: string, fallback = false): boolean {
    const value = this.#values.get(name) ?? fallback;
    if (typeof value !== 'boolean') throw this.#wrongType(name);
    return value;
  }

  string(name: string, fallback = ''): string {
    const value = this.#values.get(name) ?? fallback;
    if (typeof value !== 'string') throw this.#wrongType(name);
    return value;
  }

  number(name: string, fallback = 0): number {
    const value = this.#values.get(name) ?? fallback;
    if (typeof value !== 'number') throw this.#wrongType(name);
    return value;
  }

  list<T = string>(name: string): readonly T[] {
    const value = this.#values.get(name) ?? [];
    if (!Array.isArray(value)) throw this.#wrongType(name);
    return value as readonly T[];
  }

  map<T = Readonly<Record<string, string>>>(name: string): T {
    return (this.#values.get(name) ?? {}) as T;
  }

  filters(name: string): FilterSet {
    return (this.#values.get(name) ?? {}) as FilterSet;
  }

  #wrongType(name: string): EngineError {
    return new EngineError('internal', `flag --${name} is read as a type it does not have`);
  }
}

export function parseFlags(
  specs: readonly FlagSpec[],
  argv: readonly string[],
  rules: FlagRules,
): Parsed {
  const values = new Map<string, unknown>();
  const args: string[] = [];
  const reader = { argv, at: 0 };
  while (reader.at < argv.length) {
    const word = argv[reader.at] ?? '';
    reader.at += 1;
    if (word === '--') {
      args.push(...argv.slice(reader.at));
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      args.push(word);
      if (rules.interspersed) continue;
      args.push(...argv.slice(reader.at));
      break;
    }
    if (word.startsWith('--')) parseLong(specs, word, reader, values);
    else if (!parseSingleDash(specs, word, reader, values)) {
      parseShorthands(specs, word, reader, values);
    }
  }
  return { flags: new Flags(values), args };
}

interface Reader {
  readonly argv: readonly string[];
  at: number;
}

function parseLong(
  specs: readonly FlagSpec[],
  word: string,
  reader: Reader,
  values: Map<string, unknown>,
): void {
  const equals = word.indexOf('=');
  const name = word.slice(2, equals < 0 ? undefined : equals);
  if (name === '' || name.startsWith('-')) throw new FlagError(`bad flag syntax: ${word}`);
  const spec = specs.find((each) => each.name === name || each.alias === name);
  if (spec === undefined) {
    if (name === 'help') throw new HelpRequested();
    throw new FlagError(`unknown flag: --${name}`);
  }
  let text = equals < 0 ? spec.kind.bare : word.slice(equals + 1);
  if (text === undefined) {
    if (reader.at >= reader.argv.length) throw new FlagError(`flag needs an argument: ${word}`);
    text = reader.argv[reader.at] ?? '';
    reader.at += 1;
  }
  set(spec, text, values);
}

/** The book's `-name x` and `-net x`: only names that the table lists, whole words only. */
function parseSingleDash(
  specs: readonly FlagSpec[],
  word: string,
  reader: Reader,
  values: Map<string, unknown>,
): boolean {
  const name = word.slice(1).split('=', 1)[0] ?? '';
  const spec = specs.find((each) => each.singleDash?.includes(name));
  if (spec === undefined) return false;
  parseLong(specs, `--${spec.name}${word.slice(1 + name.length)}`, reader, values);
  return true;
}

function parseShorthands(
  specs: readonly FlagSpec[],
  word: string,
  reader: Reader,
  values: Map<string, unknown>,
): void {
  let rest = word.slice(1);
  while (rest !== '') {
    const letter = rest.slice(0, 1);
    const spec = specs.find((each) => each.short === letter);
    if (spec === undefined) {
      // pflag treats an undefined -h as a request for help.
      if (letter === 'h') throw new HelpRequested();
      throw new FlagError(`unknown shorthand flag: '${letter}' in -${rest}`);
    }
    // pflag takes the = off only when something follows it: `-e=` is the value "=".
    if (rest[1] === '=' && rest.length > 2) return set(spec, rest.slice(2), values);
    if (spec.kind.bare !== undefined) {
      set(spec, spec.kind.bare, values);
      rest = rest.slice(1);
      continue;
    }
    if (rest.length > 1) return set(spec, rest.slice(1), values);
    if (reader.at >= reader.argv.length) {
      throw new FlagError(`flag needs an argument: '${letter}' in -${rest}`);
    }
    set(spec, reader.argv[reader.at] ?? '', values);
    reader.at += 1;
    return;
  }
}

function set(spec: FlagSpec, text: string, values: Map<string, unknown>): void {
  try {
    values.set(spec.name, (spec.kind as FlagKind).parse(text, values.get(spec.name)));
  } catch (error) {
    const shown = spec.short === undefined ? `--${spec.name}` : `-${spec.short}, --${spec.name}`;
    const reason = messageOf(error);
    throw new FlagError(`invalid argument ${JSON.stringify(text)} for "${shown}" flag: ${reason}`);
  }
}
