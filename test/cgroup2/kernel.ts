// Boots a User Mode Linux kernel, which is a program, and runs test files in it: a machine with
// cgroup2 alone, wherever the tests run. Its root is this machine's, read-only; see init.sh.
import { type ChildProcess, spawn } from 'node:child_process';
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { atExit } from '../../tools/at-exit.ts';
import { ROOT } from '../../tools/source.ts';
import { type Outcome, RESULTS_FILE, WISH_FILE, type Wish } from './job.ts';

const KERNEL = 'linux.uml';
const MEMORY_BYTES = 1024 * 1024 * 1024;
const DISK_BYTES = 64 * 1024 * 1024;
const CONSOLE_BYTES_MAX = 32 * 1024;
const SHM = '/dev/shm';

export type Booted = {
  readonly outcomes: readonly Outcome[];
  /** The end of what the kernel and the tests wrote. */
  readonly console: string;
  /** Why it did not come to the end. */
  readonly failure?: string;
};

/** Why no kernel can be booted here; false when one can. */
export function cannotBoot(): string | false {
  if (process.getuid?.() !== 0) return 'needs root';
  const missing = [
    [KERNEL, 'user-mode-linux'],
    ['modprobe', 'kmod'],
    ['busybox', 'busybox-static'],
  ].filter(([program = '']) => findProgram(program) === undefined);
  if (missing.length === 0) return false;
  return `needs the Debian packages ${missing.map(([, name]) => name).join(' ')}`;
}

function findProgram(name: string): string | undefined {
  // Not every login of root has sbin in its PATH.
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Runs the files to the end, or to the end of the time, and leaves nothing. */
export async function runInKernel(wish: Wish, limits: { readonly msMax: number }): Promise<Booted> {
  const job = mkdtempSync(join(tmpdir(), 'coracle-uml-'));
  try {
    writeFileSync(join(job, WISH_FILE), JSON.stringify(wish));
    for (const disk of ['disk', 'swap']) makeDisk(join(job, disk));
    mkdirSync(join(job, 'uml'));
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

/**
 * Its memory is a file, which is in memory where there is room: /dev/shm of a container is small.
 */
function memoryFolder(job: string): string {
  if (!existsSync(SHM)) return job;
  const { bavail, bsize } = statfsSync(SHM);
  return bavail * bsize >= 2 * MEMORY_BYTES ? SHM : job;
}

async function boot(job: string, msMax: number): Promise<{ text: string; timedOut: boolean }> {
  const argv = [
    'rootfstype=hostfs',
    'rootflags=/',
    'ro',
    `mem=${MEMORY_BYTES / 1024 / 1024}M`,
    `ubd0=${join(job, 'disk')}`,
    `ubd1=${join(job, 'swap')}`,
    `uml_dir=${join(job, 'uml')}`,
    'con0=fd:0,fd:1',
    'con=null',
    'quiet',
    'panic=-1',
    'init=/bin/sh',
    '--',
    join(import.meta.dirname, 'init.sh'),
    ROOT,
    process.execPath,
    job,
  ];
  // A group of its own: each process inside is one outside, and a signal must reach all.
  const child = spawn(findProgram(KERNEL) ?? KERNEL, argv, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: memoryFolder(job) },
  });
  using _end = atExit(() => {
    endGroup(child);
    rmSync(job, { recursive: true, force: true });
  });
  let text = '';
  const keep = (chunk: Buffer): void => {
    text = (text + chunk.toString()).slice(-CONSOLE_BYTES_MAX);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    endGroup(child);
  }, msMax);
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  child.on('error', (error) => {
    text += `${error.message}\n`;
    resolve();
  });
  child.on('close', () => resolve());
  await closed;
  clearTimeout(timer);
  endGroup(child);
  return { text, timedOut };
}

function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // All of it has ended.
  }
}
