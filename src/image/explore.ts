// What each layer of an image adds, changes and removes, and which bytes lie in it for nothing:
// those of files that a later layer replaces or removes are stored and pulled, and nobody sees
// them.
import { EngineError } from '#base/error.ts';
import type { TreeEntry, Visit } from '#kernel/native/visit.ts';
import { toText } from '#tar/binary-path.ts';
import { borrow } from './collect.ts';
import type { ImageDeps } from './deps.ts';
import { imageHistory } from './history.ts';
import type { ImageRecord } from './record.ts';

export type FileChange = {
  /** Without a slash at the beginning. */
  readonly path: string;
  readonly kind: 'added' | 'changed' | 'removed';
  readonly directory: boolean;
  readonly bytes: number;
  /** Of the layers below, that nobody sees any more because of this. */
  readonly wasted: number;
};

export type ExploredLayer = {
  readonly diffId: string;
  readonly createdBy: string;
  readonly bytes: number;
  readonly wasted: number;
  /** Each directory before what is in it. */
  readonly changes: readonly FileChange[];
};

export type Exploration = {
  readonly id: string;
  readonly bytes: number;
  readonly wasted: number;
  /** The lowest first. */
  readonly layers: readonly ExploredLayer[];
};

/** A directory with the layers below it, the top one first. */
export type OpenLayer = (path: string, lower: readonly string[]) => Promise<Visit>;

/** Changes of one image; the largest public ones have a tenth of it. */
export const EXPLORED_CHANGES_MAX = 2_000_000;

export async function exploreImage(
  deps: ImageDeps,
  image: ImageRecord,
  openLayer: OpenLayer,
): Promise<Exploration> {
  // Nobody removes the layers meanwhile.
  await using _borrowed = borrow(deps, image.chains);
  const steps = imageHistory(deps, image).toReversed();
  const authors = image.history.flatMap((step, index) =>
    step.emptyLayer ? [] : [steps[index]?.createdBy ?? ''],
  );
  const seen = new SeenTree();
  const layers: ExploredLayer[] = [];
  let count = 0;
  for (const [index, chain] of image.chains.entries()) {
    const [path = '', ...below] = deps.snapshots.lower(chain);
    const isCopy = deps.snapshots.driver.name === 'copy';
    const lower = isCopy ? deps.snapshots.lower(image.chains[index - 1]) : below;
    await using visit = await openLayer(path, lower);
    const changes: FileChange[] = [];
    const compare = isCopy ? ('absence' as const) : ('marks' as const);
    const wish = { directory: '', name: '', data: false, compare, everyFile: !isCopy };
    for await (const records of visit.walk(wish)) {
      for (const record of records) {
        if (record.kind === 'entry' && record.path !== '') changes.push(seen.apply(record));
      }
      if (count + changes.length > EXPLORED_CHANGES_MAX) throw tooMany();
    }
    count += changes.length;
    layers.push(layerOf(image.diffIds[index] ?? '', authors[index] ?? '', changes));
  }
  const sum = (key: 'bytes' | 'wasted'): number =>
    layers.reduce((total, layer) => total + layer[key], 0);
  return { id: image.id, bytes: sum('bytes'), wasted: sum('wasted'), layers };
}

function layerOf(diffId: string, createdBy: string, changes: readonly FileChange[]): ExploredLayer {
  const files = changes.filter(({ kind }) => kind !== 'removed');
  return {
    diffId,
    createdBy,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    wasted: changes.reduce((sum, { wasted }) => sum + wasted, 0),
    changes,
  };
}

function tooMany(): EngineError {
  const text = `the image has more than ${EXPLORED_CHANGES_MAX} files`;
  return new EngineError('limit_exceeded', text, {
    facts: { limit: 'EXPLORED_CHANGES_MAX', max: EXPLORED_CHANGES_MAX },
  });
}

type Seen = { bytes: number; readonly children: Map<string, Seen> };

/** The tree that is seen after some layers, as far as sizes go. */
export class SeenTree {
  readonly #root: Seen = { bytes: 0, children: new Map() };

  /** One entry of the next layer, each directory before what is in it. */
  apply(entry: TreeEntry): FileChange {
    const directory = (entry.mode & 0o170000) === 0o040000;
    const regular = (entry.mode & 0o170000) === 0o100000;
    const bytes = !entry.gone && regular && !entry.hardLink ? entry.size : 0;
    return {
      path: toText(entry.path),
      kind: entry.gone ? 'removed' : entry.wasThere ? 'changed' : 'added',
      directory,
      bytes,
      wasted: entry.gone
        ? this.#remove(entry.path)
        : this.#put(entry.path, directory ? undefined : bytes),
    };
  }

  #parent(path: string): readonly [parent: Seen, name: string] {
    const parts = path.split('/');
    const name = parts.pop() ?? '';
    let at = this.#root;
    for (const part of parts) {
      let next = at.children.get(part);
      if (next === undefined) {
        next = { bytes: 0, children: new Map() };
        at.children.set(part, next);
      }
      at = next;
    }
    return [at, name];
  }

  #remove(path: string): number {
    const [parent, name] = this.#parent(path);
    const gone = parent.children.get(name);
    parent.children.delete(name);
    return gone === undefined ? 0 : sizeOf(gone);
  }

  /** undefined: a directory, which keeps what is in it. */
  #put(path: string, bytes: number | undefined): number {
    const [parent, name] = this.#parent(path);
    const before = parent.children.get(name);
    if (bytes === undefined && before !== undefined && before.bytes === 0) return 0;
    parent.children.set(name, { bytes: bytes ?? 0, children: new Map() });
    return before === undefined ? 0 : sizeOf(before);
  }
}

function sizeOf({ bytes, children }: Seen): number {
  let sum = bytes;
  for (const child of children.values()) sum += sizeOf(child);
  return sum;
}
