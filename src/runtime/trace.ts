// What was done to make a container, kept in its run directory so that `explain` can tell it later:
// the box, from which the plan follows again, and the time of each operation.
import { copyFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { EngineError, errnoOf } from '#base/error.ts';
import type { LaunchPlan, OpResult } from '#kernel/native/op.ts';
import type { Box } from './box.ts';

const PLACES = ['host', 'join', 'init'] as const;

export type Trace = {
  readonly version: 2;
  readonly box: Box;
  /** Nanoseconds of each operation, in the order of the lists of the plan. */
  readonly times: Readonly<Record<(typeof PLACES)[number], readonly number[]>>;
};

function pathOf(directory: string): string {
  return `${directory}/launch.json`;
}

/**
 * Written at once, into memory (the run directory is a tmpfs): waiting for a worker thread would
 * take ten times as long. Losing it costs a page of explanation, so it is not synced, and nobody
 * is told: a container that runs by now would be taken for one that could not be started.
 */
export function writeTrace(directory: string, box: Box, results: readonly OpResult[]): void {
  tryWrite(directory, traceOf(box, results));
}

function traceOf(box: Box, results: readonly OpResult[]): Trace {
  const times = { host: [], join: [], init: [] } as Record<(typeof PLACES)[number], number[]>;
  for (const { place, index, nanoseconds } of results) {
    if (place === 'host' || place === 'join' || place === 'init') times[place][index] = nanoseconds;
  }
  return { version: 2, box, times };
}

function tryWrite(directory: string, trace: Trace): void {
  try {
    writeFileSync(pathOf(directory), JSON.stringify(trace), { mode: 0o600 });
  } catch {
    // Its directory may be gone, or full.
  }
}

/** A container that runs longer is worth the write. */
const LATER_MS = 50;
const pending = new Map<string, () => void>();

/** As above, in a moment, or when it is asked for; not at all when the answer is called before. */
export function writeTraceLater(
  directory: string,
  box: Box,
  results: readonly OpResult[],
): () => void {
  // Whoever waits for the end holds the answer as long as the container runs, not what was written.
  let trace: Trace | undefined = traceOf(box, results);
  const forget = (): void => {
    clearTimeout(timer);
    trace = undefined;
    if (pending.get(directory) === writeNow) pending.delete(directory);
  };
  const writeNow = (): void => {
    const written = trace;
    forget();
    if (written !== undefined) tryWrite(directory, written);
  };
  const timer = setTimeout(writeNow, LATER_MS).unref();
  pending.set(directory, writeNow);
  return forget;
}

/**
 * Keeps it in another directory: that of the run goes with its daemon or the host. At once, and the
 * caller sees to it that the directory is not removed meanwhile.
 */
export function keepTrace(directory: string, kept: string): void {
  try {
    copyFileSync(pathOf(directory), pathOf(kept));
  } catch (error) {
    // Never written, or lost with the host: then there is nothing to tell.
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

export async function readTrace(directory: string): Promise<Trace | undefined> {
  pending.get(directory)?.();
  const text = await readFile(pathOf(directory), 'utf8').catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  const trace = JSON.parse(text) as Trace;
  if (trace.version === 2 && typeof trace.box === 'object') return trace;
  // Of an engine before this one, whose boxes had less: not told rather than told wrong.
  if (Number(trace.version) === 1) return undefined;
  throw new EngineError('corrupt', `${pathOf(directory)} cannot be read`);
}

/** The results that belong to a plan, as far as they were kept. */
export function resultsOf(plan: LaunchPlan, trace: Trace): OpResult[] {
  return PLACES.flatMap((place) =>
    plan[place].flatMap((op, index): OpResult[] => {
      const nanoseconds = trace.times[place][index];
      if (typeof nanoseconds !== 'number') return [];
      return [{ place, index, op: op.op, errno: 0, nanoseconds, output: Buffer.alloc(0) }];
    }),
  );
}
