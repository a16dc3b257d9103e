// What `docker events` tells: a closed union of who did what. The words are Docker's
// (api/types/events); clients such as compose wait for them.
import { now } from '#base/clock.ts';

export type ContainerAction =
  | 'create'
  | 'attach'
  | 'start'
  | 'die'
  | 'oom'
  | 'kill'
  | 'stop'
  | 'restart'
  | 'pause'
  | 'unpause'
  | 'rename'
  | 'resize'
  | 'update'
  | 'detach'
  | 'top'
  | 'destroy'
  | 'export'
  | 'commit'
  // Ours.
  | 'snapshot'
  | 'rollback'
  | 'copy'
  | 'archive-path'
  | 'extract-to-dir'
  | 'exec_die'
  | 'exec_detach'
  | 'prune'
  | `exec_create: ${string}`
  | `exec_start: ${string}`
  | `health_status: ${string}`;
export type ImageAction =
  | 'create'
  | 'delete'
  | 'import'
  | 'load'
  | 'pull'
  | 'push'
  | 'save'
  | 'tag'
  | 'untag'
  | 'prune';
export type NetworkAction = 'create' | 'connect' | 'disconnect' | 'destroy' | 'remove' | 'prune';
export type VolumeAction = 'create' | 'mount' | 'unmount' | 'destroy' | 'prune';
export type DaemonAction = 'reload';
export type BuilderAction = 'prune';

type Actor = {
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
};
type Of<Type extends string, Action extends string> = {
  readonly type: Type;
  readonly action: Action;
  readonly actor: Actor;
};

/** What a part of the engine publishes; the bus adds the moment. */
export type Happening =
  | Of<'container', ContainerAction>
  | Of<'image', ImageAction>
  | Of<'network', NetworkAction>
  | Of<'volume', VolumeAction>
  | Of<'daemon', DaemonAction>
  | Of<'builder', BuilderAction>;

export type EngineEvent = Happening & {
  readonly scope: 'local';
  /** Nanoseconds since 1970. */
  readonly time: bigint;
};

/** The port that publishers ask for. */
export interface Publisher {
  publish(happening: Happening): void;
}

export function stamp(happening: Happening, time: bigint = now()): EngineEvent {
  return { ...happening, scope: 'local', time };
}
