// HostConfig.LogConfig: which driver, and its options. All drivers that are there write through the
// monitor; what a driver does not write to the container's own file is read from there nevertheless
// (Docker's "dual logging"). Texts are Docker's. Pure.
import { parseSize } from '#base/bytes.ts';
import { EngineError } from '#base/error.ts';
import type { HostConfig } from './spec.ts';

export const LOG_DRIVERS = ['json-file', 'local', 'syslog', 'journald', 'none'] as const;
export type LogDriver = (typeof LOG_DRIVERS)[number];

const COMMON = ['mode', 'max-buffer-size'];
const ROTATION = ['max-size', 'max-file', 'compress'];
const ATTRIBUTES = ['labels', 'labels-regex', 'env', 'env-regex', 'tag'];
const CACHE = ['cache-disabled', 'cache-max-size', 'cache-max-file', 'cache-compress'];
const OPTIONS: Readonly<Record<LogDriver, readonly string[]>> = {
  'json-file': [...ROTATION, ...ATTRIBUTES],
  local: ROTATION,
  syslog: [
    ...ATTRIBUTES,
    ...CACHE,
    'syslog-address',
    'syslog-facility',
    'syslog-format',
    'syslog-tls-ca-cert',
    'syslog-tls-cert',
    'syslog-tls-key',
    'syslog-tls-skip-verify',
  ],
  journald: [...ATTRIBUTES, ...CACHE],
  none: [],
};
const LOG_FILES_MAX = 1000;
/** What Docker's local driver keeps, and its cache for drivers that cannot be read. */
const LOCAL_BYTES = 20 * 1024 * 1024;
const LOCAL_FILES = 5;

/** The container's own log; no file at all where `maxFiles` is 0. */
export type LogFile = { readonly maxBytes: number; readonly maxFiles: number };
export type LogWish = {
  readonly driver: LogDriver;
  readonly file: LogFile;
  readonly options: Readonly<Record<string, string>>;
};

/** What is empty comes from the daemon's configuration. */
export function parseLogConfig(
  config: HostConfig['logConfig'],
  defaults: HostConfig['logConfig'],
): LogWish {
  const type = config.type || defaults.type || 'json-file';
  const options =
    config.type === '' || config.type === defaults.type
      ? { ...defaults.config, ...config.config }
      : config.config;
  const driver = LOG_DRIVERS.find((each) => each === type);
  if (driver === undefined) {
    throw invalid(
      `logger: no log driver named '${type}' is registered (there are: ${LOG_DRIVERS.join(', ')})`,
    );
  }
  // Whatever is said about it: none takes no notice, as dockerd.
  if (driver === 'none') return { driver, file: { maxBytes: 0, maxFiles: 0 }, options: {} };
  for (const key of Object.keys(options)) {
    if (OPTIONS[driver].includes(key) || COMMON.includes(key)) continue;
    throw invalid(`unknown log opt '${key}' for ${driver} log driver`);
  }
  checkMode(options);
  return { driver, file: fileOf(driver, options), options };
}

/** Our monitors never hold a container up, so both modes mean the same. */
function checkMode(options: Readonly<Record<string, string>>): void {
  const { mode = '', 'max-buffer-size': size } = options;
  if (!['', 'blocking', 'non-blocking'].includes(mode)) {
    throw invalid(`logger: logging mode not supported: ${mode}`);
  }
  if (size === undefined) return;
  if (mode !== 'non-blocking') {
    throw invalid("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
  }
  parseSize(size);
}

function fileOf(driver: LogDriver, options: Readonly<Record<string, string>>): LogFile {
  if (driver === 'json-file') {
    const file = rotation(options, '', { maxBytes: 0, maxFiles: 1 });
    if (isTrue(options, 'compress') && (file.maxBytes === 0 || file.maxFiles < 2)) {
      throw invalid('compress cannot be true when max-file is less than 2 or max-size is not set');
    }
    return file;
  }
  const kept = { maxBytes: LOCAL_BYTES, maxFiles: LOCAL_FILES };
  if (driver === 'local') return rotation(options, '', kept);
  if (isTrue(options, 'cache-disabled')) return { maxBytes: 0, maxFiles: 0 };
  return rotation(options, 'cache-', kept);
}

function rotation(
  options: Readonly<Record<string, string>>,
  prefix: string,
  defaults: LogFile,
): LogFile {
  const size = options[`${prefix}max-size`] ?? '';
  const files = options[`${prefix}max-file`];
  const maxFiles = files === undefined ? defaults.maxFiles : Number(files);
  if (!Number.isInteger(maxFiles) || maxFiles < 1 || maxFiles > LOG_FILES_MAX) {
    throw invalid(`invalid value for ${prefix}max-file: ${files}`);
  }
  isTrue(options, `${prefix}compress`);
  const maxBytes = size === '' ? defaults.maxBytes : size === '-1' ? 0 : parseSize(size);
  return { maxBytes, maxFiles };
}

/** Go's strconv.ParseBool. */
export function isTrue(options: Readonly<Record<string, string>>, key: string): boolean {
  const text = options[key];
  if (text === undefined) return false;
  if (/^(1|t|T|true|TRUE|True)$/.test(text)) return true;
  if (/^(0|f|F|false|FALSE|False)$/.test(text)) return false;
  throw invalid(`invalid value for ${key}: ${text}`);
}

function invalid(text: string): EngineError {
  return new EngineError('invalid_argument', text);
}
