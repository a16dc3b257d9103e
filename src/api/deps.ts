// What the server needs from the rest of the engine, as narrow ports: daemon/ passes the real
// things, tests pass small recording objects.
import type { Log } from '#base/log.ts';
import type { ContainerEngine } from '#container/engine.ts';
import type { EventBus } from '#event/bus.ts';
import type { NetworkEngine } from '#network/engine.ts';
import type { BuildPort } from './build/port.ts';
import type { CgroupPort } from './coracle/cgroup-port.ts';
import type { Slices } from '#slice/slices.ts';
import type { LimitsChange } from '#container/change-limits.ts';
import type { Resources } from '#container/resources.ts';
import type { Exploration } from '#image/explore.ts';
import type { ImagePort } from './image/port.ts';
import type { SystemFacts } from './system/facts.ts';
import type { VolumePort } from './volume/port.ts';

export type ApiDeps = {
  readonly containers: ContainerEngine;
  readonly images: ImagePort;
  readonly explore: (image: string) => Promise<Exploration>;
  readonly builds: BuildPort;
  readonly volumes: VolumePort;
  readonly networks: NetworkEngine;
  readonly slices: Pick<
    Slices<Resources, LimitsChange>,
    'create' | 'update' | 'remove' | 'inspect' | 'list' | 'effectiveOf' | 'effective' | 'place'
  >;
  readonly events: Pick<EventBus, 'subscribe' | 'listeners'>;
  readonly cgroups: CgroupPort;
  readonly facts: SystemFacts;
  readonly log: Log;
};
