// What the volume endpoints ask of the volume store.
import type { Volume, VolumeWish } from '#volume/volume.ts';

export interface VolumePort {
  list(): readonly Volume[] | Promise<readonly Volume[]>;
  get(name: string): Volume | Promise<Volume>;
  create(wish: VolumeWish): Promise<Volume>;
  remove(name: string): Promise<void>;
}
