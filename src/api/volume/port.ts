// What the volume endpoints ask of volumes and of the containers that use them.
import type { Volume } from '#volume/record.ts';
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
  /** Refused while a container has it. */
  remove(name: string): Promise<void>;
}
