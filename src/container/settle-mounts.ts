// The mounts of a new container: those of --volumes-from, then its own; volumes are made, found and
// filled with what the image has in their place.
import type { Undo } from '#base/undo.ts';
import { EngineError, isEngineError } from '#base/error.ts';
import type { ChainId } from '#snapshot/chain.ts';
import type { Deps } from './deps.ts';
import { validMode } from './bind-text.ts';
import { depthOf } from './mount-point.ts';
import { invalid, type MountWish, PROPAGATIONS } from './mount-wish.ts';
import type { MountPoint } from './record.ts';
import type { HostConfig } from './spec.ts';

export type MountsWanted = {
  readonly id: string;
  readonly wishes: readonly MountWish[];
  readonly inherited: readonly MountPoint[];
  /** Of the container. */
  readonly chain: ChainId | undefined;
  /** It has a user namespace. */
  readonly mapped: boolean;
};

/** What containers named by --volumes-from have; a later one wins. Texts are dockerd's. */
export function inheritedMounts(
  deps: Pick<Deps, 'store'>,
  { volumesFrom }: Pick<HostConfig, 'volumesFrom'>,
): readonly MountPoint[] {
  const mounts = new Map<string, MountPoint>();
  for (const text of volumesFrom) {
    const [ref = '', ...rest] = text.split(':');
    const mode = rest.length === 0 ? 'rw' : rest.join(':');
    const words = mode.split(',');
    const foreign = words.some((word) => word === 'nocopy' || PROPAGATIONS.includes(word));
    if (text === '') throw invalid('volumes-from specification cannot be an empty string');
    if (foreign || !validMode(mode)) throw invalid(`invalid mode: ${mode}`);
    if (ref === '') throw invalid('invalid name or ID supplied: ""');
    const donor = deps.store.find(ref);
    // 400 as in Docker: a client takes 404 here for a missing image.
    if (donor === undefined) throw invalid(`No such container: ${ref}`);
    for (const mount of donor.mounts) {
      // --tmpfs belongs to the container that asked for it.
      if (Object.hasOwn(donor.spec.host.tmpfs, mount.destination)) continue;
      const rw = mount.rw && !words.includes('ro');
      mounts.set(mount.destination, { ...mount, rw, mode: '' });
    }
  }
  return [...mounts.values()];
}

/**
 * Volumes are reserved until `reserved` is disposed: by then the record says who has them.
 * Anonymous ones that were made for nothing are removed by `undo`.
 */
export async function settleMounts(
  deps: Pick<Deps, 'volumes' | 'snapshots' | 'images' | 'settings'>,
  wanted: MountsWanted,
  { undo, reserved }: { readonly undo: Undo; readonly reserved: DisposableStack },
): Promise<readonly MountPoint[]> {
  const shifted = wanted.wishes.find(({ idmap }) => idmap);
  if (shifted !== undefined && !wanted.mapped) {
    const why = 'idmap shifts owners by a user namespace (--userns), which the container has not';
    throw invalid(`invalid mount at ${shifted.target}: ${why}`);
  }
  const own = new Set(wanted.wishes.map(({ target }) => target));
  const mounts = wanted.inherited.filter(({ destination }) => !own.has(destination));
  for (const { name } of mounts) {
    if (name !== undefined) reserved.use(deps.volumes.reserve(name, wanted.id));
  }
  for (const wish of wanted.wishes) {
    if (wish.type === 'volume') mounts.push(await volumePoint(deps, wish, wanted, undo, reserved));
    else if (wish.type === 'image') mounts.push(await imagePoint(deps, wish));
    else mounts.push(pointOf(wish, { source: wish.source, name: undefined, anonymous: false }));
  }
  await fill(deps, wanted, mounts);
  return mounts.toSorted((a, b) => depthOf(a.destination) - depthOf(b.destination));
}

async function volumePoint(
  deps: Pick<Deps, 'volumes'>,
  wish: MountWish,
  { id }: MountsWanted,
  undo: Undo,
  reserved: DisposableStack,
): Promise<MountPoint> {
  if (wish.source !== '') reserved.use(deps.volumes.reserve(wish.source, id));
  const volume = await deps.volumes.create({
    name: wish.source,
    driver: wish.driver,
    labels: wish.labels,
    options: wish.driverOptions,
  });
  const anonymous = wish.source === '';
  if (anonymous) undo.add('remove the volume', () => deps.volumes.remove(volume.name));
  return pointOf(wish, { source: volume.mountpoint, name: volume.name, anonymous });
}

export async function imagePoint(deps: Pick<Deps, 'images'>, wish: MountWish): Promise<MountPoint> {
  const { id, chain } = await deps.images.resolve(wish.source).catch((error: unknown) => {
    // 404 would be taken for the image of the container.
    throw isEngineError(error, 'not_found') ? invalid(error.message) : error;
  });
  const point = pointOf(wish, { source: wish.source, name: undefined, anonymous: false });
  if (chain === undefined) {
    throw new EngineError('invalid_argument', `the image ${wish.source} has no layers to mount`);
  }
  return { ...point, image: { id, chain } };
}

/** As dockerd, when the container is made, not when it starts: the next one may want to read it. */
async function fill(
  deps: Pick<Deps, 'volumes' | 'snapshots' | 'settings'>,
  { id, wishes, chain }: MountsWanted,
  mounts: readonly MountPoint[],
): Promise<void> {
  if (chain === undefined) return;
  const wanted = wishes.filter(({ type, noCopy, subpath }) => {
    return type === 'volume' && !noCopy && subpath === '';
  });
  const root = wanted.length === 0 ? undefined : deps.snapshots.plan(id, chain);
  if (root?.kind !== 'overlay') return;
  for (const { target } of wanted) {
    const name = mounts.find(({ destination }) => destination === target)?.name;
    const joined = deps.settings.layersJoined;
    if (name !== undefined) {
      await deps.volumes.fill(name, { lower: root.lower, joined, path: target });
    }
  }
}

export function pointOf(
  wish: MountWish,
  made: {
    readonly source: string;
    readonly name: string | undefined;
    readonly anonymous: boolean;
  },
): MountPoint {
  return {
    type: wish.type,
    name: made.name,
    source: made.source,
    destination: wish.target,
    driver: wish.type === 'volume' ? 'local' : undefined,
    mode: wish.mode,
    rw: !wish.readonly,
    // Docker shows no propagation for volumes and tmpfs.
    propagation: wish.type === 'bind' ? wish.propagation : '',
    recursive: wish.recursive,
    recursiveReadonly: wish.recursiveReadonly,
    createSource: wish.createSource,
    anonymous: made.anonymous,
    options: wish.options,
    ...(wish.subpath === '' ? {} : { subpath: wish.subpath }),
    ...(wish.chown ? { chown: true } : {}),
    ...(wish.throwaway ? { throwaway: true } : {}),
    ...(wish.idmap ? { idmap: true } : {}),
  };
}
