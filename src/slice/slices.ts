// Slices: cgroups as objects. A slice has a name, limits and a record; it holds containers and
// other slices, and what it may not exceed they may not exceed together. Its cgroups exist in every
// hierarchy from create to remove, and are made again when the daemon starts.
import { posix } from 'node:path';
import { formatTime, now } from '#base/clock.ts';
import { EngineError } from '#base/error.ts';
import { KeyedLock } from '#base/keyed-lock.ts';
import { Undo, type UndoReport } from '#base/undo.ts';
import type { CgroupRequest } from '#kernel/cgroup/cgroup.ts';
import type { CgroupHost } from '#kernel/cgroup/host.ts';
import type { CgroupNaming } from '#kernel/cgroup/naming.ts';
import type { Resources } from '#kernel/cgroup/resources.ts';
import { planUsage, type Usage } from '#kernel/cgroup/usage/usage.ts';
import { cleanCgroup, effectiveLimits } from './effective.ts';
import { bindContainer, bindSlice, checkBelow, type Level } from './inherit.ts';
import { lineageOf, parentOf, parseSlicePath } from './path.ts';
import type {
  ContainerSlices,
  EffectiveLimits,
  Member,
  Members,
  Missing,
  Place,
  SliceCgroups,
  Wishes,
} from './port.ts';
import { RECORD_VERSION, type SliceRecord } from './record.ts';
import type { SliceStore } from './store.ts';
import { changeSlice } from './update.ts';

/** More than people name, and a bound for whoever makes them by program. */
export const SLICES_MAX = 10_000;
/** NAME_MAX of limits.h. */
const FILE_NAME_LENGTH_MAX = 255;

export type SliceDeps<Wish, Change> = {
  readonly store: SliceStore<Wish>;
  readonly host: CgroupHost;
  /** The cgroup of all containers, which slices are below. */
  readonly root: string;
  readonly naming: CgroupNaming;
  readonly cgroups: SliceCgroups;
  readonly wishes: Wishes<Wish, Change>;
  readonly members: Members;
  readonly readTexts: (files: readonly string[]) => readonly (string | undefined)[];
  readonly report: UndoReport;
};

export type SliceView<Wish> = {
  readonly path: string;
  readonly cgroup: string;
  readonly createdAt: string;
  readonly wish: Wish;
  readonly usage: Usage;
  /** Paths. */
  readonly children: readonly string[];
  readonly containers: readonly Member[];
};

export type Made = { readonly made: readonly string[]; readonly warnings: readonly string[] };

export class Slices<Wish, Change> implements ContainerSlices {
  readonly #deps: SliceDeps<Wish, Change>;
  /** One change of the tree at a time. */
  readonly #lock = new KeyedLock();
  readonly #held = new Map<string, number>();

  constructor(deps: SliceDeps<Wish, Change>) {
    this.#deps = deps;
  }

  /** Before containers are found again: what they are in exists, with its limits. */
  async open(): Promise<void> {
    for (const record of this.#deps.store.list()) {
      if (record.removing === true) continue;
      await this.#quietly(`make the cgroups of slice ${record.path}`, () =>
        this.#deps.cgroups.make(this.#request(record.path, this.#limits(record.path, 'skip'))),
      );
    }
  }

  /** What a crash cut short; after containers are found again. */
  async complete(): Promise<void> {
    for (const record of this.#deps.store.list().toReversed()) {
      const { path, pending } = record;
      if (record.removing === true) {
        await this.#quietly(`remove slice ${path}`, () => this.#takeAway(record));
      } else if (pending !== undefined) {
        await this.#quietly(`update slice ${path}`, () =>
          changeSlice(this.#parts(), path, pending),
        );
      }
    }
  }

  /** Levels that are missing above it are made without limits. */
  async create(name: string, change: Change): Promise<Made> {
    const path = parseSlicePath(name);
    this.#checkLength(path);
    const { store, wishes, cgroups, report } = this.#deps;
    using _lock = await this.#lock.acquire('');
    if (store.find(path) !== undefined) {
      throw new EngineError('conflict', `slice ${path} already exists`);
    }
    const missing = lineageOf(path).filter((each) => store.find(each) === undefined);
    if (store.list().length + missing.length > SLICES_MAX) {
      throw new EngineError('limit_exceeded', `there cannot be more than ${SLICES_MAX} slices`);
    }
    for (const each of store.list()) this.#refuseRemoving(each, path);
    const wish = wishes.change(`slice ${path}`, wishes.none, change);
    const { resources, warnings } = wishes.limits(wish, 'refuse');
    const more = checkBelow(this.#deps.host, `slice ${path}`, this.#above(path, 'skip'), resources);
    await using undo = new Undo(report);
    for (const each of missing) {
      await store.put({
        version: RECORD_VERSION,
        path: each,
        createdAt: formatTime(now()),
        wish: each === path ? wish : wishes.none,
      });
      undo.add(`forget slice ${each}`, () => store.delete(each));
      const request = this.#request(each, each === path ? resources : {});
      undo.add(`remove the cgroups of slice ${each}`, () => cgroups.remove(request));
      await cgroups.make(request);
    }
    undo.commit();
    return { made: missing, warnings: [...warnings, ...more] };
  }

  /** systemd's names of slices spell the whole way. */
  #checkLength(path: string): void {
    const name = posix.basename(this.#cgroup(path));
    if (name.length <= FILE_NAME_LENGTH_MAX) return;
    throw new EngineError(
      'invalid_argument',
      `invalid slice name "${path}": its cgroup would be called ${name}, which is longer than ` +
        `${FILE_NAME_LENGTH_MAX} characters`,
    );
  }

  /** Its containers at once; all or nothing. */
  async update(name: string, change: Change): Promise<readonly string[]> {
    const path = parseSlicePath(name);
    using _lock = await this.#lock.acquire('');
    const record = this.#deps.store.get(path);
    this.#refuseRemoving(record, path);
    const wish = this.#deps.wishes.change(`slice ${path}`, record.wish, change);
    return changeSlice(this.#parts(), path, wish);
  }

  async remove(name: string): Promise<void> {
    const path = parseSlicePath(name);
    using _lock = await this.#lock.acquire('');
    const { store } = this.#deps;
    const record = store.get(path);
    this.#refuseInUse(path);
    await store.put({ ...record, removing: true });
    try {
      // Who asked for it while that was written did not see it.
      this.#refuseInUse(path);
      await this.#takeAway(record);
    } catch (error) {
      await this.#quietly(`make the cgroups of slice ${path} again`, () =>
        this.#deps.cgroups.make(this.#request(path, this.#limits(path, 'skip'))),
      );
      await store.put(record);
      throw error;
    }
  }

  #refuseInUse(path: string): void {
    const inside = [
      ...this.#deps.store.childrenOf(path).map((child) => `slice ${child.path}`),
      ...this.#membersOf(path).map((member) => `container ${member.name}`),
      ...(this.#held.has(path) ? ['a container that is being created'] : []),
    ];
    if (inside.length === 0) return;
    const first = inside.slice(0, 5).join(', ');
    const rest = inside.length > 5 ? ` and ${inside.length - 5} more` : '';
    const text = `slice ${path} is in use: remove ${first}${rest} first`;
    throw new EngineError('conflict', text);
  }

  inspect(name: string): SliceView<Wish> {
    const { store } = this.#deps;
    const record = store.get(parseSlicePath(name));
    return this.#view(record, store.childrenOf(record.path), this.#membersOf(record.path));
  }

  /** Each before those inside it. */
  list(): readonly SliceView<Wish>[] {
    const records = this.#deps.store.list();
    const children = Map.groupBy(records, ({ path }) => parentOf(path));
    const members = Map.groupBy(this.#deps.members.list(), ({ slice }) => slice);
    return records.map((record) =>
      this.#view(record, children.get(record.path) ?? [], members.get(record.path) ?? []),
    );
  }

  #view(
    { path, createdAt, wish }: SliceRecord<Wish>,
    children: readonly SliceRecord<Wish>[],
    containers: readonly Member[],
  ): SliceView<Wish> {
    return {
      path,
      cgroup: this.#cgroup(path),
      createdAt,
      wish,
      usage: this.#usage(path),
      children: children.map((child) => child.path),
      containers,
    };
  }

  effectiveOf(name: string): EffectiveLimits {
    const { path } = this.#deps.store.get(parseSlicePath(name));
    return effectiveLimits(this.#deps.host, this.#cgroup(path), (each) => this.#sliceAt(each));
  }

  place({ slice, cgroupParent }: Parameters<ContainerSlices['place']>[0]): Place {
    if (slice !== '') return { slice, parent: this.#cgroup(slice) };
    if (cgroupParent === '') return { slice: undefined, parent: this.#deps.root };
    const parent = this.#deps.naming.parent(cgroupParent);
    return { slice: this.#sliceAt(cleanCgroup(parent)), parent };
  }

  checkParent(cgroupParent: string): void {
    if (cgroupParent !== '') this.#deps.naming.check(cgroupParent);
  }

  check(what: string, place: Place, own: Resources): readonly string[] {
    if (place.slice === undefined) return [];
    const record = this.#deps.store.find(place.slice);
    if (record === undefined || record.removing === true) {
      throw new EngineError(
        'invalid_argument',
        `No such slice: ${place.slice} (it is made by: coracle slice create ${place.slice})`,
      );
    }
    return checkBelow(this.#deps.host, what, this.#levels(place.slice), own);
  }

  hold({ slice }: Place): Disposable {
    if (slice === undefined) return { [Symbol.dispose]: () => {} };
    this.#held.set(slice, (this.#held.get(slice) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        const left = (this.#held.get(slice) ?? 1) - 1;
        if (left === 0) this.#held.delete(slice);
        else this.#held.set(slice, left);
      },
    };
  }

  bind({ slice }: Place, own: Resources): Resources {
    if (slice === undefined) return own;
    return bindContainer(this.#deps.host, this.#levels(slice), own);
  }

  effective(place: Place, id: string): EffectiveLimits {
    const cgroup = posix.join(place.parent, this.#deps.naming.container(id));
    return effectiveLimits(this.#deps.host, cgroup, (each) => this.#sliceAt(each));
  }

  /** The cgroups that containers of ours may be in, besides the root. */
  cgroups(): readonly string[] {
    return this.#deps.store.list().map(({ path }) => this.#cgroup(path));
  }

  #parts(): Parameters<typeof changeSlice<Wish, Change>>[0] {
    return { ...this.#deps, request: (path, resources) => this.#request(path, resources) };
  }

  async #takeAway(record: SliceRecord<Wish>): Promise<void> {
    await this.#deps.cgroups.remove(this.#request(record.path, {}));
    await this.#deps.store.delete(record.path);
  }

  #refuseRemoving(record: SliceRecord<Wish>, path: string): void {
    if (record.removing !== true) return;
    if (record.path !== path && !path.startsWith(`${record.path}/`)) return;
    throw new EngineError('conflict', `slice ${record.path} is being removed`);
  }

  #limits(path: string, missing: Missing): Resources {
    const { store, wishes } = this.#deps;
    const { resources } = wishes.limits(store.get(path).wish, missing);
    return bindSlice(this.#deps.host, this.#above(path, missing), resources);
  }

  #above(path: string, missing: Missing): readonly Level[] {
    const parent = parentOf(path);
    return parent === undefined ? [] : this.#levels(parent, missing);
  }

  /** A slice and those above it, from the top down. */
  #levels(path: string, missing: Missing = 'skip'): readonly Level[] {
    const { store, wishes } = this.#deps;
    return lineageOf(path).flatMap((each) => {
      const record = store.find(each);
      if (record === undefined) return [];
      return [{ path: each, own: wishes.limits(record.wish, missing).resources }];
    });
  }

  #membersOf(path: string): readonly Member[] {
    return this.#deps.members.list().filter(({ slice }) => slice === path);
  }

  #usage(path: string): Usage {
    const plan = planUsage(this.#deps.host, this.#request(path, {}));
    return plan.parse(this.#deps.readTexts(plan.files));
  }

  #request(path: string, resources: Resources): CgroupRequest {
    const cgroup = this.#cgroup(path);
    return { parent: posix.dirname(cgroup), name: posix.basename(cgroup), resources };
  }

  #cgroup(path: string): string {
    return this.#deps.naming.slice(this.#deps.root, path);
  }

  #sliceAt(cgroup: string): string | undefined {
    const path = this.#deps.naming.sliceOf(cleanCgroup(this.#deps.root), cgroup);
    return path === undefined ? undefined : this.#deps.store.find(path)?.path;
  }

  async #quietly(what: string, run: () => Promise<unknown>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.#deps.report(what, error);
    }
  }
}
