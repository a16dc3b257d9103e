// Pausing and resuming all processes of a container through its freezer cgroup.
import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '#base/error.ts';
import {
  FREEZE_POLL_MS,
  FREEZE_POLLS_MAX,
  FREEZE_RETRY_POLLS,
  type Freezer,
  isFrozen,
} from '#kernel/cgroup/freezer.ts';

/** Resolves when every process has stopped; thaws again and throws when that does not happen. */
export async function freeze(freezer: Freezer, signal?: AbortSignal): Promise<void> {
  await writeFile(freezer.path, freezer.freeze);
  for (let poll = 1; poll <= FREEZE_POLLS_MAX; poll += 1) {
    if (isFrozen(freezer, await readFile(freezer.statePath, 'utf8'))) return;
    if (signal?.aborted) break;
    await sleep(FREEZE_POLL_MS);
    if (freezer.version === 1 && poll % FREEZE_RETRY_POLLS === 0) {
      await writeFile(freezer.path, freezer.thaw);
      await writeFile(freezer.path, freezer.freeze);
    }
  }
  await thaw(freezer);
  throw new EngineError('unavailable', 'the processes of the container could not be frozen', {
    facts: { file: freezer.path },
  });
}

/**
 * The same of a container, whose first process must be there: one that is on its way out waits for
 * all others of its PID namespace, and an exec that is frozen with them would never end
 * (pid_namespaces(7), zap_pid_ns_processes()).
 */
export async function freezeAround(
  pid: number,
  freezer: Freezer,
  signal?: AbortSignal,
): Promise<void> {
  refuseEnding(pid);
  await freeze(freezer, signal);
  try {
    refuseEnding(pid);
  } catch (error) {
    await thaw(freezer);
    throw error;
  }
}

function refuseEnding(pid: number): void {
  if (!isEnding(pid)) return;
  const facts = { errno: 'ESRCH' };
  throw new EngineError('conflict', 'the container has just ended', { facts });
}

/** The kernel's mark of a process that ends, in field 9 of its stat (proc_pid_stat(5)). */
const PF_EXITING = 4;

export function isEnding(pid: number): boolean {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return true; // nobody has waited for it, or somebody has
  }
  // The name before it may hold anything, a ")" too.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[6]) & PF_EXITING) !== 0;
}

/** Takes effect at once on v2; v1 passes through FREEZING only on the way in. */
export async function thaw(freezer: Freezer): Promise<void> {
  await writeFile(freezer.path, freezer.thaw);
}
