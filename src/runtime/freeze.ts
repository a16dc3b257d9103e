// Pausing and resuming all processes of a container through its freezer cgroup.
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

/** Takes effect at once on v2; v1 passes through FREEZING only on the way in. */
export async function thaw(freezer: Freezer): Promise<void> {
  await writeFile(freezer.path, freezer.thaw);
}
