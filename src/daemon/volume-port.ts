// Volumes as the API asks for them: with who uses them, which the records of containers say.
import type { ApiDeps } from '#api/deps.ts';
import type { ContainerStore } from '#container/store.ts';
import { usersOf } from '#container/volumes.ts';
import type { Publisher } from '#event/event.ts';
import type { VolumeService } from '#volume/service.ts';
import { checkUnused } from '#volume/volume.ts';

export function makeVolumePort(
  volumes: VolumeService,
  containers: Pick<ContainerStore, 'list'>,
  events: Publisher,
): ApiDeps['volumes'] {
  const users = () => usersOf(containers.list());
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
    remove: (name) => {
      volumes.get(name);
      checkUnused('remove', name, users().get(name) ?? []);
      return volumes.remove(name);
    },
  };
}
