// Snapshots: what a container's root is mounted from. Words:
//   layer  read-only, named by its chain ID, never changes once committed
//   stage  a layer that is being filled; becomes a layer by commit(), or is thrown away
//   top    the writable part of one container, named by a key, on a chain of layers
// The snapshotter owns directories and records; it mounts nothing (the container's own process
// does, inside its own mount namespace) and it does not know archives: image/layer fills stages.
import type { Digest } from '#base/digest.ts';
import type { ChainId } from './chain.ts';
import type { SnapshotDriver } from './driver.ts';

/** What to mount as the root; `lower` has the top layer first, as overlayfs wants it. */
export type RootMount =
  | OverlayMount
  /** A directory that is whole by itself. */
  | { readonly kind: 'bind'; readonly path: string };

export type OverlayMount = {
  readonly kind: 'overlay';
  readonly lower: readonly string[];
  readonly upper: string;
  readonly work: string;
};

export type Layer = {
  readonly chain: ChainId;
  readonly parent: ChainId | undefined;
  readonly diffId: Digest;
  /** Sum of the file sizes in this layer, as Docker counts an image's size. */
  readonly bytes: number;
  /** Length of the uncompressed archive that it came from. */
  readonly tarBytes: number;
};

export interface Stage extends AsyncDisposable {
  /** The directory to fill. */
  readonly root: string;
  /** Makes the filled directory a layer; if that layer exists already, this one is dropped. */
  commit(made: Omit<Layer, 'parent'>): Promise<void>;
}

/** A stage that is filled before it is known what it stands on. */
export interface LooseStage extends AsyncDisposable {
  readonly root: string;
  /**
   * Makes it a layer on a parent that is there by now. Unless its archive said the root's
   * attributes (`ownRoot`), they become those of the parent's root.
   */
  commit(made: Layer, ownRoot: boolean): Promise<void>;
}

/** A layer or top whose record could not be read; it is left alone and cannot be used. */
export type SnapshotProblem = { readonly path: string; readonly message: string };

export interface Snapshotter {
  readonly driver: Pick<SnapshotDriver, 'name'>;
  has(chain: ChainId): boolean;
  layer(chain: ChainId): Layer | undefined;
  list(): readonly Layer[];
  /** Directories of a chain, top first; for readers such as the unpacker. */
  lower(chain: ChainId | undefined): readonly string[];
  stage(parent: ChainId | undefined): Promise<Stage>;
  /** Only where a layer's files can be made without those of its parent. */
  readonly stageLoose?: (() => Promise<LooseStage>) | undefined;
  /**
   * A new layer can be used at once, and is on the disk only after this: `sync` is asked to bring a
   * directory's whole file system there. Does nothing if nothing is new.
   */
  settle(sync: (directory: string) => Promise<void>): Promise<void>;
  /**
   * Layers that the power was cut upon before they were settled: they are not there, and may be
   * made again from their archives. What is not is removed by forget().
   */
  readonly doubtful: readonly ChainId[];
  forget(chain: ChainId): Promise<void>;
  /** Removes a layer; refuses (conflict) while a layer or a top stands on it. */
  removeLayer(chain: ChainId): Promise<void>;

  /** Makes an empty writable top: the hot path of create. */
  prepare(key: string, parent: ChainId | undefined, bytes?: number): Promise<void>;
  /** The same of one that is not made. */
  plan(key: string, parent: ChainId | undefined): RootMount;
  /** The directories of one with a size are there only while it is held. */
  root(key: string): RootMount;
  hold(key: string): Promise<AsyncDisposable>;
  /** Raises its size; `used`: a container runs on it. */
  grow(key: string, bytes: number, used: boolean): Promise<void>;
  /** Makes a top whose root was mounted as volatile mountable again. */
  reopen(key: string): void;
  /** The chain that a top stands on. */
  parent(key: string): ChainId | undefined;
  tops(): readonly string[];
  /** Removes a top; a missing one is success. Its disk space may come back a moment later. */
  remove(key: string): Promise<void>;
  /** True while a layer or top stands on the chain. */
  used(chain: ChainId): boolean;
  readonly problems: readonly SnapshotProblem[];
}
