// The kinds of values that only `run` and `create` have, each checked as docker checks it.
import { isIP } from 'node:net';
import { parseSize } from '#base/bytes.ts';
import { parseReference } from '#base/reference.ts';
import { type FlagKind, invalid, parseInteger, quote } from '../flag-kind.ts';

/** A list whose every value passes `check`, which returns what is kept. */
function checkedList(check: (text: string) => string, word = 'list'): FlagKind<readonly string[]> {
  return { word, parse: (text, before) => [...(before ?? []), check(text)] };
}

export const attachKind = checkedList((text) => {
  const stream = text.toLowerCase();
  if (['stdin', 'stdout', 'stderr'].includes(stream)) return stream;
  throw invalid('valid streams are STDIN, STDOUT and STDERR');
});

/** `A=b` as it is; `A` alone takes the value from our own environment when there is one. */
export const envKind = checkedList((text) => {
  const equals = text.indexOf('=');
  if (equals === 0 || text === '') throw invalid(`invalid environment variable: ${text}`);
  if (equals > 0) return text;
  const value = process.env[text];
  return value === undefined ? text : `${text}=${value}`;
});

export const labelKind = checkedList((text) => {
  const name = text.split('=', 1)[0] ?? '';
  if (name.trim() === '') throw invalid(`invalid label '${text}': empty name`);
  if (/\s/.test(name.trimStart())) throw invalid(`label '${name}' contains whitespaces`);
  return text;
});

export const tagKind = checkedList((text) => {
  parseReference(text);
  return text;
});

export const addHostKind = checkedList((text) => {
  // `host:ip` or `host=ip`; brackets around an IPv6 address are for the reader.
  const split = /^([^=]*)=(.*)$/.exec(text) ?? /^([^:]*):(.*)$/.exec(text);
  const [, host = '', given = ''] = split ?? [];
  if (host === '' || given === '') throw invalid(`bad format for add-host: ${quote(text)}`);
  const address = /^\[(.*)\]$/.exec(given)?.[1] ?? given;
  if (address !== 'host-gateway' && isIP(address) === 0) {
    throw invalid(`invalid IP address in add-host: ${quote(address)}`);
  }
  return `${host}:${address}`;
});

export const dnsKind = checkedList((text) => {
  if (isIP(text.trim()) === 0) throw invalid(`IP address is not correctly formatted: ${text}`);
  return text.trim();
});

const LABEL = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const DOMAIN = new RegExp(`^(${LABEL}(?:\\.${LABEL})*)\\.?\\s*$`);

export const dnsSearchKind = checkedList((text) => {
  const domain = text.replace(/^ +| +$/g, '');
  if (domain === '.') return domain;
  const name = DOMAIN.exec(domain)?.[1];
  if (!/[a-zA-Z]/.test(domain) || name === undefined || name.length >= 255) {
    throw invalid(`${domain} is not a valid domain`);
  }
  return name;
});

export const linkKind = checkedList((text) => {
  if (text === '') throw invalid('empty string specified for links');
  if (text.split(':').length > 2) throw invalid(`bad format for links: ${text}`);
  return text;
});

export const deviceRuleKind = checkedList((text) => {
  if (/^[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}$/.test(text)) return text;
  throw invalid(`invalid device cgroup format '${text}'`);
});

const SYSCTLS = ['kernel.msgmax', 'kernel.msgmnb', 'kernel.msgmni', 'kernel.sem', 'kernel.shmall'];
const SYSCTLS_MORE = ['kernel.shmmax', 'kernel.shmmni', 'kernel.shm_rmid_forced'];

/** Only the sysctls of namespaces. */
export const sysctlKind: FlagKind<Record<string, string>> = {
  word: 'map',
  parse(text, before) {
    const equals = text.indexOf('=');
    const name = equals < 0 ? text : text.slice(0, equals);
    const known = SYSCTLS.includes(name) || SYSCTLS_MORE.includes(name);
    const namespaced = /^(net\.|fs\.mqueue\.)/.test(name);
    if (equals < 0 || !(known || namespaced)) throw invalid(`sysctl '${text}' is not allowed`);
    return { ...before, [name]: text.slice(equals + 1) };
  },
};

export interface Ulimit {
  readonly Name: string;
  readonly Hard: number;
  readonly Soft: number;
}

const ULIMITS = new Set(
  (
    'core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime ' +
    'sigpending stack'
  ).split(' '),
);

export const ulimitKind: FlagKind<Readonly<Record<string, Ulimit>>> = {
  word: 'ulimit',
  parse: (text, before) => {
    const limit = parseUlimit(text);
    return { ...before, [limit.Name]: limit };
  },
};

function parseUlimit(text: string): Ulimit {
  const equals = text.indexOf('=');
  if (equals < 0) throw invalid(`invalid ulimit argument: ${text}`);
  const name = text.slice(0, equals);
  if (!ULIMITS.has(name)) throw invalid(`invalid ulimit type: ${name}`);
  const values = text.slice(equals + 1).split(':');
  if (values.length > 2) {
    const range = 'can only have up to two, `soft[:hard]`';
    throw invalid(`too many limit value arguments - ${text.slice(equals + 1)}, ${range}`);
  }
  const soft = parseInteger(values[0] ?? '');
  const hard = values[1] === undefined ? soft : parseInteger(values[1]);
  if (hard !== -1 && (soft === -1 || soft > hard)) {
    const what = 'ulimit soft limit must be less than or equal to hard limit';
    const softText = soft === -1 ? `soft: ${soft} (unlimited), hard: ${hard}` : `${soft} > ${hard}`;
    throw invalid(`${what}: ${softText}`);
  }
  return { Name: name, Hard: hard, Soft: soft };
}

export interface ThrottleDevice {
  readonly Path: string;
  readonly Rate: number;
}

const RATE_FORMAT = 'The correct format is <device-path>:<number>';

export const throttleBps: FlagKind<readonly ThrottleDevice[]> = {
  word: 'list',
  parse: (text, before) => {
    const { path, value } = splitDevice(text);
    try {
      return [...(before ?? []), { Path: path, Rate: parseSize(value) }];
    } catch {
      const units = 'Unit is optional and can be kb, mb, or gb';
      const number = 'Number must be a positive integer';
      const format = `${RATE_FORMAT}[<unit>]`;
      throw invalid(`invalid rate for device: ${text}. ${format}. ${number}. ${units}`);
    }
  },
};

export const throttleIops: FlagKind<readonly ThrottleDevice[]> = {
  word: 'list',
  parse: (text, before) => {
    const { path, value } = splitDevice(text);
    if (/^\d{1,15}$/.test(value)) return [...(before ?? []), { Path: path, Rate: Number(value) }];
    const number = 'Number must be a positive integer';
    throw invalid(`invalid rate for device: ${text}. ${RATE_FORMAT}. ${number}`);
  },
};

export interface WeightDevice {
  readonly Path: string;
  readonly Weight: number;
}

export const weightDevice: FlagKind<readonly WeightDevice[]> = {
  word: 'list',
  parse: (text, before) => {
    const { path, value } = splitDevice(text);
    const weight = /^\d{1,5}$/.test(value) ? Number(value) : Number.NaN;
    if (!(weight === 0 || (weight >= 10 && weight <= 1000))) {
      throw invalid(`invalid weight for device: ${text}`);
    }
    return [...(before ?? []), { Path: path, Weight: weight }];
  },
};

function splitDevice(text: string): { path: string; value: string } {
  const colon = text.indexOf(':');
  if (colon <= 0) throw invalid(`bad format: ${text}`);
  const path = text.slice(0, colon);
  if (!path.startsWith('/dev/')) throw invalid(`bad format for device path: ${text}`);
  return { path, value: text.slice(colon + 1) };
}
