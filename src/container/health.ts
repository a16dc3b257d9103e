// Health checks, the deciding part: what a probe's result makes of a container's health, and when
// the next probe is due. Pure; the timers and processes are in health-watch.ts. The rules and
// defaults are Docker's (Dockerfile reference, HEALTHCHECK).
import type { Healthcheck } from './spec.ts';

export type HealthStatus = 'starting' | 'healthy' | 'unhealthy';

export type ProbeResult = {
  readonly start: bigint;
  readonly end: bigint;
  /** 0 is healthy; -1 when the probe could not be run, or not to its end. */
  readonly exitCode: number;
  readonly output: string;
};

export type Health = {
  readonly status: HealthStatus;
  /** Failures since the last success. */
  readonly failingStreak: number;
  /** The last ones, oldest first. */
  readonly log: readonly ProbeResult[];
};

/** A check with its defaults filled in; times in milliseconds. */
export type Probe = {
  /** [] with a shell before it: run by the shell of the container. */
  readonly argv: readonly string[];
  readonly intervalMs: number;
  readonly startIntervalMs: number;
  readonly startPeriodMs: number;
  readonly timeoutMs: number;
  readonly retries: number;
};

export const HEALTH_LOG_MAX = 5;
export const PROBE_OUTPUT_BYTES_MAX = 4096;
const INTERVAL_MS = 30_000;
const START_INTERVAL_MS = 5_000;
const TIMEOUT_MS = 30_000;
const RETRIES = 3;
/** setTimeout(2^31 ms) fires at once. */
const TIMER_MS_MAX = 2_000_000_000;
const SHELL: readonly string[] = ['/bin/sh', '-c'];

export const STARTING: Health = { status: 'starting', failingStreak: 0, log: [] };

/** What is to be run; undefined for a container without a check. */
export function probeOf(
  check: Healthcheck | undefined,
  shell: readonly string[] | undefined,
): Probe | undefined {
  const [kind, ...words] = check?.test ?? [];
  if (check === undefined || (kind !== 'CMD' && kind !== 'CMD-SHELL')) return undefined;
  return {
    argv: kind === 'CMD' ? words : [...(shell ?? SHELL), ...words],
    intervalMs: milliseconds(check.interval, INTERVAL_MS),
    startIntervalMs: milliseconds(check.startInterval, START_INTERVAL_MS),
    startPeriodMs: milliseconds(check.startPeriod, 0),
    timeoutMs: milliseconds(check.timeout, TIMEOUT_MS),
    retries: check.retries > 0 ? check.retries : RETRIES,
  };
}

function milliseconds(nanoseconds: number, fallback: number): number {
  if (nanoseconds <= 0) return fallback;
  return Math.min(Math.max(1, Math.round(nanoseconds / 1e6)), TIMER_MS_MAX);
}

/** How long after its last probe, or its start, a container is probed (again). */
export function delayMs(probe: Probe, health: Health, sinceStartMs: number): number {
  const early = health.status === 'starting' && sinceStartMs < probe.startPeriodMs;
  return early ? probe.startIntervalMs : probe.intervalMs;
}

/** Failures in the start period of a container that has not been healthy yet do not count. */
export function settleProbe(
  probe: Probe,
  health: Health,
  result: ProbeResult,
  sinceStartMs: number,
): Health {
  const log = [...health.log, result].slice(-HEALTH_LOG_MAX);
  if (result.exitCode === 0) return { status: 'healthy', failingStreak: 0, log };
  const forgiven = health.status === 'starting' && sinceStartMs < probe.startPeriodMs;
  if (forgiven) return { ...health, log };
  const failingStreak = health.failingStreak + 1;
  const status = failingStreak >= probe.retries ? 'unhealthy' : health.status;
  return { status, failingStreak, log };
}
