// How layers become one tree: the union file system (overlay.ts), or copies where there is none
// (copy.ts). A driver only says what is made where; store.ts keeps the books.
import type { RootMount } from './snapshotter.ts';

export const DRIVERS = ['overlay2', 'copy'] as const;
export type DriverName = (typeof DRIVERS)[number];

export type SnapshotDriver<Mount extends RootMount = RootMount> = {
  readonly name: DriverName;
  /** Below the data root: what one driver has made another one cannot read. */
  readonly folder: string;
  /** The directory of a stage that is filled, and that of a layer that is read. */
  readonly stage: string;
  readonly content: string;
  /** A layer has all of the layers below it, too. */
  readonly whole: boolean;
  /** Tops may have a size. */
  readonly sized: boolean;
  /** Makes the content of a filled stage; `below` is the content of its parent. */
  finish(path: string, below: string | undefined): Promise<void>;
  /** The root in a top that was made before its parent is known; undefined where none can be. */
  readonly spareRoot: string | undefined;
  /** Fills the directory of a new top; answers the directory that is its root. */
  makeTop(path: string, below: string | undefined): Promise<string>;
  mount(path: string, lower: readonly string[]): Mount;
};

/** Marks in a stage of this name are names, as in archives, not those of overlayfs. */
export const STAGE_BY_NAME = 'names';

export function marksByName(stage: string): boolean {
  return stage.endsWith(`/${STAGE_BY_NAME}`);
}
