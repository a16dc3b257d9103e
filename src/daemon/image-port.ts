// Images and snapshots as container/ asks for them.
import { readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isEngineError } from '#base/error.ts';
import type { EphemeralImages } from '#build/ephemeral.ts';
import type { Branch, Images, Snapshots, Written } from '#container/port.ts';
import type { ImageService } from '#image/image.ts';
import { formatPlatform } from '#image/platform.ts';
import type { ChainId } from '#snapshot/chain.ts';
import type { Snapshotter } from '#snapshot/snapshotter.ts';
import type { TopCopies } from '#snapshot/top-copies.ts';

export function makeImagePort(images: ImageService, ephemeral: EphemeralImages): Images {
  return {
    commit: (options) => images.commit(options),
    resolve: async (ref) => {
      const own = ephemeral.find(ref);
      if (own !== undefined) return own;
      const image = images.resolve(ref);
      const { id, config, chain } = image;
      return { id, name: ref, config, chain, platform: formatPlatform(image) };
    },
  };
}

export function makeSnapshotPort(
  snapshots: Snapshotter,
  images: Pick<ImageService, 'release'>,
  copies: Pick<TopCopies, 'removeAll'>,
  /** Bytes of a directory's files; a container may change them meanwhile. */
  measure: (path: string) => Promise<number>,
): Snapshots {
  return {
    driver: snapshots.driver.name,
    prepare: (id, chain, bytes) => snapshots.prepare(id, chain, bytes),
    hold: (id) => snapshots.hold(id),
    grow: (id, bytes, used) => snapshots.grow(id, bytes, used),
    root: (id) => snapshots.root(id),
    written: (id) => writtenOf(snapshots, id),
    reopen: (id) => snapshots.reopen(id),
    layers: (chain) => snapshots.lower(chain),
    branches: (chain) => branchesOf(snapshots, chain),
    plan: (id, chain) => snapshots.plan(id, chain),
    remove: async (id) => {
      const chain = ifThere(() => snapshots.parent(id));
      await snapshots.remove(id);
      await copies.removeAll(id);
      // The last container of an image that was removed by force takes its layers along.
      await images.release(chain);
    },
    list: () => snapshots.tops(),
    usage: async (id) => {
      await using _held = await snapshots.hold(id);
      const { path } = writtenOf(snapshots, id);
      const rw = Math.max(0, (await measure(path)) - madeBytes(path));
      // A copy is the whole root.
      const below = snapshots.driver.name === 'copy' ? undefined : snapshots.parent(id);
      return { rw, rootFs: rw + chainBytes(snapshots, below) };
    },
    graph: (id) => graphOf(snapshots, id),
  };
}

/** Of all that a start makes in a root, this link alone has a length; dockerd does not count it. */
function madeBytes(path: string): number {
  try {
    const target = readlinkSync(join(path, 'etc/mtab'));
    return target === '/proc/mounts' ? target.length : 0;
  } catch {
    return 0; // there is no link
  }
}

function writtenOf(snapshots: Snapshotter, id: string): Written {
  const root = snapshots.root(id);
  if (root.kind === 'overlay') return { path: root.upper, lower: root.lower, marks: true };
  return { path: root.path, lower: snapshots.lower(snapshots.parent(id)), marks: false };
}

function branchesOf(snapshots: Snapshotter, top: ChainId | undefined): readonly Branch[] {
  const branches: Branch[] = [];
  for (let chain = top; chain !== undefined; ) {
    const layer = snapshots.layer(chain);
    if (layer === undefined) break;
    const [path = ''] = snapshots.lower(chain);
    branches.push({ chain, diffId: layer.diffId, path, bytes: layer.bytes });
    chain = layer.parent;
  }
  return branches;
}

function chainBytes(snapshots: Snapshotter, top: ChainId | undefined): number {
  let bytes = 0;
  for (let chain = top; chain !== undefined; ) {
    const layer = snapshots.layer(chain);
    bytes += layer?.bytes ?? 0;
    chain = layer?.parent;
  }
  return bytes;
}

function graphOf(snapshots: Snapshotter, id: string): Readonly<Record<string, string>> {
  const root = ifThere(() => snapshots.root(id));
  if (root === undefined) return {};
  if (root.kind === 'bind') return { Dir: root.path };
  const { lower, upper, work } = root;
  return {
    LowerDir: lower.join(':'),
    // The root is mounted inside the container's own mount namespace alone: nothing is here.
    MergedDir: join(dirname(upper), 'merged'),
    UpperDir: upper,
    WorkDir: work,
  };
}

/** A removal that was cut short leaves a container without its top. */
function ifThere<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch (error) {
    if (isEngineError(error, 'not_found')) return undefined;
    throw error;
  }
}
