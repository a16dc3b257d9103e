// What the verbs need, in one type; each verb picks what it uses. Wired once by daemon/.
import type { Trash } from '#base/trash.ts';
import type { UndoReport } from '#base/undo.ts';
import type { Publisher } from '#event/event.ts';
import type { NetworkEngine } from '#network/engine.ts';
import type { Box } from '#runtime/box.ts';
import type { Visits } from '#runtime/visit.ts';
import type { ContainerSlices } from '#slice/port.ts';
import type { VolumeService } from '#volume/service.ts';
import type { Lives } from './live.ts';
import type { HostDefaults } from './host-default.ts';
import type { ContainerLocks } from './lock.ts';
import type { OomPort } from './oom.ts';
import type { Copies, Images, ResourceChecker, Runtime, Snapshots } from './port.ts';
import type { Security } from './security.ts';
import type { HostConfig } from './spec.ts';
import type { ContainerStore } from './store.ts';
import type { UsernsRanges } from './userns.ts';

export type Settings = {
  /** `<exec root>/c`: one directory a container for its monitor. */
  readonly runDirectory: string;
  readonly cgroupParent: string;
  /** Of a container's own cgroup. */
  readonly cgroupName: (id: string) => string;
  readonly cgroupVersion: 1 | 2;
  /** `--cpu-rt-runtime`: what all containers together may have of real-time. */
  readonly realtime: Box['cgroup']['realtime'];
  readonly hostHostname: string;
  /** `--bridge none`: who names no network gets none. */
  readonly noBridge: boolean;
  /** The kernel takes all layers of a union in one option (before Linux 6.8). */
  readonly layersJoined: boolean;
  readonly init: boolean;
  readonly hostDefaults: HostDefaults;
  readonly logConfig: HostConfig['logConfig'];
  readonly ulimits: HostConfig['ulimits'];
  readonly security: Security;
  readonly runtimes: readonly string[];
  readonly defaultRuntime: string;
};

export type Deps = {
  readonly store: ContainerStore;
  /** One mutation per container; held while its state changes, never while waiting for its end. */
  readonly locks: ContainerLocks;
  readonly lives: Lives;
  readonly events: Publisher;
  readonly images: Images;
  readonly snapshots: Snapshots;
  readonly copies: Copies;
  readonly volumes: VolumeService;
  readonly networks: NetworkEngine;
  readonly runtime: Runtime;
  readonly visits: Visits;
  readonly resources: ResourceChecker;
  readonly slices: ContainerSlices;
  readonly oom: OomPort;
  readonly usernsRanges: UsernsRanges;
  /** Where directories go that are removed. */
  readonly trash: Trash;
  readonly settings: Settings;
  /** What went wrong behind a caller's back: clean-up, background work. */
  readonly report: UndoReport;
};
