// The Dockerfile instructions that `docker import --change` and `docker commit --change` accept,
// applied to an image's config. Words, quotes, escapes and variables as in the Dockerfile
// reference.
import { EngineError } from '#base/error.ts';
import { parseDuration, splitWords, unquote } from './change-words.ts';
import type { Healthcheck, ImageConfig } from './config.ts';

/** Instructions in one request. */
export const CHANGES_MAX = 1000;
/** Bytes of one instruction. */
export const CHANGE_BYTES_MAX = 64 * 1024;

const DEFAULT_SHELL = ['/bin/sh', '-c'];

function refuse(message: string): EngineError {
  return new EngineError('invalid_argument', message);
}

type Apply = (config: ImageConfig, rest: string) => ImageConfig;

const INSTRUCTIONS: Readonly<Record<string, Apply>> = {
  CMD: (config, rest) => ({ ...config, cmd: command(config, rest) }),
  ENTRYPOINT: (config, rest) => ({ ...config, entrypoint: command(config, rest) }),
  ENV: (config, rest) => ({ ...config, env: mergeEnv(config.env, pairs('ENV', rest)) }),
  LABEL: (config, rest) => ({
    ...config,
    labels: { ...config.labels, ...Object.fromEntries(pairs('LABEL', rest)) },
  }),
  EXPOSE: (config, rest) => ({
    ...config,
    exposedPorts: union(config.exposedPorts, splitWords(rest).flatMap(ports)),
  }),
  USER: (config, rest) => ({ ...config, user: single('USER', rest) }),
  WORKDIR: (config, rest) => ({ ...config, workingDir: workdir(config, single('WORKDIR', rest)) }),
  VOLUME: (config, rest) => ({ ...config, volumes: union(config.volumes, volumes(rest)) }),
  STOPSIGNAL: (config, rest) => ({ ...config, stopSignal: single('STOPSIGNAL', rest) }),
  ONBUILD: (config, rest) => ({ ...config, onBuild: [...config.onBuild, onBuild(rest)] }),
  HEALTHCHECK: (config, rest) => ({ ...config, healthcheck: healthcheck(config, rest) }),
};

/** Applies the instructions in order; throws `invalid_argument` for one that is not allowed. */
export function applyChanges(config: ImageConfig, changes: readonly string[]): ImageConfig {
  if (changes.length > CHANGES_MAX) throw refuse('too many changes');
  let result = config;
  let hasCmd = false;
  for (const change of changes) {
    for (const line of logicalLines(change)) {
      const match = /^([A-Za-z]+)(?:\s+([\s\S]*))?$/.exec(line);
      const name = (match?.[1] ?? line).toUpperCase();
      const apply = Object.hasOwn(INSTRUCTIONS, name) ? INSTRUCTIONS[name] : undefined;
      if (apply === undefined) throw refuse(`${name.toLowerCase()} is not a valid change command`);
      const rest = (match?.[2] ?? '').trim();
      if (rest === '') throw refuse(`${name} requires at least one argument`);
      result = apply(result, rest);
      // The command belonged to another entry point, or was a whole command.
      if (name === 'ENTRYPOINT' && !hasCmd && (result.entrypoint?.length ?? 0) > 0) {
        result = { ...result, cmd: undefined };
      }
      hasCmd ||= name === 'CMD';
    }
  }
  return result;
}

/** A backslash at the end of a line continues it; comments and empty lines say nothing. */
function logicalLines(text: string): readonly string[] {
  if (text.length > CHANGE_BYTES_MAX) throw refuse('change is too long');
  return text
    .replace(/\\[ \t]*\r?\n/g, '')
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

/** The JSON form of an argument list, or undefined if the text is not that. */
function jsonStrings(text: string): readonly string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (!Array.isArray(value)) return undefined;
    return value.every((item) => typeof item === 'string') ? value : undefined;
  } catch {
    return undefined; // Then it is a shell line that starts with "[", as Docker takes it.
  }
}

function command(config: ImageConfig, rest: string): readonly string[] {
  return jsonStrings(rest) ?? [...(config.shell ?? DEFAULT_SHELL), rest];
}

/** `NAME=value ...` or, with one name only, the old form `NAME value`. */
function pairs(instruction: string, rest: string): readonly (readonly [string, string])[] {
  const words = splitWords(rest);
  const first = words[0] ?? '';
  if (!first.includes('=')) {
    const match = /^(\S+)\s+([\s\S]+)$/.exec(rest);
    if (match === null) throw refuse(`${instruction} must have two arguments`);
    return [[unquote(match[1] ?? ''), unquote(match[2] ?? '')]];
  }
  return words.map((word) => {
    const equals = word.indexOf('=');
    if (equals < 0) {
      throw refuse(`Syntax error - can't find = in "${word}". Must be of the form: name=value`);
    }
    const name = unquote(word.slice(0, equals));
    if (name === '') throw refuse(`${instruction} names can not be blank`);
    return [name, unquote(word.slice(equals + 1))];
  });
}

function mergeEnv(
  env: readonly string[],
  added: readonly (readonly [string, string])[],
): readonly string[] {
  const merged = new Map(env.map((entry) => [entry.split('=', 1)[0] ?? '', entry]));
  for (const [name, value] of added) merged.set(name, `${name}=${value}`);
  return [...merged.values()];
}

function union(list: readonly string[], added: readonly string[]): readonly string[] {
  return [...new Set([...list, ...added])].sort();
}

function ports(word: string): readonly string[] {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(unquote(word));
  const low = Number(match?.[1]);
  const high = Number(match?.[2] ?? match?.[1]);
  if (match === null || low < 1 || high > 65_535 || high < low) {
    throw refuse(`invalid containerPort: ${word}`);
  }
  const protocol = (match[3] ?? 'tcp').toLowerCase();
  return Array.from({ length: high - low + 1 }, (_, i) => `${low + i}/${protocol}`);
}

function single(instruction: string, rest: string): string {
  const value = unquote(rest);
  if (value !== '' && !(instruction === 'USER' && /\s/.test(value))) return value;
  throw refuse(`${instruction} requires exactly one argument`);
}

function workdir(config: ImageConfig, path: string): string {
  const whole = path.startsWith('/') ? path : `${config.workingDir}/${path}`;
  const parts: string[] = [];
  for (const part of whole.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

function volumes(rest: string): readonly string[] {
  const list = jsonStrings(rest) ?? splitWords(rest).map(unquote);
  if (list.some((path) => path.trim() === '')) {
    throw refuse('VOLUME specified can not be an empty string');
  }
  return list;
}

function onBuild(rest: string): string {
  const trigger = (rest.split(/\s/, 1)[0] ?? '').toUpperCase();
  if (trigger === 'ONBUILD') {
    throw refuse("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  }
  if (trigger === 'FROM' || trigger === 'MAINTAINER') {
    throw refuse(`${trigger} isn't allowed as an ONBUILD trigger`);
  }
  return rest;
}

const HEALTH_FLAGS: Readonly<Record<string, keyof Omit<Healthcheck, 'test'>>> = {
  interval: 'interval',
  timeout: 'timeout',
  retries: 'retries',
  'start-period': 'startPeriod',
  'start-interval': 'startInterval',
};

function healthcheck(config: ImageConfig, rest: string): Healthcheck {
  let result: Healthcheck = {
    test: [],
    interval: 0,
    timeout: 0,
    retries: 0,
    startPeriod: 0,
    startInterval: 0,
  };
  let text = rest;
  for (;;) {
    const flag = /^--([a-z-]+)=(\S+)\s*/.exec(text);
    if (flag === null) break;
    const key = Object.hasOwn(HEALTH_FLAGS, flag[1] ?? '')
      ? HEALTH_FLAGS[flag[1] ?? '']
      : undefined;
    if (key === undefined) throw refuse(`Unknown flag: ${flag[1]}`);
    result = { ...result, [key]: healthNumber(key, flag[2] ?? '') };
    text = text.slice(flag[0].length);
  }
  const match = /^(\S+)(?:\s+([\s\S]+))?$/.exec(text);
  const kind = (match?.[1] ?? '').toUpperCase();
  if (kind === 'NONE') {
    if (match?.[2] !== undefined) throw refuse('HEALTHCHECK NONE takes no arguments');
    return { ...result, test: ['NONE'] };
  }
  if (kind !== 'CMD') throw refuse(`Unknown type "${kind}" in HEALTHCHECK (try CMD)`);
  const line = (match?.[2] ?? '').trim();
  if (line === '') throw refuse('Missing command after HEALTHCHECK CMD');
  const list = jsonStrings(line);
  // A shell other than the default cannot be said with CMD-SHELL, which means /bin/sh -c.
  const test =
    list !== undefined
      ? ['CMD', ...list]
      : config.shell === undefined
        ? ['CMD-SHELL', line]
        : ['CMD', ...config.shell, line];
  return { ...result, test };
}

function healthNumber(key: string, text: string): number {
  if (key === 'retries') {
    if (!/^\d{1,9}$/.test(text)) throw refuse('--retries must be a number that is not negative');
    return Number(text);
  }
  const ns = parseDuration(text);
  if (ns === undefined) throw refuse(`invalid duration "${text}"`);
  // 0 means "the default"; what is said must be at least a millisecond (Docker's rule).
  if (ns !== 0 && ns < 1_000_000) throw refuse(`Interval "${text}" cannot be less than 1ms`);
  return ns;
}
