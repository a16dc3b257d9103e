// What a container's root is made of, for `explain`: the branches of the union, what was copied up
// from the read-only ones because the container wrote to it, and what sharing them saves.
import { isEngineError } from '#base/error.ts';
import { toText } from '#tar/binary-path.ts';
import { isFile } from './archive-path.ts';
import type { Deps } from './deps.ts';
import { type LayerLook, openLayer } from './layer-visit.ts';
import type { Branch } from './port.ts';
import type { ContainerRecord } from './record.ts';

export type Branches = {
  readonly driver: string;
  /** Where it writes. */
  readonly writable: { readonly path: string; readonly bytes: number; readonly files: number };
  /** The top one first. */
  readonly readonly: readonly (Branch & {
    /** Other containers that stand on it. */
    readonly others: number;
  })[];
  readonly copiedUp: {
    readonly files: number;
    /** Of the originals. */
    readonly bytes: number;
    /** The largest first. */
    readonly largest: readonly { readonly path: string; readonly bytes: number }[];
  };
  /** Bytes of layers that the container uses and has no copy of. */
  readonly savedBytes: number;
};

/** How many files are named. */
export const COPIED_UP_SHOWN_MAX = 20;

/** undefined while it has no root. */
export async function branchesOf(
  deps: Deps,
  record: ContainerRecord,
): Promise<Branches | undefined> {
  try {
    return await read(deps, record);
  } catch (error) {
    if (isEngineError(error, 'not_found') || isEngineError(error, 'conflict')) return undefined;
    throw error;
  }
}

async function read(deps: Deps, record: ContainerRecord): Promise<Branches> {
  await using parts = new AsyncDisposableStack();
  const look = await openLayer(deps, record.id, parts);
  try {
    return await count(deps, record, look);
  } catch (error) {
    throw look.visit.reason(error);
  }
}

async function count(
  deps: Deps,
  record: ContainerRecord,
  { visit, differences, marks }: LayerLook,
): Promise<Branches> {
  const copied: { readonly path: string; readonly bytes: number }[] = [];
  let [bytes, files] = [0, 0];
  for await (const records of differences({ data: false, everyFile: true })) {
    visit.touch();
    for (const entry of records) {
      if (entry.kind !== 'entry' || entry.gone) continue;
      bytes += entry.hardLink ? 0 : entry.allocated;
      if (!isFile(entry.mode)) continue;
      files += 1;
      if (entry.wasFile) copied.push({ path: `/${toText(entry.path)}`, bytes: entry.before });
    }
  }
  const branches = deps.snapshots.branches(record.image.chain);
  const copiedBytes = copied.reduce((sum, each) => sum + each.bytes, 0);
  const total = branches.reduce((sum, each) => sum + each.bytes, 0);
  return {
    driver: deps.snapshots.driver,
    writable: { path: deps.snapshots.written(record.id).path, bytes, files },
    readonly: branches.map((branch) => ({ ...branch, others: othersOn(deps, record, branch) })),
    copiedUp: {
      files: copied.length,
      bytes: copiedBytes,
      largest: copied.toSorted((a, b) => b.bytes - a.bytes).slice(0, COPIED_UP_SHOWN_MAX),
    },
    // A copy of the image shares nothing, but for what the file system itself shares.
    savedBytes: marks ? Math.max(0, total - copiedBytes) : 0,
  };
}

function othersOn(deps: Deps, { id }: ContainerRecord, { chain }: Branch): number {
  const stands = (record: ContainerRecord): boolean =>
    deps.snapshots.branches(record.image.chain).some((each) => each.chain === chain);
  return deps.store.list().filter((record) => record.id !== id && stands(record)).length;
}
