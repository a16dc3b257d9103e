// A User Mode Linux kernel is a program: a machine of its own wherever the tests run.
import { existsSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { type Ended, findProgram, runMachine } from './machine.ts';

const KERNEL = 'linux.uml';
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
): Promise<Ended> {
  const machine = [
    `mem=${memoryBytes / 1024 / 1024}M`,
    `uml_dir=${join(job, 'uml')}`,
    'con0=fd:0,fd:1',
    'con=null',
    'panic=-1',
  ];
  const env = { ...process.env, TMPDIR: memoryFolder(job, memoryBytes) };
  return runMachine([findProgram(KERNEL) ?? KERNEL, ...machine, ...argv], { job, env, msMax });
}
