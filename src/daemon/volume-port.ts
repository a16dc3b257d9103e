// Volumes as the API asks for them: one that a container has is not removed.
import type { ApiDeps } from '#api/deps.ts';
import { EngineError } from '#base/error.ts';
import type { ContainerStore } from '#container/store.ts';
import type { VolumeStore } from '#volume/volume.ts';

export function makeVolumePort(
  volumes: VolumeStore,
  containers: Pick<ContainerStore, 'list'>,
): ApiDeps['volumes'] {
  return {
    list: () => volumes.list(),
    get: (name) => volumes.get(name),
    create: (wish) => volumes.create(wish),
    remove: async (name) => {
      const users = containers
        .list()
        .filter((record) => record.mounts.some((mount) => mount.name === name))
        .map((record) => record.id);
      if (users.length > 0) {
        const text = `remove ${name}: volume is in use - [${users.join(', ')}]`;
        throw new EngineError('conflict', text);
      }
      await volumes.remove(name);
    },
  };
}
