// Health checks, the acting part: while a container with a check runs, its probe is executed in it
// again and again, as an exec that clients see like any other. It follows the events, so that a
// start without a check costs nothing. After a restart of the daemon a container is "starting"
// again, as with dockerd.
import { now } from '#base/clock.ts';
import { isEngineError, messageOf } from '#base/error.ts';
import type { EventBus } from '#event/bus.ts';
import type { Deps } from './deps.ts';
import type { ContainerEngine } from './engine.ts';
import { publish } from './event.ts';
import {
  delayMs,
  type Health,
  PROBE_OUTPUT_BYTES_MAX,
  type Probe,
  type ProbeResult,
  probeOf,
  STARTING,
  settleProbe,
} from './health.ts';
import type { ContainerRecord } from './record.ts';

/** With a true value: a container that has become unhealthy is restarted. */
export const RESTART_LABEL = 'coracle.restart-on-unhealthy';
const SIGKILL = 9;
/** Each frame of an exec's output begins with so many bytes. */
const HEADER_BYTES = 8;
/** The exec is killed by then; its streams are not waited for any longer. */
const KILL_WAIT_MS = 2_000;

/** Single checks: those begun, and those that could not be run (what dockerd counts). */
export type ProbeCounts = { begun: number; failed: number };

export type HealthDeps = Pick<Deps, 'store' | 'lives' | 'report'> & {
  readonly events: Pick<EventBus, 'publish' | 'watch'>;
  readonly engine: Pick<ContainerEngine, 'execCreate' | 'execStart' | 'execInspect' | 'restart'>;
  readonly probes: ProbeCounts;
};

/** From now on, also for what runs already. */
export function watchHealth(deps: HealthDeps): Disposable {
  const watches = new Map<string, AbortController>();
  const end = (id: string): void => {
    watches.get(id)?.abort();
    watches.delete(id);
  };
  const begin = (id: string): void => {
    end(id);
    const record = deps.store.find(id);
    const probe = record === undefined ? undefined : probeFor(record);
    if (probe === undefined) return;
    const control = new AbortController();
    watches.set(id, control);
    probeWhileRunning(deps, id, probe, control.signal).catch((error: unknown) =>
      deps.report(`watch the health of container ${id}`, error),
    );
  };
  const stopped = (id: string): void => {
    const live = deps.lives.of(id);
    // As dockerd: nobody knows that it is well any more.
    if (live.health !== undefined) live.health = { ...live.health, status: 'unhealthy' };
    end(id);
  };
  const listener = deps.events.watch(({ type, action, actor: { id } }) => {
    if (type !== 'container') return;
    if (action === 'start') {
      const { log = [] } = deps.lives.of(id).health ?? {};
      deps.lives.of(id).health = { ...STARTING, log };
      begin(id);
    } else if (action === 'unpause') begin(id);
    else if (action === 'pause' || action === 'die') stopped(id);
    else if (action === 'destroy') end(id);
  });
  for (const { id, state } of deps.store.list()) if (state.status === 'running') begin(id);
  return {
    [Symbol.dispose]: () => {
      listener[Symbol.dispose]();
      for (const id of watches.keys()) end(id);
    },
  };
}

/** What inspect shows; undefined for a container without a check, or that was never started. */
export function healthOf(deps: Pick<Deps, 'lives'>, record: ContainerRecord): Health | undefined {
  if (probeFor(record) === undefined || record.state.status === 'created') return undefined;
  const known = deps.lives.of(record.id).health;
  if (known !== undefined) return known;
  return record.state.status === 'running' ? STARTING : { ...STARTING, status: 'unhealthy' };
}

function probeFor({ merged, spec }: ContainerRecord): Probe | undefined {
  return probeOf(merged.healthcheck, spec.config.shell);
}

async function probeWhileRunning(
  deps: HealthDeps,
  id: string,
  probe: Probe,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const { health = STARTING } = deps.lives.of(id);
    await sleep(delayMs(probe, health, sinceStartMs(deps, id)), signal);
    if (signal.aborted) return;
    const result = await runProbe(deps, id, probe, signal);
    if (signal.aborted) return;
    await settle(deps, id, probe, result);
  }
}

function sinceStartMs(deps: HealthDeps, id: string): number {
  const state = deps.store.find(id)?.state;
  return state?.status === 'running' ? Number((now() - state.startedAt) / 1_000_000n) : 0;
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms).unref();
  const wake = (): void => resolve();
  signal.addEventListener('abort', wake);
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener('abort', wake);
  });
}

async function settle(
  deps: HealthDeps,
  id: string,
  probe: Probe,
  result: ProbeResult,
): Promise<void> {
  const record = deps.store.find(id);
  if (record === undefined) return;
  const live = deps.lives.of(id);
  const before = live.health ?? STARTING;
  const after = settleProbe(probe, before, result, sinceStartMs(deps, id));
  live.health = after;
  if (after.status !== before.status) publish(deps, record, `health_status: ${after.status}`);
  // Also when it was so before: then the last restart has failed, and it still runs.
  const isIll = after.status === 'unhealthy' && after.failingStreak >= probe.retries;
  if (isIll && isTrue(record.merged.labels[RESTART_LABEL])) await restartIll(deps, id);
}

/**
 * One that fails ends no watch: what still runs is restarted after its next failed probe. What was
 * stopped and cannot be started stays so, and says why, like every start that fails.
 */
async function restartIll(deps: HealthDeps, id: string): Promise<void> {
  try {
    await deps.engine.restart(id, { signal: undefined, timeoutSeconds: undefined });
  } catch (error) {
    if (deps.store.find(id) === undefined) return; // removed meanwhile
    deps.report(`restart the unhealthy container ${id}`, error);
  }
}

function isTrue(label: string | undefined): boolean {
  return label !== undefined && !['', '0', 'false', 'no'].includes(label.toLowerCase());
}

/** One run of the probe; what keeps it from running is its result. */
async function runProbe(
  deps: HealthDeps,
  id: string,
  probe: Probe,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const start = now();
  const result = (exitCode: number, output: string): ProbeResult => ({
    start,
    end: now(),
    exitCode,
    output,
  });
  const output = new Output();
  deps.probes.begun += 1;
  try {
    const exec = await deps.engine.execCreate(id, {
      cmd: probe.argv,
      env: [],
      workingDir: '',
      user: '',
      privileged: false,
      tty: false,
      attachStdin: false,
      attachStdout: true,
      attachStderr: true,
      detachKeys: '',
      consoleSize: undefined,
    });
    const how = { detach: false, tty: false, consoleSize: undefined };
    const session = await deps.engine.execStart(exec, how, signal);
    const kill = (): void => {
      deps.lives
        .of(id)
        .task?.signal(exec, SIGKILL)
        .catch(() => {}); // it has ended meanwhile
      setTimeout(() => session?.stream.destroy(), KILL_WAIT_MS).unref();
    };
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      kill();
    }, probe.timeoutMs).unref();
    try {
      for await (const chunk of session?.stream ?? []) output.add(chunk as Buffer);
    } catch (error) {
      // Else the output was given up: something of the probe still has it, or nobody asks any more.
      if (!late && !signal.aborted) throw error;
    } finally {
      clearTimeout(timer);
    }
    if (late) {
      const said = output.text();
      const text = `Health check exceeded timeout (${formatMs(probe.timeoutMs)})`;
      return result(-1, said === '' ? text : `${text}: ${said}`);
    }
    return result(deps.engine.execInspect(exec).exitCode ?? -1, output.text());
  } catch (error) {
    deps.probes.failed += 1;
    // A container that ends while it is probed says so by its own events.
    if (!isEngineError(error)) deps.report(`probe container ${id}`, error);
    return result(-1, messageOf(error));
  }
}

/** As Go prints a duration: 30s, 1m30s, 500ms. */
function formatMs(ms: number): string {
  if (ms < 1000) return `${ms}ms`;
  const minutes = Math.floor(ms / 60_000);
  const seconds = `${(ms % 60_000) / 1000}s`;
  if (minutes === 0) return seconds;
  const hours = Math.floor(minutes / 60);
  return `${hours > 0 ? `${hours}h` : ''}${minutes % 60}m${seconds}`;
}

/** The payload of framed output, as much as is kept. */
class Output {
  #rest: Buffer = Buffer.alloc(0);
  #kept: Buffer = Buffer.alloc(0);
  #dropped = false;

  add(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= HEADER_BYTES) {
      const size = this.#rest.readUInt32BE(4);
      const frame = this.#rest.subarray(HEADER_BYTES, HEADER_BYTES + size);
      if (frame.length < size) return;
      const room = PROBE_OUTPUT_BYTES_MAX - this.#kept.length;
      this.#dropped ||= frame.length > room;
      this.#kept = Buffer.concat([this.#kept, frame.subarray(0, room)]);
      this.#rest = this.#rest.subarray(HEADER_BYTES + size);
    }
  }

  text(): string {
    return this.#kept.toString('utf8') + (this.#dropped ? '...' : '');
  }
}
