// What container/ asks of the parts around it, as narrow interfaces. daemon/ wires the real ones;
// tests pass small recording objects. A layer table rule: nothing here comes from kernel/.
import type { Box, BoxResources, BoxRoot } from '#runtime/box.ts';
import type { Reconnected } from '#runtime/launch.ts';
import type { RuntimeState } from '#runtime/state.ts';
import type { Task } from '#runtime/task.ts';
import type { ChainId } from '#snapshot/chain.ts';
import type { Explanation } from './engine.ts';
import type { ImageConfig } from './merge.ts';
import type { Resources } from './spec.ts';

export type { Size, Task, TaskExit } from '#runtime/task.ts';
export type Streams = Parameters<Task['attach']>[0];
export type ExecTask = Awaited<ReturnType<Task['exec']>>;

export type Image = {
  /** Digest of its config. */
  readonly id: string;
  /** The name that events and ps show: as the user gave it. */
  readonly name: string;
  readonly config: ImageConfig;
  /** The snapshot to start from. */
  readonly chain: ChainId | undefined;
  /** "linux/amd64" */
  readonly platform: string;
};

export interface Images {
  /** Throws not_found `No such image: x:latest`. */
  resolve(ref: string): Promise<Image>;
}

/** Writable tops of containers, by container id. */
export interface Snapshots {
  prepare(id: string, chain: ChainId | undefined): Promise<void>;
  root(id: string): BoxRoot['mount'];
  /** The mount of a top that is not made, for a plan. */
  plan(id: string, chain: ChainId | undefined): BoxRoot['mount'];
  /** Success if there is none. */
  remove(id: string): Promise<void>;
  list(): readonly string[];
  usage(id: string): Promise<{ readonly rw: number; readonly rootFs: number }>;
  /** GraphDriver.Data of inspect; empty when there is no such top. */
  graph(id: string): Readonly<Record<string, string>>;
  readonly driver: string;
}

export interface Runtime {
  /** Makes everything up to go(); takes back its own half-done work when it fails. */
  launch(name: string, box: Box, directory: string): Promise<Task>;
  /** What became of a container that an earlier daemon started. */
  reconnect(state: RuntimeState): Promise<Reconnected>;
  /** Takes away what a killed monitor could not: processes and cgroups. */
  cleanUp(state: RuntimeState): Promise<void>;
  /** Ends the monitor that listens in the directory, and its container, if there is one. */
  reap(directory: string): Promise<void>;
  /** Kills and removes cgroups below our parent that carry the id of no container. */
  removeOrphanCgroups(known: ReadonlySet<string>): Promise<void>;
  /** Writes new limits to the cgroups of a running container. */
  update(state: RuntimeState, resources: BoxResources): Promise<void>;
  /** The plan of a box, with the times of those operations that were performed. */
  explain(
    box: Box,
    results: Task['results'],
  ): Pick<Explanation, 'groups' | 'totalNanoseconds'>;
}

/** Checks limits against what this host can do; texts are Docker's. */
export interface ResourceChecker {
  check(resources: Resources): {
    readonly resources: BoxResources;
    readonly warnings: readonly string[];
  };
}
