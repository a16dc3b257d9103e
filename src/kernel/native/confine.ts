// A program of the host that speaks with strangers, run with nothing that it does not need
// (native/confine.c): no root, no capabilities, no processes in sight, nothing writable but one
// directory, which it sees as /tmp.
import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';

/** Nobody's: above what subordinate ids and systemd take (systemd's UIDS-GIDS). */
const UID = 0x7fff_0000;

export type ConfinedProgram = {
  /** An absolute path, and what follows it. */
  readonly argv: readonly string[];
  /** Becomes its own. */
  readonly directory: string;
  /** All of it; other users of the host cannot read it, unlike arguments. */
  readonly env: Readonly<Record<string, string>>;
  readonly fileBytesMax: number;
  readonly memoryBytesMax: number;
};

export type RunningProgram = {
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Its code, when it and all that it has started are gone; 128+n for a signal. */
  readonly ended: Promise<number>;
  stop(): void;
};

export function startConfined(nativePath: string, program: ConfinedProgram): RunningProgram {
  const { argv, directory, env, fileBytesMax, memoryBytesMax } = program;
  const limits = [UID, fileBytesMax, memoryBytesMax].map(String);
  const child = spawn(nativePath, ['confine', ...limits, directory, ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...env },
  });
  const { promise: ended, resolve, reject } = Promise.withResolvers<number>();
  ended.catch(() => {}); // also where nobody waits any more
  child.on('error', reject);
  child.on('exit', (code) => resolve(code ?? 137));
  return { stdout: child.stdout, stderr: child.stderr, ended, stop: () => void child.kill() };
}
