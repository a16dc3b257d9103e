// A container among slices: where its cgroup is made, which limits that cgroup has, and the
// containers of a slice as slices see them.
import type { HeldMember, Member, Members, Missing, Place } from '#slice/port.ts';
import type { Deps } from './deps.ts';
import { isRunning } from './guard.ts';
import { isNotRunning, onTask } from './pause.ts';
import type { BoxFacts } from './make-box.ts';
import type { ContainerRecord } from './record.ts';
import type { HostConfig } from './spec.ts';

type SliceDeps = Pick<Deps, 'resources' | 'slices'>;

/**
 * The cgroup of a container and its limits, with those that it gets from slices, which have the
 * real-time that they were given: only other cgroups get what all containers may have together.
 */
export function cgroupOf(
  deps: SliceDeps & Pick<Deps, 'settings'>,
  host: HostConfig,
  missing: Missing,
): Pick<BoxFacts, 'cgroupParent' | 'resources' | 'realtime'> {
  const place = deps.slices.place(host);
  const { resources } = deps.resources.check(host, missing);
  return {
    cgroupParent: place.parent,
    resources: deps.slices.bind(place, resources),
    realtime: place.slice === undefined ? deps.settings.realtime : undefined,
  };
}

/** Throws when its slice is gone, or has less than the container asks for. */
export function checkSlice(deps: SliceDeps, host: HostConfig): readonly string[] {
  deps.slices.checkParent(host.cgroupParent);
  const place = deps.slices.place(host);
  if (place.slice === undefined) return [];
  const { resources } = deps.resources.check(host, 'skip');
  return deps.slices.check('the container', place, resources);
}

type MemberDeps = Pick<Deps, 'store' | 'locks' | 'lives' | 'resources'>;

/** `slices` is made of this, so it comes as a function. */
export function membersOf(deps: MemberDeps, place: (host: HostConfig) => Place): Members {
  const member = (record: ContainerRecord): Member[] => {
    const { slice } = place(record.spec.host);
    if (slice === undefined) return [];
    const { id, name, state } = record;
    return [{ id, name, slice, running: isRunning(state) }];
  };
  const list = (): readonly Member[] => deps.store.list().flatMap(member);
  return {
    list,
    hold: async (slices, but) => {
      using locks = new DisposableStack();
      const ids = list().flatMap(({ id, slice }) =>
        slices.has(slice) && but?.has(id) !== true ? [id] : [],
      );
      // In one order, so that two who hold several never wait for each other.
      for (const id of ids.sort()) locks.use(await deps.locks.acquire(id));
      const members = ids.flatMap((id) => {
        const record = deps.store.find(id);
        return record === undefined
          ? []
          : member(record).map((each) => ({ ...each, ...held(deps, record) }));
      });
      const all = locks.move();
      return { members, [Symbol.dispose]: () => all.dispose() };
    },
  };
}

function held(deps: MemberDeps, record: ContainerRecord): Pick<HeldMember, 'own' | 'change'> {
  const { host } = record.spec;
  return {
    own: deps.resources.check(host, 'skip').resources,
    change: async (resources) => {
      const limits = { resources, deviceRules: host.deviceCgroupRules };
      try {
        await onTask(deps, record.id, (task) => task.update(limits));
      } catch (error) {
        // Its exit waits for the lock that we hold; its cgroups are gone.
        if (!isNotRunning(error)) throw error;
      }
    },
  };
}
