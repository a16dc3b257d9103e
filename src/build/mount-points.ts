// What a start made in a root so that something could be mounted there: directories and empty files
// that no command has asked for, and so no part of the layer.
import type { MountSpec } from '#container/spec.ts';
import type { EncodeEntry } from '#tar/encode.ts';
import { toBinary } from '#tar/binary-path.ts';
import { lookAt } from './target.ts';
import { lookInto } from './look.ts';
import type { BuildShared } from './shared.ts';
import type { State } from './state.ts';

export type MountPoints = {
  /** Paths that were not there before; the deepest come last. */
  readonly made: readonly string[];
  /** Directories that got a new entry, and how they were. */
  readonly touched: ReadonlyMap<string, Attributes>;
};
type Attributes = { readonly mode: number; readonly uid: number; readonly gid: number };

const NONE: MountPoints = { made: [], touched: new Map() };

export async function findMountPoints(
  build: BuildShared,
  state: State,
  mounts: readonly MountSpec[],
): Promise<MountPoints> {
  if (mounts.length === 0) return NONE;
  return lookInto(build, state, async (visit) => {
    const made = new Set<string>();
    const touched = new Map<string, Attributes>();
    for (const { target } of mounts) {
      const { existing, missing } = await lookAt(visit, target);
      let path = existing.replace(/^\/+|\/+$/g, '');
      if (missing.length > 0 && visit !== undefined) {
        touched.set(path, await visit.stat(existing, ''));
      }
      for (const name of missing) {
        path = path === '' ? name : `${path}/${name}`;
        made.add(path);
      }
    }
    return { made: [...made].toSorted((a, b) => a.length - b.length), touched };
  });
}

/** Leaves out what nothing else was written to. */
export async function layerWithout(
  { made, touched }: MountPoints,
  changes: () => Promise<readonly { readonly path: string }[]>,
): Promise<(entry: EncodeEntry) => EncodeEntry | undefined> {
  if (made.length === 0) return (entry) => entry;
  const changed = (await changes()).map(({ path }) => toBinary(path.replace(/^\/+/, '')));
  const own = new Set(made);
  const kept = new Set<string>();
  for (const path of changed) {
    if (own.has(path) || touched.has(path)) continue;
    // Whatever is in a directory keeps it.
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      kept.add(path.slice(0, at));
    }
  }
  return (entry) => {
    const path = entry.path.replace(/\/+$/, '');
    if (kept.has(path)) return entry;
    if (own.has(path)) return undefined;
    const before = touched.get(path);
    return before !== undefined && isSame(before, entry) ? undefined : entry;
  };
}

function isSame(before: Attributes, { mode, uid = 0, gid = 0 }: EncodeEntry): boolean {
  const permissions = 0o7777;
  const same = (before.mode & permissions) === (mode & permissions);
  return same && before.uid === uid && before.gid === gid;
}
