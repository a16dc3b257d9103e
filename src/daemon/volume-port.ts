// Volumes as the API asks for them: with who uses them, which the records of containers say.
import type { ApiDeps } from '#api/deps.ts';
import { whileFrozen, whileStopped } from '#container/copy-volume.ts';
import type { Deps } from '#container/deps.ts';
import { usersOf } from '#container/volumes.ts';
import { checkUnused } from '#volume/volume.ts';

export function makeVolumePort(
  deps: Pick<Deps, 'store' | 'locks' | 'lives' | 'volumes' | 'events'>,
): ApiDeps['volumes'] {
  const { volumes, store, events } = deps;
  const { copies } = volumes;
  const users = () => usersOf(store.list());
  const refuseUsed = (verb: string, name: string): void => {
    volumes.get(name);
    checkUnused(verb, name, users().get(name) ?? []);
  };
  return {
    list: () => volumes.list(),
    get: (name) => volumes.get(name),
    create: (wish) => volumes.create(wish),
    users,
    usage: (name) => volumes.usage(name),
    pruned: (bytes) => {
      const attributes = { reclaimed: String(bytes) };
      events.publish({ type: 'volume', action: 'prune', actor: { id: '', attributes } });
    },
    clone: (name, to) => whileFrozen(deps, name, () => copies.clone(name, to)),
    snapshot: (name, snapshot) => whileFrozen(deps, name, () => copies.snapshot(name, snapshot)),
    snapshots: (name) => copies.snapshots(name),
    removeSnapshot: (name, snapshot) => copies.removeSnapshot(name, snapshot),
    rollback: (name, snapshot) =>
      whileStopped(deps, 'rollback', name, () => copies.rollback(name, snapshot)),
    rename: async (name, to) => {
      refuseUsed('rename', name);
      return copies.rename(name, to);
    },
    resize: (name, bytes) => copies.resize(name, bytes),
    remove: async (name) => {
      refuseUsed('remove', name);
      await volumes.remove(name);
    },
  };
}
