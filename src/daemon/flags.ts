// `coracle daemon` flags. Pure.
import { DAEMON_FLAGS, type DaemonFlag, FOREIGN_FLAGS, SETTING_FLAGS } from '#base/daemon-flag.ts';
import { EngineError } from '#base/error.ts';

export type Flags = {
  readonly help: boolean;
  readonly configFile: string | undefined;
  /** Only check the configuration. */
  readonly validate: boolean;
  /** Only print the version. */
  readonly version: boolean;
  /** As the configuration file would have it; only what was given. */
  readonly given: ReadonlyMap<string, unknown>;
};

const BY_NAME = new Map(DAEMON_FLAGS.map((flag) => [`--${flag.name}`, flag]));
const SHORT = new Map(
  DAEMON_FLAGS.flatMap(({ name, short }) =>
    short === undefined ? [] : [[`-${short}`, `--${name}`]],
  ),
);

/** strconv.ParseBool. */
const SWITCHES = new Set('1 t T true TRUE True 0 f F false FALSE False'.split(' '));

export function parseFlags(argv: readonly string[]): Flags {
  const given = new Map<string, unknown>();
  const asked = new Set<string>();
  let configFile: string | undefined;
  const rest = argv.flatMap(splitShort);
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const { name, definition, inline } = lookUp(word);
    const { key, kind } = definition;
    const text = kind === 'boolean' ? (inline ?? 'true') : (inline ?? rest.shift());
    if (text === undefined) throw usage(`flag needs an argument: ${name}`);
    const value = parseValue(definition, text, given.get(key));
    if (name === '--config-file') configFile = text;
    else if (key === '') asked[value === true ? 'add' : 'delete'](name);
    else given.set(key, value);
  }
  const [help, validate, version] = ['--help', '--validate', '--version'].map((name) =>
    asked.has(name),
  );
  return {
    help: help === true,
    validate: validate === true,
    version: version === true,
    configFile,
    given,
  };
}

/** `-HVALUE`, `-H=VALUE`, and switches in front of it, are written as dockerd takes them, too. */
function splitShort(word: string): readonly string[] {
  if (!/^-[^-]./.test(word)) return [word];
  const [first, after] = [word.slice(0, 2), word.slice(2)];
  const definition = BY_NAME.get(SHORT.get(first) ?? '');
  if (definition === undefined) return [word];
  if (after.startsWith('=')) return [`--${definition.name}${after}`];
  return definition.kind === 'boolean'
    ? [first, ...splitShort(`-${after}`)]
    : [`--${definition.name}=${after}`];
}

/** What the configuration file would have for the key; `before` is what earlier flags made. */
function parseValue({ kind, name }: DaemonFlag, text: string, before: unknown): unknown {
  const wrong = (why: string): EngineError =>
    usage(`invalid argument "${text}" for "--${name}" flag: ${why}`);
  const add = (key: string, value: unknown): unknown => ({ ...(before ?? {}), [key]: value });
  const at = text.indexOf('=');
  const [key, value] = at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
  switch (kind) {
    case 'text':
      return text;
    case 'boolean':
      if (!SWITCHES.has(text)) throw wrong('it is true or false');
      return /^(1|t)/i.test(text);
    case 'number':
      if (!/^[-+]?\d+$/.test(text)) throw wrong('it is no number');
      return Number(text);
    case 'list':
      return [...(Array.isArray(before) ? before : []), text];
    case 'entry':
      return add(name, text);
    case 'pairs':
      return add(key, value);
    case 'runtimes':
      if (key === '' || value === '') throw wrong('it is NAME=PATH');
      return add(key, { path: value });
    case 'ulimits': {
      const limit = /^(-?\d+)(?::(-?\d+))?$/.exec(value);
      if (limit === null) throw wrong('it is NAME=SOFT or NAME=SOFT:HARD');
      const [, soft, hard = soft] = limit;
      return add(key, { Name: key, Soft: Number(soft), Hard: Number(hard) });
    }
    case 'options': {
      const option = value.indexOf('=');
      if (option < 1) throw wrong('it is DRIVER=KEY=VALUE');
      const options = (before as Record<string, object> | undefined)?.[key];
      return add(key, { ...options, [value.slice(0, option)]: value.slice(option + 1) });
    }
    default:
      return kind satisfies never;
  }
}

function lookUp(word: string): {
  readonly name: string;
  readonly definition: DaemonFlag;
  readonly inline: string | undefined;
} {
  const at = word.startsWith('--') ? word.indexOf('=') : -1;
  const written = at === -1 ? word : word.slice(0, at);
  const name = SHORT.get(written) ?? written;
  const definition = BY_NAME.get(name);
  if (definition === undefined) {
    throw usage(
      word.startsWith('-')
        ? `unknown flag: ${written}`
        : `"coracle daemon" accepts no arguments, but got "${word}"`,
    );
  }
  return { name, definition, inline: at === -1 ? undefined : word.slice(at + 1) };
}

function usage(text: string): EngineError {
  return new EngineError('invalid_argument', `${text}\nSee 'coracle daemon --help'.`);
}

/** Where the explanation begins; a flag that is longer has it on the next line. */
const HELP_COLUMN = 36;

function helpLine({ help, kind, name, short }: DaemonFlag): string {
  const dash = short === undefined ? '    ' : `-${short}, `;
  const left = `  ${dash}--${name}${kind === 'boolean' ? '' : ' VALUE'}`;
  if (left.length < HELP_COLUMN) return left.padEnd(HELP_COLUMN) + help;
  return `${left}\n${' '.repeat(HELP_COLUMN)}${help}`;
}

export function helpText(): string {
  return [
    'Usage:  coracle daemon [OPTIONS]',
    '',
    'The engine. Runs in the foreground until SIGTERM; containers live on without it.',
    'SIGHUP reads the configuration file again: log level, labels, runtimes and registries change.',
    '',
    'Options:',
    ...SETTING_FLAGS.map(helpLine),
    '',
    'Options of dockerd, with what is so here:',
    ...FOREIGN_FLAGS.map(helpLine),
    '',
  ].join('\n');
}
