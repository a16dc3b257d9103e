// What a container's monitor does with its output: the file it keeps, and where it sends each line
// besides. The forms are those of syslog (RFC 3164, RFC 5424) and of systemd's journal (its "native
// protocol"), with the values that Docker's drivers give them.
import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import { EngineError } from '#base/error.ts';
import { shortId } from '#base/id.ts';
import type { Box } from '#runtime/box.ts';
import type { Settings as AllSettings } from './deps.ts';
import { type LogWish, parseLogConfig } from './log-config.ts';
import type { ContainerRecord } from './record.ts';

export type LogPlan = Box['log'];
type Settings = Pick<AllSettings, 'logConfig' | 'hostHostname'>;
type Forward = NonNullable<Extract<LogPlan, { driver: 'json-file' }>['forward']>;

const JOURNAL = '/run/systemd/journal/socket';
/** As syslog(3): the first that is there. */
const SYSLOG_SOCKETS = ['/dev/log', '/var/run/syslog', '/var/run/log'];
const SYSLOG_PORT = 514;
/** Numbers from RFC 5424, table 1. */
const FACILITIES: Readonly<Record<string, number>> = {
  kern: 0,
  user: 1,
  mail: 2,
  daemon: 3,
  auth: 4,
  syslog: 5,
  lpr: 6,
  news: 7,
  uucp: 8,
  cron: 9,
  authpriv: 10,
  ftp: 11,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
};
const SEVERITY = { stdout: 6, stderr: 3 } as const;

/** Refuses at create what its options would make every start refuse. */
export function checkLog(record: ContainerRecord, settings: Settings): void {
  const wish = parseLogConfig(record.spec.host.logConfig, settings.logConfig);
  forwardOf(record, wish, settings, () => true);
  attributesOf(record, wish);
}

export function planLog(record: ContainerRecord, settings: Settings, path: string): LogPlan {
  const wish = parseLogConfig(record.spec.host.logConfig, settings.logConfig);
  if (wish.driver === 'none') return { driver: 'none' };
  const { maxBytes, maxFiles } = wish.file;
  const attributes = wish.driver === 'json-file' ? attributesOf(record, wish) : {};
  const forward = forwardOf(record, wish, settings, existsSync);
  return {
    driver: 'json-file',
    path: maxFiles === 0 ? '' : path,
    maxBytes,
    maxFiles,
    ...(Object.keys(attributes).length === 0 ? {} : { attributes: JSON.stringify(attributes) }),
    ...(forward === undefined ? {} : { forward }),
  };
}

function forwardOf(
  record: ContainerRecord,
  wish: LogWish,
  settings: Settings,
  exists: (path: string) => boolean,
): Forward | undefined {
  if (wish.driver === 'syslog') return toSyslog(record, wish, settings, exists);
  return wish.driver === 'journald' ? toJournal(record, wish, exists) : undefined;
}

function toSyslog(
  record: ContainerRecord,
  wish: LogWish,
  settings: Settings,
  exists: (path: string) => boolean,
): Forward {
  const place = syslogAddress(wish);
  const sockets = place.address === '' ? SYSLOG_SOCKETS : [place.address];
  const address = place.transport === 'unix' ? sockets.find(exists) : place.address;
  if (address === undefined) throw failed('Unix syslog delivery error');
  const facility = facilityOf(wish.options['syslog-facility'] ?? 'daemon');
  const tag = oneLine(tagOf(record, wish, '{{.ID}}'));
  const pri = (stream: keyof typeof SEVERITY) => `<${facility * 8 + SEVERITY[stream]}>`;
  const host = settings.hostHostname;
  const to = { transport: place.transport, address, port: place.port };
  const both = (more: string) => ({ stdout: pri('stdout') + more, stderr: pri('stderr') + more });
  const format = wish.options['syslog-format'] ?? '';
  switch (format) {
    case '':
      return { ...to, time: 'stamp', head: both(''), tail: ` ${tag}[${process.pid}]: ` };
    case 'rfc3164':
      return { ...to, time: 'stamp', head: both(''), tail: ` ${host} ${tag}[${process.pid}]: ` };
    case 'rfc5424':
    case 'rfc5424micro':
      return {
        ...to,
        time: format === 'rfc5424' ? 'seconds' : 'micro',
        head: both('1 '),
        tail: ` ${host} ${tag} ${process.pid} ${tag} - `,
      };
    default:
      throw invalid('Invalid syslog format');
  }
}

function facilityOf(text: string): number {
  const known = Object.hasOwn(FACILITIES, text) ? FACILITIES[text] : undefined;
  const number = known ?? (/^\d{1,2}$/.test(text) ? Number(text) : -1);
  if (number < 0 || number > 23) throw invalid('invalid syslog facility');
  return number;
}

type Place = Pick<Forward, 'transport' | 'address' | 'port'>;

/** "" is the local syslog; else unix://, unixgram://, udp:// or tcp://. */
function syslogAddress({ options }: LogWish): Place {
  const text = options['syslog-address'] ?? '';
  if (text === '') return { transport: 'unix', address: '', port: 0 };
  const match = /^([a-z+]+):\/\/(.*)$/.exec(text);
  if (match === null) {
    throw invalid(`syslog-address should be in form proto://address, got ${text}`);
  }
  const [, scheme = '', rest = ''] = match;
  if (scheme === 'unix' || scheme === 'unixgram') {
    if (!rest.startsWith('/')) throw invalid(`syslog-address: ${text} has no absolute path`);
    return { transport: 'unix', address: rest, port: 0 };
  }
  if (scheme === 'tcp+tls') {
    throw new EngineError(
      'not_implemented',
      'syslog-address: tcp+tls is not supported: send to a syslog on this host that forwards',
    );
  }
  if (scheme !== 'udp' && scheme !== 'tcp') throw invalid(`unsupported scheme: '${scheme}'`);
  const parts = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(rest);
  const host = parts?.[1] ?? parts?.[2] ?? '';
  const port = Number(parts?.[3] ?? SYSLOG_PORT);
  const address = host === 'localhost' ? '127.0.0.1' : host;
  if (isIP(address) === 0) {
    throw invalid(
      `syslog-address: ${JSON.stringify(host)} is no IP address: names are not looked up here, ` +
        'because the one who writes is the container’s monitor, which outlives the daemon',
    );
  }
  if (port < 1 || port > 65_535) throw invalid(`invalid port in syslog-address: ${text}`);
  return { transport: scheme, address, port };
}

function toJournal(
  record: ContainerRecord,
  wish: LogWish,
  exists: (path: string) => boolean,
): Forward {
  if (!exists(JOURNAL)) throw noJournal();
  const tag = oneLine(tagOf(record, wish, '{{.ID}}'));
  const fields = {
    CONTAINER_ID: shortId(record.id),
    CONTAINER_ID_FULL: record.id,
    CONTAINER_NAME: record.name,
    CONTAINER_TAG: tag,
    IMAGE_NAME: record.image.name,
    SYSLOG_IDENTIFIER: tag,
  };
  const extra = Object.entries(attributesOf(record, { ...wish, options: withoutTag(wish) }));
  const text = [...Object.entries(fields), ...extra.map(([key, value]) => [field(key), value])]
    .filter(([key]) => key !== '')
    .map(([key, value]) => `${key}=${oneLine(value ?? '')}\n`)
    .join('');
  const head = (stream: keyof typeof SEVERITY) => `PRIORITY=${SEVERITY[stream]}\n${text}`;
  return {
    transport: 'unix',
    address: JOURNAL,
    port: 0,
    time: 'none',
    head: { stdout: head('stdout'), stderr: head('stderr') },
    tail: 'MESSAGE=',
  };
}

function withoutTag({ options }: LogWish): LogWish['options'] {
  const { tag: _tag, ...others } = options;
  return others;
}

/**
 * Names of the journal's fields are upper case, and begin with a letter
 * (systemd.journal-fields(7)).
 */
function field(key: string): string {
  return key
    .toUpperCase()
    .replace(/[^A-Z0-9_]/g, '_')
    .replace(/^[^A-Z]+/, '');
}

/** Labels and variables that go with each line, by the options that name them. */
function attributesOf(record: ContainerRecord, wish: LogWish): Readonly<Record<string, string>> {
  const { options } = wish;
  const { labels, env } = record.merged;
  const variables = Object.fromEntries(
    env.map((entry) => {
      const at = entry.indexOf('=');
      return [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
  const tag = options['tag'];
  return {
    ...(tag === undefined || tag === '' ? {} : { tag: tagOf(record, wish, '') }),
    ...pick(labels, options, 'labels'),
    ...pick(variables, options, 'env'),
  };
}

function pick(
  from: Readonly<Record<string, string>>,
  options: LogWish['options'],
  what: 'labels' | 'env',
): Readonly<Record<string, string>> {
  const names = (options[what] ?? '').split(',').map((name) => name.trim());
  const pattern = options[`${what}-regex`];
  const matches = pattern === undefined || pattern === '' ? undefined : compile(pattern);
  return Object.fromEntries(
    Object.entries(from).filter(([name]) => names.includes(name) || (matches?.test(name) ?? false)),
  );
}

function compile(pattern: string): RegExp {
  try {
    return new RegExp(pattern, 'u');
  } catch (cause) {
    throw new EngineError('invalid_argument', `error parsing regexp: ${pattern}`, { cause });
  }
}

/** Docker's template of a tag: only fields are there, which is what its documentation names. */
function tagOf(record: ContainerRecord, { options }: LogWish, fallback: string): string {
  const { id, name, image, merged } = record;
  const imageId = image.id.replace(/^sha256:/, '');
  const fields: Readonly<Record<string, string>> = {
    ID: shortId(id),
    FullID: id,
    Name: name,
    ImageID: shortId(imageId),
    ImageFullID: image.id,
    ImageName: image.name,
    Command: [merged.path, ...merged.args].join(' '),
    DaemonName: 'coracle',
  };
  const template = options['tag'] || fallback;
  return template.replace(/\{\{\s*(.*?)\s*\}\}/g, (_all, expression: string) => {
    const value = expression.startsWith('.') ? fields[expression.slice(1)] : undefined;
    if (value === undefined) {
      throw invalid(`failed to parse log tag: {{${expression}}} is none of ${fieldNames(fields)}`);
    }
    return value;
  });
}

function fieldNames(fields: Readonly<Record<string, string>>): string {
  return Object.keys(fields)
    .map((key) => `{{.${key}}}`)
    .join(', ');
}

/** A newline would begin another line, or another field. */
function oneLine(text: string): string {
  return text.replace(/[\n\r\0]+/g, ' ');
}

function failed(why: string): EngineError {
  return new EngineError('unavailable', `failed to initialize logging driver: ${why}`);
}

function noJournal(): EngineError {
  return failed('journald is not enabled on this host');
}

function invalid(text: string): EngineError {
  return new EngineError('invalid_argument', text);
}
