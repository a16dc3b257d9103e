// sizes: bytes in the writable layer, and in the whole root.
import type { Deps } from './deps.ts';

export async function sizes(
  deps: Pick<Deps, 'store' | 'snapshots'>,
  ref: string,
): Promise<{ readonly rw: number; readonly rootFs: number }> {
  return deps.snapshots.usage(deps.store.get(ref).id);
}
