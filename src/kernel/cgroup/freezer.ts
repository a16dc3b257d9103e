// Pausing every process of a cgroup: v1 `freezer.state` (cgroup-v1/freezer-subsystem.rst), v2
// `cgroup.freeze` with its outcome in `cgroup.events` (cgroup-v2.rst, "Core Interface Files").

export type Freezer = {
  readonly version: 1 | 2;
  /** File and the two values to write. */
  readonly path: string;
  readonly freeze: string;
  readonly thaw: string;
  /** File to read until isFrozen() says so: freezing takes effect later than the write. */
  readonly statePath: string;
};

/** Between two reads of the state, and how many reads until giving up. */
export const FREEZE_POLL_MS = 1;
export const FREEZE_POLLS_MAX = 2000;
/**
 * v1 can stay in FREEZING for ever when a process forks meanwhile; writing THAWED and FROZEN
 * again after this many polls gets past it.
 */
export const FREEZE_RETRY_POLLS = 50;

export function freezerAt(version: 1 | 2, directory: string): Freezer {
  if (version === 1) {
    const path = `${directory}/freezer.state`;
    return { version, path, freeze: 'FROZEN', thaw: 'THAWED', statePath: path };
  }
  return {
    version,
    path: `${directory}/cgroup.freeze`,
    freeze: '1',
    thaw: '0',
    statePath: `${directory}/cgroup.events`,
  };
}

/** Reads the text of `statePath`. */
export function isFrozen(freezer: Freezer, text: string): boolean {
  if (freezer.version === 1) return text.trim() === 'FROZEN';
  return text.split('\n').includes('frozen 1');
}
