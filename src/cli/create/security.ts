// Restart policies, logging, --security-opt, devices, modes, health checks: the parts of the
// create body that are checked when all flags are known.
import { posix } from 'node:path';
import { messageOf } from '#base/error.ts';
import { invalid, quote } from '../flag-kind.ts';
import type { Flags } from '../flags.ts';
import { readText } from './kv-file.ts';

export interface RestartPolicy {
  readonly Name: string;
  readonly MaximumRetryCount: number;
}

export function parseRestartPolicy(text: string): RestartPolicy {
  const colon = text.indexOf(':');
  const name = colon < 0 ? text : text.slice(0, colon);
  const count = colon < 0 ? '' : text.slice(colon + 1);
  const format = 'invalid restart policy format';
  if (colon === 0) throw invalid(`${format}: no policy provided before colon`);
  if (!/^([+-]?\d{1,10})?$/.test(count)) {
    throw invalid(`${format}: maximum retry count must be an integer`);
  }
  return { Name: name, MaximumRetryCount: Number(count) };
}

export function pairs(values: readonly string[]): Record<string, string> {
  const made: Record<string, string> = {};
  for (const text of values) {
    const equals = text.indexOf('=');
    made[equals < 0 ? text : text.slice(0, equals)] = equals < 0 ? '' : text.slice(equals + 1);
  }
  return made;
}

export function parseStorageOptions(values: readonly string[]): Record<string, string> {
  for (const text of values) if (!text.includes('=')) throw invalid('invalid storage option');
  return pairs(values);
}

export interface Security {
  readonly options: readonly string[] | null;
  /** Empty lists mean "mask nothing" (`systempaths=unconfined`); null is the engine's default. */
  readonly maskedPaths: readonly string[] | null;
  readonly readonlyPaths: readonly string[] | null;
}

export function parseSecurity(values: readonly string[]): Security {
  const options = values.map(securityOption);
  const kept = options.filter((text) => text !== 'systempaths=unconfined');
  if (kept.length < options.length) {
    return { options: kept, maskedPaths: [], readonlyPaths: [] };
  }
  return { options: options.length > 0 ? options : null, maskedPaths: null, readonlyPaths: null };
}

function securityOption(text: string): string {
  const split = /^([^=]*)=(.*)$/s.exec(text) ?? /^([^:]*):(.*)$/s.exec(text);
  const [, key = text, value = ''] = split ?? [];
  if (text.split('=', 1)[0] === 'no-new-privileges') return text;
  if (value === '') throw invalid(`Invalid --security-opt: ${quote(text)}`);
  if (key !== 'seccomp' || value === 'unconfined' || value === 'builtin') return text;
  // A file name: the engine may be on another machine, so the profile itself is sent.
  let profile: string;
  try {
    profile = readText(value);
  } catch (error) {
    throw invalid(`opening seccomp profile (${value}) failed: ${messageOf(error)}`);
  }
  try {
    return `seccomp=${JSON.stringify(JSON.parse(profile))}`;
  } catch (error) {
    throw invalid(`compacting json for seccomp profile (${value}) failed: ${messageOf(error)}`);
  }
}

export interface DeviceMapping {
  readonly PathOnHost: string;
  readonly PathInContainer: string;
  readonly CgroupPermissions: string;
}

const CDI_NAME = /^[a-zA-Z0-9][\w.-]*\/[a-zA-Z][\w.-]*=[\w.:-]+$/;

/** `vendor.com/class=name`: a device that a CDI file describes, not a path. */
export function isCdiName(text: string): boolean {
  return CDI_NAME.test(text);
}

export function parseDevice(text: string): DeviceMapping {
  const parts = text.split(':');
  const [host = '', second, mode] = parts;
  if (parts.length > 3 || host === '') throw invalid(`bad format for path: ${text}`);
  const secondIsMode = parts.length === 2 && isDeviceMode(second ?? '');
  const inside = second === undefined || secondIsMode ? host : second;
  if (mode !== undefined && !isDeviceMode(mode)) throw invalid(`bad mode specified: ${mode}`);
  if (!posix.isAbsolute(inside)) throw invalid(`${inside} is not an absolute path`);
  const clean = (path: string): string => posix.normalize(path).replace(/(.)\/+$/, '$1');
  return {
    // Docker cleans only the last path that is written, and so do we: the strings must be equal.
    PathOnHost: parts.length === 1 || secondIsMode ? clean(host) : host,
    PathInContainer: parts.length === 3 ? inside : clean(inside),
    CgroupPermissions: mode ?? (secondIsMode ? (second ?? 'rwm') : 'rwm'),
  };
}

function isDeviceMode(mode: string): boolean {
  return /^[rwm]{1,3}$/.test(mode) && new Set(mode).size === mode.length;
}

/** Checks the namespace modes that docker checks before it sends them. */
export function checkModes(flags: Flags): void {
  const { pid, uts, userns, cgroupns } = {
    pid: flags.string('pid'),
    uts: flags.string('uts'),
    userns: flags.string('userns'),
    cgroupns: flags.string('cgroupns'),
  };
  if (!/^(|host|container:.+)$/.test(pid)) throw invalid('--pid: invalid PID mode');
  if (!['', 'host'].includes(uts)) throw invalid('--uts: invalid UTS mode');
  // Docker knows only "host"; the ranges are checked by the daemon.
  if (!/^(|host|auto|map:\d+:\d+)$/.test(userns)) throw invalid('--userns: invalid USER mode');
  if (!['', 'host', 'private'].includes(flags.string('timens'))) {
    throw invalid('--timens: invalid TIME mode');
  }
  if (!['', 'host', 'private'].includes(cgroupns)) {
    throw invalid('--cgroupns: invalid CGROUP mode');
  }
}

/** The health check of the flags; undefined leaves the image's. */
export function planHealth(flags: Flags): object | undefined {
  const interval = flags.number('health-interval');
  const timeout = flags.number('health-timeout');
  const startPeriod = flags.number('health-start-period');
  const startInterval = flags.number('health-start-interval');
  const retries = flags.number('health-retries');
  const cmd = flags.string('health-cmd');
  const numbers = { interval, timeout, retries, startPeriod, startInterval };
  const any = cmd !== '' || Object.values(numbers).some((value) => value !== 0);
  if (flags.bool('no-healthcheck')) {
    if (any) throw invalid('--no-healthcheck conflicts with --health-* options');
    return { Test: ['NONE'] };
  }
  if (!any) return undefined;
  for (const name of ['interval', 'timeout', 'retries', 'start-period', 'start-interval']) {
    if (flags.number(`health-${name}`) < 0) throw invalid(`--health-${name} cannot be negative`);
  }
  return {
    ...(cmd === '' ? {} : { Test: ['CMD-SHELL', cmd] }),
    ...(interval === 0 ? {} : { Interval: interval }),
    ...(timeout === 0 ? {} : { Timeout: timeout }),
    ...(startPeriod === 0 ? {} : { StartPeriod: startPeriod }),
    ...(startInterval === 0 ? {} : { StartInterval: startInterval }),
    ...(retries === 0 ? {} : { Retries: retries }),
  };
}
