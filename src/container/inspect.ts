// inspect: a record and what is known only now, as one immutable view; and list, which is all
// views.
import { posix } from 'node:path';
import type { Deps } from './deps.ts';
import type { ContainerView } from './engine.ts';
import { healthOf } from './health-watch.ts';
import { pathsOf } from './make-box.ts';
import type { ContainerRecord } from './record.ts';

type InspectDeps = Pick<Deps, 'store' | 'lives' | 'snapshots' | 'settings' | 'networks' | 'slices'>;

export function inspect(deps: InspectDeps, ref: string): ContainerView {
  return viewOf(deps, deps.store.get(ref), linkNames(deps));
}

export function list(deps: InspectDeps): readonly ContainerView[] {
  const linked = linkNames(deps);
  return deps.store.list().map((record) => viewOf(deps, record, linked));
}

/** hosts, hostname and resolv.conf are those of the container whose network it shares. */
function filesOf(deps: InspectDeps, record: ContainerRecord): ContainerView['paths'] {
  const own = pathsOf(deps.store.directory(record.id), record.id);
  const { networkMode } = record.spec.host;
  if (!networkMode.startsWith('container:')) return own;
  const other = deps.store.find(networkMode.slice('container:'.length));
  if (other === undefined) return own;
  return { ...pathsOf(deps.store.directory(other.id), other.id), log: own.log };
}

/** Who is linked to, by the names that others have for it. */
function linkNames(deps: InspectDeps): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, string[]>();
  for (const parent of deps.store.list()) {
    for (const { container, alias } of parent.links ?? []) {
      names.set(container, [...(names.get(container) ?? []), `/${parent.name}/${alias}`]);
    }
  }
  return names;
}

function viewOf(
  deps: InspectDeps,
  record: ContainerRecord,
  linked: ReadonlyMap<string, readonly string[]>,
): ContainerView {
  const { parent } = deps.slices.place(record.spec.host);
  return {
    id: record.id,
    name: record.name,
    createdAt: record.createdAt,
    spec: record.spec,
    merged: record.merged,
    imageId: record.image.id,
    imageName: record.image.name,
    state: record.state,
    health: healthOf(deps, record),
    restartCount: record.restartCount,
    startError: record.startError,
    paths: filesOf(deps, record),
    execIds: [...deps.lives.of(record.id).execs.keys()],
    // --tmpfs is told by HostConfig.Tmpfs alone; --mount type=tmpfs is a mount point (as Docker's).
    mounts: record.mounts.filter(
      (mount) => !Object.hasOwn(record.spec.host.tmpfs, mount.destination),
    ),
    driver: deps.snapshots.driver,
    graph: deps.snapshots.graph(record.id),
    platform: record.platform,
    cgroupPath: posix.join(parent, deps.settings.cgroupName(record.id)),
    sandbox: deps.networks.sandbox(record.id),
    links: (record.links ?? []).flatMap(({ container, alias }) => {
      const other = deps.store.find(container);
      return other === undefined ? [] : [`/${other.name}:/${record.name}/${alias}`];
    }),
    linkedAs: linked.get(record.id) ?? [],
  };
}
