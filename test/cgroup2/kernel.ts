// Boots a kernel that has cgroup2 alone, and runs test files in it: a User Mode Linux, which is a
// program, or Debian's own in qemu (debian.ts). Its root is this machine's, read-only; see init.sh.
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
import type { Ended } from '../machine.ts';
import { bootUml } from '../uml.ts';
import { type Outcome, RESULTS_FILE, WISH_FILE, type Wish } from './job.ts';

const MEMORY_BYTES = 1024 * 1024 * 1024;
const DISK_BYTES = 64 * 1024 * 1024;
const UML_LIBRARY = '/usr/lib/uml';

export type Booted = {
  readonly outcomes: readonly Outcome[];
  /** The end of what the kernel and the tests wrote. */
  readonly console: string;
  /** Why it did not come to the end. */
  readonly failure?: string;
};

/** Boots a kernel that goes on in init.sh; the job's folder has a `swap` area for it. */
export type Boot = (job: string, msMax: number) => Promise<Ended>;

/** Runs the files to the end, or to the end of the time, and leaves nothing. */
export async function runInKernel(
  boot: Boot,
  wish: Wish,
  limits: { readonly msMax: number },
): Promise<Booted> {
  const job = mkdtempSync(join(tmpdir(), 'coracle-kernel-'));
  try {
    writeFileSync(join(job, WISH_FILE), JSON.stringify(wish));
    makeDisk(join(job, 'swap'));
    const { text, timedOut } = await boot(job, limits.msMax);
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

export const bootUserMode: Boot = (job, msMax) => {
  makeDisk(join(job, 'disk'));
  mkdirSync(join(job, 'uml'));
  const argv = [
    'rootfstype=hostfs',
    'rootflags=/',
    'ro',
    `ubd0=${join(job, 'disk')}`,
    `ubd1=${join(job, 'swap')}`,
    'quiet',
    'init=/bin/sh',
    '--',
    join(import.meta.dirname, 'init.sh'),
    ...initWords(job, UML_LIBRARY),
  ];
  return bootUml(job, argv, MEMORY_BYTES, msMax);
};

/** What init.sh is called with. */
export function initWords(job: string, library: string): readonly string[] {
  return [ROOT, process.execPath, job, library];
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
