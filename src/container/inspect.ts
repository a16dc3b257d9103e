// inspect: a record and what is known only now, as one view; and list, which is all views.
import { posix } from 'node:path';
import type { Deps } from './deps.ts';
import type { ContainerView } from './engine.ts';
import { healthOf } from './health-watch.ts';
import { pathsOf } from './make-box.ts';
import type { ContainerRecord } from './record.ts';

type InspectDeps = Pick<Deps, 'store' | 'lives' | 'snapshots' | 'settings' | 'networks' | 'slices'>;

export function inspect(deps: InspectDeps, ref: string): ContainerView {
  return new View(deps, deps.store.get(ref), () => linkNames(deps));
}

export function list(deps: InspectDeps): readonly ContainerView[] {
  let names: LinkNames | undefined;
  const linked = (): LinkNames => (names ??= linkNames(deps));
  return deps.store.list().map((record) => new View(deps, record, linked));
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

type LinkNames = ReadonlyMap<string, readonly string[]>;

/** Who is linked to, by the names that others have for it. */
function linkNames(deps: InspectDeps): LinkNames {
  const names = new Map<string, string[]>();
  for (const parent of deps.store.list()) {
    for (const { container, alias } of parent.links ?? []) {
      names.set(container, [...(names.get(container) ?? []), `/${parent.name}/${alias}`]);
    }
  }
  return names;
}

/** Most of who lists containers looks at a few fields: what takes long is made when it is asked. */
class View implements ContainerView {
  readonly id: string;
  readonly name: string;
  readonly createdAt: bigint;
  readonly spec: ContainerView['spec'];
  readonly merged: ContainerView['merged'];
  readonly imageId: string;
  readonly imageName: string;
  readonly state: ContainerView['state'];
  readonly finishedAt: ContainerView['finishedAt'];
  readonly health: ContainerView['health'];
  readonly restartCount: number;
  readonly startError: ContainerView['startError'];
  readonly execIds: readonly string[];
  readonly driver: string;
  readonly platform: string;
  readonly sandbox: ContainerView['sandbox'];
  readonly #deps: InspectDeps;
  readonly #record: ContainerRecord;
  readonly #linked: () => LinkNames;

  constructor(deps: InspectDeps, record: ContainerRecord, linked: () => LinkNames) {
    this.id = record.id;
    this.name = record.name;
    this.createdAt = record.createdAt;
    this.spec = record.spec;
    this.merged = record.merged;
    this.imageId = record.image.id;
    this.imageName = record.image.name;
    this.state = record.state;
    this.finishedAt = record.finishedAt;
    this.health = healthOf(deps, record);
    this.restartCount = record.restartCount;
    this.startError = record.startError;
    this.execIds = [...(deps.lives.find(record.id)?.execs.keys() ?? [])];
    this.driver = deps.snapshots.driver;
    this.platform = record.platform;
    this.sandbox = deps.networks.sandbox(record.id);
    this.#deps = deps;
    this.#record = record;
    this.#linked = linked;
  }

  get paths(): ContainerView['paths'] {
    return filesOf(this.#deps, this.#record);
  }

  /**
   * --tmpfs is told by HostConfig.Tmpfs alone; --mount type=tmpfs is a mount point (as Docker's).
   */
  get mounts(): ContainerView['mounts'] {
    const { tmpfs } = this.spec.host;
    return this.#record.mounts.filter((mount) => !Object.hasOwn(tmpfs, mount.destination));
  }

  get graph(): ContainerView['graph'] {
    return this.#deps.snapshots.graph(this.id);
  }

  get cgroupPath(): string {
    const { slices, settings } = this.#deps;
    return posix.join(slices.place(this.spec.host).parent, settings.cgroupName(this.id));
  }

  get links(): readonly string[] {
    return (this.#record.links ?? []).flatMap(({ container, alias }) => {
      const other = this.#deps.store.find(container);
      return other === undefined ? [] : [`/${other.name}:/${this.name}/${alias}`];
    });
  }

  get linkedAs(): readonly string[] {
    return this.#linked().get(this.id) ?? [];
  }
}
