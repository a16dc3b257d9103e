// A User Mode Linux kernel is a program: a machine of its own wherever the tests run.
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, existsSync, rmSync, statfsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { atExit } from '../tools/at-exit.ts';

const KERNEL = 'linux.uml';
const CONSOLE_BYTES_MAX = 32 * 1024;
const SHM = '/dev/shm';

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

export function findProgram(name: string): string | undefined {
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

/**
 * Its memory is a file, which is in memory where there is room: /dev/shm of a container is small.
 */
function memoryFolder(job: string, bytes: number): string {
  if (!existsSync(SHM)) return job;
  const { bavail, bsize } = statfsSync(SHM);
  return bavail * bsize >= 2 * bytes ? SHM : job;
}

/** Runs until it powers off, or the time ends. The folder is its own, and goes if we are killed. */
export async function bootUml(
  job: string,
  argv: readonly string[],
  memoryBytes: number,
  msMax: number,
): Promise<{ readonly text: string; readonly timedOut: boolean }> {
  const machine = [
    `mem=${memoryBytes / 1024 / 1024}M`,
    `uml_dir=${join(job, 'uml')}`,
    'con0=fd:0,fd:1',
    'con=null',
    'panic=-1',
  ];
  // A group of its own: each process inside is one outside, and a signal must reach all.
  const child = spawn(findProgram(KERNEL) ?? KERNEL, [...machine, ...argv], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: memoryFolder(job, memoryBytes) },
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
