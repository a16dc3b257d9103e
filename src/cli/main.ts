// The entry of the command line: find the command, parse its flags, load its code, run it, and
// turn what goes wrong into docker's texts and exit codes.
import { EngineError } from '#base/error.ts';
import { CliError, type CommandSpec } from './command.ts';
import type { EngineClient } from '#client/client.ts';
import { openClient } from './connect.ts';
import { chooseEngine } from './context/choose.ts';
import { ContextStore } from './context/store.ts';
import { errorText } from './each.ts';
import { FlagError, type Flags, HelpRequested, parseFlags } from './flags.ts';
import { helpText, PROGRAM, usageLine, VERSION } from './help.ts';
import { showNext } from './hint.ts';
import { suggest } from './suggest.ts';
import { GLOBAL_FLAGS, ROOT } from './table/root.ts';

/** Of --log-level, which scripts give: there is nothing to log here. */
const LEVELS = ['panic', 'fatal', 'error', 'warn', 'warning', 'info', 'debug', 'trace'];

/** Runs one command line (without the program's name) and resolves to the exit code. */
export async function runCli(argv: readonly string[]): Promise<number> {
  // Writing to a closed pipe ends us as SIGPIPE ends a C program.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(141);
  });
  try {
    return await dispatch(argv);
  } catch (error) {
    return report(error, argv);
  }
}

interface Found {
  readonly spec: CommandSpec;
  readonly path: string;
}

async function dispatch(argv: readonly string[]): Promise<number> {
  let at: Found = { spec: ROOT, path: PROGRAM };
  const globals = parseFor(at, GLOBAL_FLAGS, argv);
  if (globals === undefined) return 0;
  if (globals.flags.bool('version')) {
    process.stdout.write(`Coracle version ${VERSION}\n`);
    return 0;
  }
  const level = globals.flags.string('log-level', 'info').toLowerCase();
  if (!LEVELS.includes(level)) throw new CliError(1, `Unable to parse logging level: ${level}`);
  let words = globals.args;
  while (at.spec.children !== undefined) {
    const [word, ...rest] = words;
    if (at.spec.load !== undefined && !goesToChild(at.spec, word, rest)) break;
    if (word === undefined) {
      process.stderr.write(helpText(at.spec, at.path, GLOBAL_FLAGS));
      return 0;
    }
    if (word === '--help' || word === '-h') {
      process.stdout.write(helpText(at.spec, at.path, GLOBAL_FLAGS));
      return 0;
    }
    at = { spec: findChild(at, word), path: `${at.path} ${word}` };
    words = rest;
  }
  return runCommand(at, words, globals.flags);
}

async function runCommand(at: Found, words: readonly string[], globals: Flags): Promise<number> {
  const parsed = parseFor(at, at.spec.flags ?? [], words);
  if (parsed === undefined) return 0;
  checkArgs(at, parsed.args.length);
  if (at.spec.load === undefined) {
    throw new CliError(1, `'${at.path}' is started by the program's entry, not from here`);
  }
  const { run } = await at.spec.load();
  const configFolder = globals.string('config');
  const store = new ContextStore(configFolder);
  const opened: { client?: EngineClient } = {};
  return run({
    flags: parsed.flags,
    args: parsed.args,
    configFolder,
    path: at.path,
    globals,
    // Chosen when it is asked for: 'context use' must work while a bad one is current.
    get client() {
      opened.client ??= openClient(chooseEngine(globals, store, process.env));
      return opened.client;
    },
  });
}

/** Undefined when --help has been printed. */
function parseFor(at: Found, flags: CommandSpec['flags'], words: readonly string[]) {
  try {
    return parseFlags(flags ?? [], words, { interspersed: at.spec.interspersed ?? true });
  } catch (error) {
    if (error instanceof HelpRequested) {
      process.stdout.write(helpText(at.spec, at.path, GLOBAL_FLAGS));
      return undefined;
    }
    if (!(error instanceof FlagError)) throw error;
    const more = hint(error.message, flags ?? []);
    const help = `Run '${at.path} --help' for more information`;
    const usage = `Usage:  ${usageLine(at.spec, at.path)}`;
    throw new CliError(125, `${error.message}${more}\n\n${usage}\n\n${help}`);
  }
}

function hint(message: string, flags: NonNullable<CommandSpec['flags']>): string {
  const typed = /^unknown flag: --(.*)$/.exec(message)?.[1];
  if (typed === undefined) return '';
  const names = flags.filter(({ hidden }) => hidden !== true).map(({ name }) => name);
  const near = suggest(typed, names)[0];
  return near === undefined ? '' : `\n\nDid you mean --${near}?`;
}

function goesToChild(
  spec: CommandSpec,
  word: string | undefined,
  rest: readonly string[],
): boolean {
  if (word === undefined) return false;
  return namedChild(spec, word) !== undefined && spec.isForChild?.(rest) !== false;
}

function namedChild(spec: CommandSpec, word: string): CommandSpec | undefined {
  return spec.children?.find(
    ({ name, aliases }) => name === word || aliases?.includes(word) === true,
  );
}

function findChild(at: Found, word: string): CommandSpec {
  const children = at.spec.children ?? [];
  const found = namedChild(at.spec, word);
  if (found !== undefined) return found;
  const visible = children.filter(({ group }) => group !== 'hidden').map(({ name }) => name);
  const near = suggest(word, visible).slice(0, 3);
  const lines = [`${PROGRAM}: unknown command: ${at.path} ${word}`];
  if (near.length > 0) lines.push(`Did you mean ${near.map((name) => `'${name}'`).join(', ')}?`);
  if (at.spec !== ROOT) lines.push(`Usage:  ${at.path}`);
  lines.push(`Run '${at.path} --help' for more information`);
  throw new CliError(1, lines.join('\n\n'));
}

function checkArgs({ spec, path }: Found, count: number): void {
  const { args } = spec;
  const plural = (n: number): string => `${n} argument${n === 1 ? '' : 's'}`;
  let needs = '';
  if (args.rule === 'none' && count > 0) needs = 'accepts no arguments';
  else if (args.rule === 'exact' && count !== args.count) needs = `requires ${plural(args.count)}`;
  else if (args.rule === 'at-least' && count < args.count) {
    needs = `requires at least ${plural(args.count)}`;
  } else if (args.rule === 'range' && (count < args.min || count > args.max)) {
    needs =
      args.min === 0
        ? `requires at most ${plural(args.max)}`
        : `requires at least ${args.min} and at most ${plural(args.max)}`;
  }
  if (needs === '') return;
  const usage = `Usage:  ${usageLine(spec, path)}`;
  const see = args.rule === 'at-least' ? 'See' : 'Run';
  const help = `${see} '${path} --help' for more information`;
  throw new CliError(1, `${PROGRAM}: '${path}' ${needs}\n\n${usage}\n\n${help}`);
}

function report(error: unknown, argv: readonly string[]): number {
  const debug = argv.includes('-D') || argv.includes('--debug');
  const text = errorText(error);
  if (text !== '') process.stderr.write(`${text}\n`);
  if (text !== '') showNext([error], argv);
  if (debug && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
  else if (!(error instanceof CliError || error instanceof EngineError)) {
    process.stderr.write("This is a defect of Coracle; '-D' shows where it happened.\n");
  }
  return error instanceof CliError ? error.exitCode : 1;
}
