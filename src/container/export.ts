// `docker export`: the root of a container as one tar; what is mounted in it is an empty directory.
import { encodeTree, plainHeader } from './archive-tar.ts';
import type { Deps } from './deps.ts';
import { publish } from './event.ts';
import { idShift } from './id-shift.ts';
import { begin, keepOpen, openVisit } from './visit.ts';

/** The chunks must be read, or their iterator be ended. */
export async function exportRoot(deps: Deps, ref: string): Promise<AsyncIterable<Uint8Array>> {
  await using parts = new AsyncDisposableStack();
  const visit = parts.use(await openVisit(deps, ref, { alone: true }));
  const records = visit.files.walk({ directory: '', name: '', data: true });
  const first = await begin(records, (error) => visit.reason(error));
  publish(deps, visit.record, 'export');
  const ids = idShift(visit.record.userns?.mappings);
  const nameOf = (path: string): string | undefined => (path === '' ? undefined : path);
  const bytes = encodeTree(first, plainHeader(nameOf, ids));
  return keepOpen(visit, bytes, parts.move());
}
