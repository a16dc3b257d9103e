// Clocks and memory: what the benchmark reads, without knowing any engine.
import { execFileSync, type SpawnOptions, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../tools/source.ts';

const COMMAND_MS_MAX = 60_000;

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Where a difference is measured: what else the machine does only ever adds. */
export function lowerQuartile(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 4)] ?? Number.NaN;
}

/** Milliseconds of each of `count` runs, one after another, after `warm` unmeasured ones. */
export async function times(
  count: number,
  run: () => Promise<unknown>,
  warm = 2,
): Promise<readonly number[]> {
  for (let i = 0; i < warm; i += 1) await run();
  const found: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const startedAt = performance.now();
    await run();
    found.push(performance.now() - startedAt);
  }
  return found;
}

/** Runs a program; throws with its output when it fails. Its stdout is counted, not kept. */
export function command(argv: readonly string[], options: SpawnOptions = {}): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const [program = '', ...rest] = argv;
  const child = spawn(program, rest, {
    timeout: COMMAND_MS_MAX,
    killSignal: 'SIGKILL',
    ...options,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let bytes = 0;
  let errors = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-4_000);
  });
  child.on('error', reject);
  child.on('close', (code) => {
    if (code === 0) resolve(bytes);
    else reject(new Error(`${argv.join(' ')}: exit ${code}: ${errors.trim()}`));
  });
  return promise;
}

/** Milliseconds of each round of a command, without what Node takes to start one. */
export function stopwatch(rounds: number, argv: readonly string[]): readonly number[] {
  const program = join(ROOT, 'build/stopwatch');
  const options = { timeout: rounds * COMMAND_MS_MAX, encoding: 'utf8' } as const;
  const out = execFileSync(program, [String(rounds), ...argv], options);
  return out.trim().split('\n').map(Number);
}

type Memory = { readonly rss: number; readonly pss: number };

/** KiB of a process; pages shared with others count by their share in pss. */
export function memoryOf(pid: number): Memory {
  let text = '';
  try {
    text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  } catch {
    return { rss: 0, pss: 0 }; // It ended while we looked.
  }
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
  return { rss: field('Rss'), pss: field('Pss') };
}

export type Process = { readonly pid: number; readonly parent: number; readonly name: string };

export function processes(): readonly Process[] {
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      // The name may hold spaces and parentheses: the last ")" ends it (proc_pid_stat(5)).
      const end = stat.lastIndexOf(')');
      const parent = Number(stat.slice(end + 2).split(' ')[1]);
      return [{ pid: Number(entry), parent, name: stat.slice(stat.indexOf('(') + 1, end) }];
    } catch {
      return [];
    }
  });
}

export function descendants(pid: number): readonly Process[] {
  const all = processes();
  const found: Process[] = [];
  const walk = (parent: number): void => {
    for (const each of all.filter((one) => one.parent === parent)) {
      found.push(each);
      walk(each.pid);
    }
  };
  walk(pid);
  return found;
}
