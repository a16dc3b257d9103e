// Statements -> instructions. The texts of what is refused are buildkit's and dockerd's.
import { isEngineError } from '#base/error.ts';
import { parseDuration, splitWords } from '#image/change-words.ts';
import { failure, fault, type Place } from './fault.ts';
import { type FlagKind, type Flags, readFlags } from './flags.ts';
import type { Command, Copy, Healthcheck, Instruction, Located, Pair } from './instruction.ts';
import { parseSource, type Source, type Statement } from './source.ts';
import { expandWord } from './words.ts';

/** From and to the same file: `FROM a AS b` may come so often. */
const STAGE_NAME = /^[a-z][a-z0-9-_.]*$/;
const NANOSECONDS_MIN = 1_000_000;

type Parse = (statement: Statement, context: { readonly escapeChar: string }) => Instruction;
type Rule = {
  readonly flags?: Readonly<Record<string, FlagKind>>;
  readonly parse: (s: Statement, flags: Flags, escapeChar: string) => Instruction;
};

const COPY_FLAGS = {
  chown: 'text',
  chmod: 'text',
  link: 'bool',
  exclude: 'list',
} as const;

const RULES: Readonly<Record<string, Rule>> = {
  FROM: { flags: { platform: 'text' }, parse: parseFrom },
  ARG: { parse: (s, _flags, escapeChar) => parseArg(s, escapeChar) },
  ENV: { parse: (s, _f, escapeChar) => ({ kind: 'env', pairs: pairsOf(s, escapeChar) }) },
  LABEL: { parse: (s, _f, escapeChar) => ({ kind: 'label', pairs: pairsOf(s, escapeChar) }) },
  RUN: { flags: { mount: 'list', network: 'text', security: 'text' }, parse: parseRun },
  COPY: {
    flags: { ...COPY_FLAGS, from: 'text', parents: 'bool' },
    parse: (s, flags, escapeChar) => parseCopy('copy', s, flags, escapeChar),
  },
  ADD: {
    flags: { ...COPY_FLAGS, checksum: 'text', 'keep-git-dir': 'bool', unpack: 'bool' },
    parse: (s, flags, escapeChar) => parseCopy('add', s, flags, escapeChar),
  },
  CMD: { parse: (s) => ({ kind: 'cmd', command: commandOf(s, s.rest) }) },
  ENTRYPOINT: { parse: (s) => ({ kind: 'entrypoint', command: commandOf(s, s.rest) }) },
  EXPOSE: { parse: (s, _f, escapeChar) => ({ kind: 'expose', ports: many(s, escapeChar) }) },
  VOLUME: { parse: parseVolume },
  USER: { parse: (s) => ({ kind: 'user', user: one(s) }) },
  WORKDIR: { parse: (s) => ({ kind: 'workdir', path: one(s) }) },
  SHELL: { parse: parseShell },
  STOPSIGNAL: { parse: (s) => ({ kind: 'stopsignal', signal: one(s) }) },
  MAINTAINER: { parse: (s) => ({ kind: 'maintainer', name: one(s) }) },
  ONBUILD: { parse: parseOnBuild },
  HEALTHCHECK: {
    flags: {
      interval: 'text',
      timeout: 'text',
      'start-period': 'text',
      'start-interval': 'text',
      retries: 'text',
    },
    parse: parseHealthcheck,
  },
};
export const INSTRUCTION_NAMES: readonly string[] = Object.keys(RULES);

export type Parsed = { readonly source: Source; readonly instructions: readonly Located[] };

export function parseInstructions(text: string): Parsed {
  const source = parseSource(text);
  const { escapeChar } = source;
  const instructions = source.statements.map((statement) => ({
    statement,
    place: statement.place,
    instruction: parseStatement(statement, { escapeChar }),
  }));
  return { source, instructions };
}

export const parseStatement: Parse = (statement, { escapeChar }) => {
  const rule = Object.hasOwn(RULES, statement.name) ? RULES[statement.name] : undefined;
  if (rule === undefined) throw fault(statement.place, unknownInstruction(statement.name));
  const flags = readFlags(statement.flags, rule.flags ?? {}, statement.place);
  return rule.parse(statement, flags, escapeChar);
};

/** A trigger of ONBUILD, when it is pulled. */
export function parseTrigger(text: string, escapeChar: string): Located {
  const [statement] = parseSource(text).statements;
  if (statement === undefined) throw fault(undefined, 'empty ONBUILD trigger');
  return {
    statement,
    place: statement.place,
    instruction: parseStatement(statement, { escapeChar }),
  };
}

function unknownInstruction(name: string): string {
  const near = INSTRUCTION_NAMES.find((known) => isNear(known, name));
  return `unknown instruction: ${name}${near === undefined ? '' : ` (did you mean ${near}?)`}`;
}

/** One letter more, less, other or swapped. */
function isNear(known: string, name: string): boolean {
  if (Math.abs(known.length - name.length) > 1) return false;
  let at = 0;
  while (at < known.length && known[at] === name[at]) at += 1;
  const [a, b] = [known.slice(at), name.slice(at)];
  const swapped = a.length > 1 && a[0] === b[1] && a[1] === b[0] && a.slice(2) === b.slice(2);
  return swapped || a.slice(1) === b.slice(1) || a.slice(1) === b || a === b.slice(1);
}

function one(s: Statement): string {
  if (s.rest === '') throw fault(s.place, `${s.name} requires exactly one argument`);
  return s.rest;
}

function many(s: Statement, escapeChar: string): readonly string[] {
  const words = splitWords(s.rest, escapeChar);
  if (words.length === 0) throw fault(s.place, `${s.name} requires at least one argument`);
  return words;
}

/** undefined: it is a shell form. A JSON list of something else than strings is neither. */
function jsonList(s: Statement, text: string): readonly string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(list)) return undefined;
  if (list.every((item) => typeof item === 'string')) return list;
  throw fault(s.place, 'when using JSON array syntax, arrays must be comprised of strings only');
}

/** undefined: `CMD []` and a bare `CMD` take what there was away. */
function commandOf(s: Statement, text: string): Command | undefined {
  const argv = jsonList(s, text);
  if (argv === undefined) return text === '' ? undefined : { form: 'shell', line: text };
  return argv.length === 0 ? undefined : { form: 'exec', argv };
}

function parseFrom(s: Statement, flags: Flags): Instruction {
  const words = s.rest.split(/\s+/).filter((word) => word !== '');
  const [image = '', as = '', stage = ''] = words;
  const named = words.length === 3 && as.toLowerCase() === 'as';
  if (words.length !== 1 && !named) {
    throw fault(s.place, 'FROM requires either one or three arguments');
  }
  const name = stage.toLowerCase();
  if (named && !STAGE_NAME.test(name)) {
    throw fault(
      s.place,
      `invalid name for build stage: "${stage}", name can't start with a number or contain symbols`,
    );
  }
  return { kind: 'from', image, stage: name, platform: flags.text('platform') };
}

function parseArg(s: Statement, escapeChar: string): Instruction {
  const args = many(s, escapeChar).map((word) => {
    const equals = word.indexOf('=');
    const name = equals < 0 ? word : word.slice(0, equals);
    if (name === '') throw fault(s.place, 'ARG names can not be blank');
    return { name, value: equals < 0 ? undefined : word.slice(equals + 1) };
  });
  return { kind: 'arg', args };
}

/** `NAME=value ...`, or with one name only the old form `NAME value`. */
function pairsOf(s: Statement, escapeChar: string): readonly Pair[] {
  const words = many(s, escapeChar);
  if (!(words[0] ?? '').includes('=')) {
    const match = /^(\S+)\s+([\s\S]+)$/.exec(s.rest);
    if (match === null) throw fault(s.place, `${s.name} must have two arguments`);
    return [{ name: match[1] ?? '', value: match[2] ?? '' }];
  }
  return words.map((word) => {
    const equals = word.indexOf('=');
    if (equals < 0) {
      throw fault(
        s.place,
        `Syntax error - can't find = in "${word}". Must be of the form: name=value`,
      );
    }
    if (equals === 0) throw fault(s.place, `${s.name} names can not be blank`);
    return { name: word.slice(0, equals), value: word.slice(equals + 1) };
  });
}

function parseRun(s: Statement, flags: Flags): Instruction {
  const command = commandOf(s, s.rest);
  if (command === undefined) throw fault(s.place, 'RUN requires at least one argument');
  const network = flags.text('network');
  if (!['', 'default', 'none', 'host'].includes(network)) {
    throw fault(s.place, `unsupported network mode: "${network}"`);
  }
  const security = flags.text('security');
  if (!['', 'sandbox', 'insecure'].includes(security)) {
    throw fault(s.place, `unsupported security mode: "${security}"`);
  }
  const mounts = flags.list('mount');
  return { kind: 'run', command, mounts, network, security, heredocs: s.heredocs };
}

function parseCopy(kind: 'copy' | 'add', s: Statement, flags: Flags, escapeChar: string): Copy {
  const words = jsonList(s, s.rest) ?? splitWords(s.rest, escapeChar);
  if (words.length === 0) throw fault(s.place, `${s.name} requires at least one argument`);
  if (words.length === 1) {
    throw fault(
      s.place,
      `${s.name} requires at least two arguments, but only one was provided. ` +
        'Destination could not be determined',
    );
  }
  const marks = new Set(s.heredocs.map(({ name }) => name));
  const isMark = (word: string): boolean => {
    const name = /^\d*<<-?["']?([^"'<]+)["']?$/.exec(word)?.[1];
    return name !== undefined && marks.has(name);
  };
  const target = words.at(-1) ?? '';
  if (isMark(target)) throw fault(s.place, `${s.name} requires a destination that is no heredoc`);
  const isTrue = (name: string): boolean => flags.bool(name) ?? false;
  return {
    kind,
    sources: words.slice(0, -1).filter((word) => !isMark(word)),
    target,
    heredocs: s.heredocs,
    from: flags.text('from'),
    chown: flags.text('chown'),
    chmod: flags.text('chmod'),
    link: isTrue('link'),
    parents: isTrue('parents'),
    exclude: flags.list('exclude'),
    checksum: flags.text('checksum'),
    keepGitDir: isTrue('keep-git-dir'),
    unpack: flags.bool('unpack'),
  };
}

function parseVolume(s: Statement, _flags: Flags, escapeChar: string): Instruction {
  const paths = jsonList(s, s.rest) ?? splitWords(s.rest, escapeChar);
  if (paths.length === 0) throw fault(s.place, 'VOLUME requires at least one argument');
  if (paths.some((path) => path.trim() === '')) {
    throw fault(s.place, 'VOLUME specified can not be an empty string');
  }
  return { kind: 'volume', paths };
}

function parseShell(s: Statement): Instruction {
  const argv = jsonList(s, s.rest);
  if (argv === undefined) {
    throw fault(s.place, 'SHELL requires the arguments to be in JSON form');
  }
  if (argv.length === 0) throw fault(s.place, 'SHELL requires at least one argument');
  return { kind: 'shell', argv };
}

function parseOnBuild(s: Statement): Instruction {
  if (s.rest === '') throw fault(s.place, 'ONBUILD requires at least one argument');
  const name = (/^\S+/.exec(s.rest)?.[0] ?? '').toUpperCase();
  if (name === 'ONBUILD') {
    throw fault(s.place, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  }
  if (name === 'MAINTAINER' || name === 'FROM') {
    throw fault(s.place, `${name} isn't allowed as an ONBUILD trigger`);
  }
  const heredocs = s.heredocs.map(({ name: mark, content }) => `\n${content}${mark}`).join('');
  return { kind: 'onbuild', trigger: `${s.rest}${heredocs}` };
}

function parseHealthcheck(s: Statement, flags: Flags): Healthcheck {
  const [, type = '', rest = ''] = /^(\S*)\s*([\s\S]*)$/.exec(s.rest) ?? [];
  const kind = type.toUpperCase();
  if (kind === '') throw fault(s.place, 'HEALTHCHECK requires at least one argument');
  const times = {
    interval: durationOf(s, flags, 'interval'),
    timeout: durationOf(s, flags, 'timeout'),
    startPeriod: durationOf(s, flags, 'start-period'),
    startInterval: durationOf(s, flags, 'start-interval'),
    retries: retriesOf(s, flags),
  };
  if (kind === 'NONE') {
    if (rest !== '') throw fault(s.place, 'HEALTHCHECK NONE takes no arguments');
    return { kind: 'healthcheck', command: undefined, ...times };
  }
  if (kind !== 'CMD') throw fault(s.place, `Unknown type "${type}" in HEALTHCHECK (try CMD)`);
  const command = commandOf(s, rest);
  if (command === undefined) throw fault(s.place, 'Missing command after HEALTHCHECK CMD');
  return { kind: 'healthcheck', command, ...times };
}

function durationOf(s: Statement, flags: Flags, name: string): number {
  const text = flags.text(name);
  if (text === '') return 0;
  const value = parseDuration(text);
  if (value === undefined) throw fault(s.place, `time: invalid duration "${text}"`);
  if (value !== 0 && value < NANOSECONDS_MIN) {
    throw fault(s.place, `Interval "${name}" cannot be less than 1ms`);
  }
  return value;
}

function retriesOf(s: Statement, flags: Flags): number {
  const text = flags.text('retries');
  if (text === '') return 0;
  if (!/^\d{1,9}$/.test(text)) {
    throw fault(s.place, `--retries must be at least 0 (not ${text})`);
  }
  return Number(text);
}

/** A word that a build expands, with the place of what is wrong with it. */
export function expandAt(
  word: string,
  place: Place,
  expansion: Parameters<typeof expandWord>[1],
): string {
  try {
    return expandWord(word, expansion);
  } catch (error) {
    if (!isEngineError(error, 'invalid_argument')) throw error;
    throw failure(place, `failed to process ${JSON.stringify(word)}: ${error.message}`);
  }
}
