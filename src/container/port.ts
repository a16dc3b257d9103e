// What container/ asks of the parts around it, as narrow interfaces. daemon/ wires the real ones;
// tests pass small recording objects. A layer table rule: nothing here comes from kernel/.
import type { BoxResources, BoxRoot } from '#runtime/box.ts';
import type { BoxRuntime } from '#runtime/runtime.ts';
import type { Task } from '#runtime/task.ts';
import type { CommitOptions, Committed } from '#image/commit.ts';
import type { ChainId } from '#snapshot/chain.ts';
import type { TopCopies } from '#snapshot/top-copies.ts';
import type { ImageConfig } from './merge.ts';
import type { Resources } from './spec.ts';

export type { Size, Spare, Task, TaskExit } from '#runtime/task.ts';
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
  /** "linux/amd64", "linux/arm/v7" */
  readonly platform: string;
};

export interface Images {
  /** Throws not_found `No such image: x:latest`. */
  resolve(ref: string): Promise<Image>;
  /** A new image of a container, and the name that it was given. */
  commit(options: CommitOptions): Promise<Committed>;
}

/** How an image is to run, whole. */
export type CommittedConfig = CommitOptions['config'];

export type Written = {
  readonly path: string;
  /** The top one first. */
  readonly lower: readonly string[];
  readonly marks: boolean;
};

/** A layer under a container's root. */
export type Branch = {
  readonly chain: ChainId;
  readonly diffId: string;
  readonly path: string;
  readonly bytes: number;
};

/** Writable tops of containers, by container id. */
export interface Snapshots {
  /** bytes: the most that it may hold. */
  prepare(id: string, chain: ChainId | undefined, bytes?: number): Promise<void>;
  root(id: string): BoxRoot['mount'];
  /** What root() names is there until this is disposed. */
  hold(id: string): Promise<AsyncDisposable>;
  /** used: a process runs in it. */
  grow(id: string, bytes: number, used: boolean): Promise<void>;
  /** Where what it wrote is, what that lies on, and whether marks say what is gone. */
  written(id: string): Written;
  /** Makes a root that was mounted as volatile mountable again. */
  reopen(id: string): void;
  /** Directories of an image's layers, the top one first. */
  layers(chain: ChainId): readonly string[];
  /** The same as what they are. */
  branches(chain: ChainId | undefined): readonly Branch[];
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

/** Snapshots of tops, by container id. */
export type Copies = Pick<TopCopies, 'create' | 'list' | 'get' | 'usage' | 'remove' | 'rollback'>;

export interface Runtime extends BoxRuntime {
  /** Kills and removes cgroups below our parent that carry an id which is not in the set. */
  removeOrphanCgroups(known: ReadonlySet<string>): Promise<void>;
}

/** Checks limits against what this host can do; texts are Docker's. */
export interface ResourceChecker {
  /** missing: a disk that a limit names and that is not there now is an error, or has no limit. */
  check(
    resources: Resources,
    missing: 'refuse' | 'skip',
  ): {
    readonly resources: BoxResources;
    readonly warnings: readonly string[];
  };
  /** Throws where memory cannot be taken from a running container. */
  checkReclaim(bytes: number): void;
}
