// Boots a User Mode Linux kernel, which is a program, and runs test files in it: a machine with
// cgroup2 alone, wherever the tests run. Its root is this machine's, read-only; see init.sh.
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../../tools/source.ts';
import { bootUml } from '../uml.ts';
import { type Outcome, RESULTS_FILE, WISH_FILE, type Wish } from './job.ts';

const MEMORY_BYTES = 1024 * 1024 * 1024;
const DISK_BYTES = 64 * 1024 * 1024;

export type Booted = {
  readonly outcomes: readonly Outcome[];
  /** The end of what the kernel and the tests wrote. */
  readonly console: string;
  /** Why it did not come to the end. */
  readonly failure?: string;
};

/** Runs the files to the end, or to the end of the time, and leaves nothing. */
export async function runInKernel(wish: Wish, limits: { readonly msMax: number }): Promise<Booted> {
  const job = mkdtempSync(join(tmpdir(), 'coracle-uml-'));
  try {
    writeFileSync(join(job, WISH_FILE), JSON.stringify(wish));
    for (const disk of ['disk', 'swap']) makeDisk(join(job, disk));
    mkdirSync(join(job, 'uml'));
    const { text, timedOut } = await bootUml(job, argvOf(job), MEMORY_BYTES, limits.msMax);
    const outcomes = readOutcomes(join(job, RESULTS_FILE));
    const ended = outcomes.at(-1)?.end === true;
    return {
      outcomes: outcomes.filter(({ end }) => end !== true),
      console: text,
      ...(timedOut
        ? { failure: `the kernel was ended after ${limits.msMax} ms` }
        : ended
          ? {}
          : { failure: 'the kernel ended before the tests did' }),
    };
  } finally {
    rmSync(job, { recursive: true, force: true });
  }
}

function makeDisk(path: string): void {
  const fd = openSync(path, 'w');
  ftruncateSync(fd, DISK_BYTES);
  closeSync(fd);
}

function readOutcomes(path: string): readonly Outcome[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Outcome);
}

function argvOf(job: string): readonly string[] {
  return [
    'rootfstype=hostfs',
    'rootflags=/',
    'ro',
    `ubd0=${join(job, 'disk')}`,
    `ubd1=${join(job, 'swap')}`,
    'quiet',
    'init=/bin/sh',
    '--',
    join(import.meta.dirname, 'init.sh'),
    ROOT,
    process.execPath,
    job,
  ];
}
