// `coracle daemon` flags. Pure.
import { DAEMON_FLAGS, type DaemonFlag } from '#base/daemon-flag.ts';
import { EngineError } from '#base/error.ts';

export type Flags = {
  readonly help: boolean;
  readonly configFile: string | undefined;
  /** Only check the configuration. */
  readonly validate: boolean;
  /** By the name that the configuration file has for it; only what was given. */
  readonly given: ReadonlyMap<string, string | boolean | readonly string[]>;
};

const BY_NAME = new Map(DAEMON_FLAGS.map((flag) => [`--${flag.name}`, flag]));
const SHORT = new Map(
  DAEMON_FLAGS.flatMap(({ name, short }) =>
    short === undefined ? [] : [[`-${short}`, `--${name}`]],
  ),
);

export function parseFlags(argv: readonly string[]): Flags {
  const given = new Map<string, string | boolean | readonly string[]>();
  let help = false;
  let validate = false;
  let configFile: string | undefined;
  const rest = [...argv];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const { name, definition, inline } = lookUp(word);
    const value = definition.kind === 'boolean' ? boolean(name, inline) : (inline ?? rest.shift());
    if (value === undefined) throw usage(`flag needs an argument: ${name}`);
    if (name === '--help') help = value === true;
    else if (name === '--validate') validate = value === true;
    else if (name === '--config-file') configFile = String(value);
    else if (definition.kind === 'list') {
      const before = given.get(definition.key);
      given.set(definition.key, [...(Array.isArray(before) ? before : []), String(value)]);
    } else given.set(definition.key, value);
  }
  return { help, validate, configFile, given };
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

function boolean(name: string, inline: string | undefined): boolean {
  if (inline === undefined || inline === 'true' || inline === '1') return true;
  if (inline === 'false' || inline === '0') return false;
  throw usage(`invalid argument "${inline}" for "${name}" flag`);
}

function usage(text: string): EngineError {
  return new EngineError('invalid_argument', `${text}\nSee 'coracle daemon --help'.`);
}

export function helpText(): string {
  const lines = DAEMON_FLAGS.map(({ help, kind, name, short }) => {
    const left = `${short === undefined ? '    ' : `-${short}, `}--${name}`;
    return `  ${`${left}${kind === 'boolean' ? '' : ' VALUE'}`.padEnd(30)} ${help}`;
  });
  return [
    'Usage:  coracle daemon [OPTIONS]',
    '',
    'The engine. Runs in the foreground until SIGTERM; containers live on without it.',
    'SIGHUP reads the configuration file again: log level, labels, runtimes and registries change.',
    '',
    'Options:',
    ...lines,
    '',
  ].join('\n');
}
