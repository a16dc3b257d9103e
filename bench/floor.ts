// Runs the floor (floor.c) with the busybox of this machine.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { field } from '../tools/api.ts';
import type { PrivateEngine } from '../tools/private-engine.ts';
import { ROOT } from '../tools/source.ts';

/** Milliseconds of the median start; `parts` are letters that floor.c explains. */
export function measureFloor(engine: PrivateEngine, rounds: number, parts = 'cnmp'): number {
  const lower = join(engine.directory, 'floor-lower');
  const scratch = join(engine.directory, 'floor');
  for (const path of [
    scratch,
    ...['bin', 'proc', 'dev', 'sys', 'etc', 'tmp'].map((name) => join(lower, name)),
  ]) {
    mkdirSync(path, { recursive: true });
  }
  const busybox = execFileSync('sh', ['-c', 'command -v busybox']).toString().trim();
  execFileSync('cp', ['-L', busybox, join(lower, 'bin/true')]);
  const argv = [lower, scratch, String(rounds), parts];
  const out = execFileSync(join(ROOT, 'build/floor'), argv).toString();
  return Number(field(JSON.parse(out), 'median_ms'));
}
