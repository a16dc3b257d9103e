// What the volume endpoints ask of volumes and of the containers that use them.
import type { Volume } from '#volume/record.ts';
import type { Copied } from '#volume/content.ts';
import type { Snapshot } from '#volume/snapshot.ts';
import type { VolumeUsage } from '#volume/usage.ts';
import type { VolumeWish } from '#volume/volume.ts';

export interface VolumePort {
  list(): readonly Volume[];
  get(name: string): Volume;
  create(wish: VolumeWish): Promise<Volume>;
  /** Ids of the containers that have each volume; one that nobody has is missing. */
  users(): ReadonlyMap<string, readonly string[]>;
  usage(name: string): Promise<VolumeUsage>;
  /** Tells who listens to events. */
  pruned(bytes: number): void;
  /** Containers that run with it are frozen for the moment of the copy. */
  clone(name: string, to: string): Promise<Copied>;
  snapshot(name: string, snapshot: string): Promise<Copied & { readonly name: string }>;
  snapshots(name: string): Promise<readonly Snapshot[]>;
  removeSnapshot(name: string, snapshot: string): Promise<void>;
  /** Refused while a container runs with it. */
  rollback(name: string, snapshot: string): Promise<Copied & { readonly name: string }>;
  /** Refused while a container has it. */
  rename(name: string, to: string): Promise<Volume>;
  resize(name: string, bytes: number): Promise<Volume>;
  /** Refused while a container has it. */
  remove(name: string): Promise<void>;
}
