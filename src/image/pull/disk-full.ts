// Whether a failure was a full disk or quota, wherever it was met: in this process, in the
// registry's thread, or in the C program.
import { EngineError, errnoOf } from '#base/error.ts';

const FULL: readonly unknown[] = ['ENOSPC', 'EDQUOT'];
const CAUSES_MAX = 8;

export function isDiskFull(error: unknown): boolean {
  let at = error;
  for (let depth = 0; depth < CAUSES_MAX && at !== undefined; depth += 1) {
    if (FULL.includes(errnoOf(at))) return true;
    if (at instanceof EngineError && FULL.includes(at.facts['errno'])) return true;
    at = at instanceof Error ? at.cause : undefined;
  }
  return false;
}
