// What the daemon runs with: flags over the configuration file over defaults. Pure, but for reading
// the file. An unknown key, or one that is a flag too, is refused with dockerd's text.
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { EngineError, errnoOf, messageOf } from '#base/error.ts';
import { LOG_LEVELS, type LogLevel } from '#base/log.ts';
import { checkUlimit } from '#container/check.ts';
import type { RegistryConfig } from '#image/registry/registry.ts';
import { CGROUP_DRIVERS, type CgroupDriver, namingOf } from '#kernel/cgroup/naming.ts';
import { type DriverName, DRIVERS } from '#snapshot/driver.ts';
import type { RealtimeBudget } from '#kernel/cgroup/resources.ts';
import { IDLE, KEYS, type Kind, REFUSED } from '#base/daemon-key.ts';
import type { Flags } from './flags.ts';
import { type HostDefaults, parseHostDefaults } from './host-default.ts';
import { makeNetworkConfig, type NetworkConfig } from './network-config.ts';
import { parseMetricsAddress } from './metrics.ts';
import { makeRegistryConfig } from './registry-config.ts';
import { DATA_ROOT, withOwnTag } from './own-name.ts';
import { type Proxies, parseProxies } from './proxies.ts';
import { parseTls, type TlsConfig } from './tls.ts';

export type Ulimit = { readonly name: string; readonly soft: number; readonly hard: number };

export type Config = {
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly pidfile: string;
  readonly logLevel: LogLevel;
  /** undefined = what systemd hands over, or else a socket in the exec root. */
  readonly hosts: readonly string[] | undefined;
  /** How cgroups are called. */
  readonly cgroupDriver: CgroupDriver;
  /** A slice where the driver is systemd. */
  readonly cgroupParent: string;
  /** What all containers together may have of real-time; undefined = as their cgroup has it. */
  readonly realtime: RealtimeBudget | undefined;
  readonly network: NetworkConfig;
  readonly registry: RegistryConfig;
  readonly defaultRuntime: string;
  /** Names of external OCI runtimes to the path of their program. */
  readonly runtimes: Readonly<Record<string, string>>;
  readonly init: boolean;
  /** undefined = docker or coracle, whichever exists. */
  readonly group: string | undefined;
  readonly ulimits: readonly Ulimit[];
  readonly logConfig: { readonly type: string; readonly config: Readonly<Record<string, string>> };
  readonly noNewPrivileges: boolean;
  /** "", "builtin", "unconfined" or a path. */
  readonly seccompProfile: string;
  /** undefined = what the data root can. */
  readonly storageDriver: DriverName | undefined;
  readonly labels: readonly string[];
  readonly tls: TlsConfig;
  readonly metricsAddress: { readonly host: string; readonly port: number } | undefined;
  readonly proxies: Proxies;
  readonly hostDefaults: HostDefaults;
  /** Keys of dockerd that set nothing here, each with what is so. */
  readonly idle: Readonly<Record<string, string>>;
};

export const DEFAULT_CONFIG_FILE = '/etc/coracle/daemon.json';
const CONFIG_BYTES_MAX = 1024 * 1024;
/** sockaddr_un.sun_path is 108 bytes with its NUL (unix(7)). */
const SUN_PATH_MAX = 107;
/** What stands below the exec root: "/c/" + 32 digits of the id + "/monitor.sock". */
const MONITOR_PATH_LENGTH = '/c//monitor.sock'.length + 32;

type Values = ReadonlyMap<string, unknown>;

/** Reads the file that the flags name, or the default one if it is there. */
export async function readConfigFile(flags: Flags): Promise<Values> {
  const path = flags.configFile ?? DEFAULT_CONFIG_FILE;
  try {
    const text = await readFile(path, 'utf8');
    if (text.length > CONFIG_BYTES_MAX) throw new EngineError('limit_exceeded', 'it is too large');
    return parseConfigFile(text, flags);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' && flags.configFile === undefined) return new Map();
    throw new EngineError(
      'invalid_argument',
      `unable to configure the Docker daemon with file ${path}: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

export function parseConfigFile(text: string, flags: Flags): Values {
  if (text.trim() === '') return new Map();
  const raw: unknown = JSON.parse(text);
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    throw new EngineError('invalid_argument', 'it is not a JSON object');
  }
  const values = new Map<string, unknown>(Object.entries(raw));
  const unknown = [...values.keys()].filter((key) => kindOf(key) === undefined);
  if (unknown.length > 0) {
    throw new EngineError(
      'invalid_argument',
      `the following directives don't match any configuration option: ${unknown.join(', ')}`,
    );
  }
  for (const [key, value] of values) checkKind(key, value);
  for (const [key, value] of values) refuse(key, value);
  const twice = [...flags.given].filter(([key]) => values.has(key));
  if (twice.length > 0) {
    const list = twice.map(
      ([key, value]) => `${key}: (from flag: ${show(value)}, from file: ${show(values.get(key))})`,
    );
    throw new EngineError(
      'invalid_argument',
      'the following directives are specified both as a flag and in the configuration file: ' +
        list.join(', '),
    );
  }
  return values;
}

function kindOf(key: string): Kind | undefined {
  const own = <V>(table: Readonly<Record<string, V>>): V | undefined =>
    Object.hasOwn(table, key) ? table[key] : undefined;
  return own(KEYS) ?? own(IDLE)?.kind ?? own(REFUSED)?.kind;
}

function refuse(key: string, value: unknown): void {
  const refused = Object.hasOwn(REFUSED, key) ? REFUSED[key] : undefined;
  if (refused === undefined || isDeepStrictEqual(value, refused.only)) return;
  const text = `${key} cannot be ${JSON.stringify(value)} here: ${refused.why}`;
  throw new EngineError('invalid_argument', text);
}

/** Keys that were said and set nothing here, each with what is so. */
function idleOf(values: Values): Readonly<Record<string, string>> {
  const idle = Object.entries(IDLE).filter(
    ([key, { same }]) => values.has(key) && values.get(key) !== same,
  );
  return Object.fromEntries(idle.map(([key, { why }]) => [key, why]));
}

function checkKind(key: string, value: unknown): void {
  const kind = kindOf(key);
  const strings = (list: unknown): boolean =>
    Array.isArray(list) && list.every((each) => typeof each === 'string');
  const good =
    (kind === 'text' && typeof value === 'string') ||
    (kind === 'boolean' && typeof value === 'boolean') ||
    (kind === 'number' && typeof value === 'number') ||
    (kind === 'size' && (typeof value === 'number' || typeof value === 'string')) ||
    (kind === 'list' && Array.isArray(value)) ||
    (kind === 'texts' && strings(value)) ||
    (kind === 'map' && typeof value === 'object' && value !== null && !Array.isArray(value));
  if (!good) throw new EngineError('invalid_argument', `the value of ${key} is no ${kind}`);
}

function show(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(show).join(' ')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  return `map[${Object.entries(value)
    .map(([key, each]) => `${key}:${show(each)}`)
    .join(' ')}]`;
}

export function makeConfig(flags: Flags, file: Values): Config {
  for (const [key, value] of flags.given) refuse(key, value);
  const values = new Map<string, unknown>([...file, ...flags.given]);
  const text = (key: string, fallback: string): string => {
    const value = values.get(key);
    return typeof value === 'string' && value !== '' ? value : fallback;
  };
  const dataRoot = resolve(text('data-root', DATA_ROOT));
  const execRoot = resolve(text('exec-root', '/run/coracle'));
  checkExecRoot(execRoot);
  const hosts = values.get('hosts') as readonly string[] | undefined;
  const metrics = text('metrics-addr', '');
  const labels = values.get('labels') as readonly string[] | undefined;
  return {
    dataRoot,
    execRoot,
    pidfile: resolve(text('pidfile', `${execRoot}/coracle.pid`)),
    logLevel: parseLogLevel(values.get('debug') === true ? 'debug' : text('log-level', 'info')),
    hosts: hosts?.length === 0 ? undefined : hosts,
    ...parseCgroups(values, dataRoot),
    realtime: parseRealtime(values),
    network: makeNetworkConfig(values),
    registry: makeRegistryConfig(values),
    defaultRuntime: text('default-runtime', 'coracle'),
    runtimes: parseRuntimes(values.get('runtimes')),
    init: values.get('init') === true,
    group: values.has('group') ? text('group', '') : undefined,
    ulimits: parseUlimits(values.get('default-ulimits')),
    logConfig: { type: text('log-driver', 'json-file'), config: texts(values.get('log-opts')) },
    noNewPrivileges: values.get('no-new-privileges') === true,
    seccompProfile: text('seccomp-profile', ''),
    storageDriver: parseStorageDriver(text('storage-driver', '')),
    labels: labels ?? [],
    tls: parseTls(values),
    metricsAddress: metrics === '' ? undefined : parseMetricsAddress(metrics),
    proxies: parseProxies(values.get('proxies')),
    hostDefaults: parseHostDefaults(values),
    idle: idleOf(values),
  };
}

const DRIVER_OPTION = 'native.cgroupdriver';

/** Docker's text; an option that dockerd has not it would ignore. */
function parseCgroups(
  values: Values,
  dataRoot: string,
): Pick<Config, 'cgroupDriver' | 'cgroupParent'> {
  let cgroupDriver: CgroupDriver = 'cgroupfs';
  for (const option of (values.get('exec-opts') ?? []) as readonly string[]) {
    const [, name = option, value = ''] = /^([^=]*)=(.*)$/.exec(option) ?? [];
    if (name.toLowerCase() !== DRIVER_OPTION) {
      const text = `unknown exec-opt ${option}: there is ${DRIVER_OPTION}=`;
      throw new EngineError('invalid_argument', `${text}${CGROUP_DRIVERS.join('|')}`);
    }
    const driver = CGROUP_DRIVERS.find((each) => each === value);
    if (driver === undefined) {
      throw new EngineError('invalid_argument', `${DRIVER_OPTION} option ${value} not supported`);
    }
    cgroupDriver = driver;
  }
  const own = withOwnTag('coracle', dataRoot);
  const fallback = cgroupDriver === 'systemd' ? `${own}.slice` : `/${own}`;
  const cgroupParent = String(values.get('cgroup-parent') || fallback);
  namingOf(cgroupDriver).check(cgroupParent);
  return { cgroupDriver, cgroupParent };
}

/** The kernel's own period (sched-rt-group.rst). */
const RT_PERIOD_US = 1_000_000;

function parseRealtime(values: Values): RealtimeBudget | undefined {
  const number = (key: string, fallback: number): number => {
    const value = Number(values.get(key) ?? fallback);
    if (Number.isSafeInteger(value) && value >= 0) return value;
    throw new EngineError('invalid_argument', `${key} is no number of microseconds`);
  };
  const [runtime, period] = [
    number('cpu-rt-runtime', 0),
    number('cpu-rt-period', RT_PERIOD_US) || RT_PERIOD_US,
  ];
  if (runtime > period) {
    const text = 'cpu real-time runtime cannot be higher than cpu real-time period';
    throw new EngineError('invalid_argument', text);
  }
  return runtime === 0 ? undefined : { runtime, period };
}

function checkExecRoot(path: string): void {
  const longest = SUN_PATH_MAX - MONITOR_PATH_LENGTH;
  if (Buffer.byteLength(path) <= longest) return;
  throw new EngineError(
    'invalid_argument',
    `the exec root ${path} is too long: the sockets of the monitors stand below it, and the kernel ` +
      `takes ${SUN_PATH_MAX} bytes for their path, which leaves ${longest} for the exec root`,
  );
}

export function parseLogLevel(text: string): LogLevel {
  const level = LOG_LEVELS.find((each) => each === text);
  if (level !== undefined) return level;
  throw new EngineError('invalid_argument', `invalid logging level: ${text}`);
}

function texts(value: unknown): Readonly<Record<string, string>> {
  const pairs = Object.entries((value ?? {}) as Record<string, unknown>);
  return Object.fromEntries(pairs.map(([key, each]) => [key, String(each)]));
}

function parseRuntimes(value: unknown): Readonly<Record<string, string>> {
  const runtimes: Record<string, string> = { runc: 'runc' }; // wherever PATH has it
  for (const [name, entry] of Object.entries((value ?? {}) as Record<string, unknown>)) {
    const path = typeof entry === 'object' && entry !== null && 'path' in entry ? entry.path : '';
    if (typeof path !== 'string' || path === '') {
      throw new EngineError('invalid_argument', `runtime ${name} has no path`);
    }
    runtimes[name] = path;
  }
  return runtimes;
}

function parseUlimits(value: unknown): readonly Ulimit[] {
  const limits: Ulimit[] = [];
  for (const [key, entry] of Object.entries((value ?? {}) as Record<string, unknown>)) {
    const { Name, Soft, Hard } = (entry ?? {}) as Record<string, unknown>;
    const limit = { name: String(Name ?? key), soft: Number(Soft), hard: Number(Hard ?? Soft) };
    if (!Number.isSafeInteger(limit.soft) || !Number.isSafeInteger(limit.hard)) {
      throw new EngineError('invalid_argument', `the default ulimit ${key} is no pair of numbers`);
    }
    checkUlimit(limit);
    limits.push(limit);
  }
  return limits;
}

function parseStorageDriver(text: string): DriverName | undefined {
  if (text === '') return undefined;
  const driver = DRIVERS.find((each) => each === text);
  if (driver !== undefined) return driver;
  const why = `driver not supported: use ${DRIVERS.join(' or ')}`;
  throw new EngineError('invalid_argument', `storage driver ${text}: ${why}`);
}
