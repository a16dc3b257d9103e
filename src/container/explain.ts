// explain: the kernel operations that made a container; plan: those that would make one.
import { newId } from '#base/id.ts';
import { branchesOf } from './branches.ts';
import { checkSpec, draftRecord } from './create.ts';
import type { Deps } from './deps.ts';
import { readDevices } from './device.ts';
import { settleNetworking } from './endpoint.ts';
import type { Explanation } from './engine.ts';
import { makeBox, runDirectoryOf } from './make-box.ts';
import { generateName, parseName } from './name.ts';
import { joiner, planNamespaces } from './namespace.ts';
import { networkFinder, networkNamespace, sourceOf } from './network.ts';
import { networkAccount, withNetwork } from './network-account.ts';
import { checkPlatform } from './platform.ts';
import type { ContainerRecord, MountPoint } from './record.ts';
import { imagePoint, type MountsWanted, pointOf } from './settle-mounts.ts';
import { cgroupOf } from './slice.ts';
import type { ContainerSpec } from './spec.ts';
import { layersOf } from './sources.ts';
import { type BoxNetwork, boxOf } from './make.ts';
import { AUTO_COUNT, AUTO_FIRST, parseUsernsMode } from './userns.ts';

export async function explain(deps: Deps, ref: string): Promise<Explanation> {
  const { id } = deps.store.get(ref);
  // What is just being started or connected is not whole yet.
  using _lock = await deps.locks.acquire(id);
  const record = deps.store.get(id);
  const done = await deps.runtime.explain(
    runDirectoryOf(deps.settings, record.id),
    deps.store.directory(record.id),
  );
  // Never started, or a restart of the host under it took the account: then the plan.
  const told = done ?? {
    groups: deps.runtime.plan(boxOf(deps, record, plannedNetwork(deps, record))),
    totalNanoseconds: null,
  };
  const branches = await branchesOf(deps, record);
  return {
    id: record.id,
    name: record.name,
    image: record.image.name,
    ...(branches === undefined ? {} : { branches }),
    ...withNetwork(told, await networkAccount(deps, record)),
  };
}

/** The namespace that a start would open; links are known only then. */
function plannedNetwork(deps: Deps, record: ContainerRecord): BoxNetwork {
  const source = sourceOf(record, deps.settings);
  const opened = source.kind === 'own' && source.request !== undefined;
  const path = opened && record.userns === undefined ? deps.networks.path(record.id) : undefined;
  return { source, path, env: [] };
}

/** Nothing is made: neither a name nor a directory nor a volume. */
export async function plan(deps: Deps, wish: ContainerSpec): Promise<Explanation> {
  checkSpec(deps, wish);
  const spec = { ...wish, networking: settleNetworking(wish, networkFinder(deps)) };
  const id = newId();
  const name = spec.name ? parseName(spec.name) : generateName(0);
  const image = await deps.images.resolve(spec.config.image);
  checkPlatform(spec, image);
  const draft = draftRecord(deps, spec, id, name, image);
  const record: ContainerRecord = {
    ...draft.record,
    mounts: await wouldBe(deps, draft.wanted),
    userns: usernsOf(spec),
  };
  const network = plannedNetwork(deps, record);
  const join = joiner(deps, record);
  const box = makeBox(record, {
    settings: deps.settings,
    ...planNamespaces(record, {
      cgroupVersion: deps.settings.cgroupVersion,
      join,
      network: networkNamespace(network.source, { path: network.path, join }),
    }),
    env: network.env,
    devices: readDevices(spec.host.devices),
    root: deps.snapshots.plan(id, image.chain),
    ...cgroupOf(deps, spec.host, 'refuse'),
    directory: deps.store.directory(id),
    filesOf: deps.store.directory(id),
    isFile: () => false,
    layersOf: (chain) => layersOf(deps, chain),
  });
  return {
    id,
    name,
    image: image.name,
    groups: deps.runtime.plan(box),
    totalNanoseconds: null,
  };
}

/** Volumes are not made: the plan shows a name where their directory will be. */
async function wouldBe(
  deps: Pick<Deps, 'images'>,
  { wishes, inherited }: MountsWanted,
): Promise<readonly MountPoint[]> {
  const own = new Set(wishes.map(({ target }) => target));
  const points = await Promise.all(
    wishes.map((wish): MountPoint | Promise<MountPoint> => {
      if (wish.type === 'image') return imagePoint(deps, wish);
      const isVolume = wish.type === 'volume';
      const source = isVolume ? ['VOLUME', wish.source].filter(Boolean).join(':') : wish.source;
      const name = isVolume ? wish.source : undefined;
      const point = pointOf(wish, { source, name, anonymous: name === '' });
      return { ...point, createSource: false };
    }),
  );
  return [...inherited.filter(({ destination }) => !own.has(destination)), ...points];
}

function usernsOf(spec: ContainerSpec): ContainerRecord['userns'] {
  const mode = parseUsernsMode(spec.host.usernsMode);
  if (mode.mode === 'host') return undefined;
  if (mode.mode === 'auto') {
    return { mappings: [{ inside: 0, outside: AUTO_FIRST, count: AUTO_COUNT }] };
  }
  return { mappings: [{ inside: 0, outside: mode.outside, count: mode.count }] };
}
