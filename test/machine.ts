// A machine that is a process: its console is kept, it has a time limit, and it leaves nothing.
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { atExit } from '../tools/at-exit.ts';

const CONSOLE_BYTES_MAX = 32 * 1024;

export type Ended = {
  /** The end of the console. */
  readonly text: string;
  readonly timedOut: boolean;
  /** It said what it had to say by `firstMsMax`; true when nothing was asked of it. */
  readonly started: boolean;
};

export type MachineOptions = {
  /** A folder of its own, which goes if we are killed. */
  readonly job: string;
  readonly env: NodeJS.ProcessEnv;
  readonly msMax: number;
  /** Words of the console that show that it runs, and how long they may take. */
  readonly first?: { readonly words: string; readonly msMax: number };
};

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

/** Runs until it powers off, or one of the times ends. */
export async function runMachine(
  [program = '', ...argv]: readonly string[],
  { job, env, msMax, first }: MachineOptions,
): Promise<Ended> {
  // A group of its own: of User Mode Linux each process inside is one outside, and a signal must
  // reach all.
  const child = spawn(program, argv, { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env });
  using _end = atExit(() => {
    endGroup(child);
    rmSync(job, { recursive: true, force: true });
  });
  let text = '';
  let started = first === undefined;
  let timedOut = false;
  const end = (): void => {
    timedOut = true;
    endGroup(child);
  };
  const timers = [setTimeout(end, msMax)];
  if (first !== undefined) timers.push(setTimeout(() => started || end(), first.msMax));
  const keep = (chunk: Buffer): void => {
    text = (text + chunk.toString()).slice(-CONSOLE_BYTES_MAX);
    started ||= first !== undefined && text.includes(first.words);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  child.on('error', (error) => {
    text += `${error.message}\n`;
    resolve();
  });
  child.on('close', () => resolve());
  await closed;
  for (const timer of timers) clearTimeout(timer);
  endGroup(child);
  return { text, timedOut, started };
}

function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // All of it has ended.
  }
}
