// All that the engine asks of volumes, in one place: what they are (volume.ts), what is mounted for
// them (mounts.ts), and what is copied into them (fill.ts).
import { emptyHalfFilled, fillVolume, type ImageContent } from './fill.ts';
import { VolumeMounts } from './mounts.ts';
import type { Volume } from './record.ts';
import { VolumeCopies } from './snapshot.ts';
import { type VolumeUsage, volumeUsage } from './usage.ts';
import { type VolumeNeeds, VolumeStore, type VolumeWish } from './volume.ts';

export class VolumeService {
  readonly #store: VolumeStore;
  readonly #mounts: VolumeMounts;
  /** clone, snapshot, rollback, rename, resize. */
  readonly copies: VolumeCopies;

  constructor(root: string, needs: VolumeNeeds) {
    this.#store = new VolumeStore(root, needs);
    this.#mounts = new VolumeMounts(this.#store);
    this.copies = new VolumeCopies(this.#store, this.#mounts);
  }

  /** Reads what is on disk; problems are named, never fatal. */
  load(): Promise<readonly string[]> {
    return this.#store.load();
  }

  /** After load(): `running` are the volumes of each container that runs. */
  async recover(running: ReadonlyMap<string, readonly string[]>): Promise<void> {
    await this.#mounts.recover(running);
    const used = new Set([...running.values()].flat());
    await emptyHalfFilled(this.#store, this.#mounts, (name) => used.has(name));
  }

  create(wish: VolumeWish): Promise<Volume> {
    return this.#store.create(wish);
  }

  get(name: string): Volume {
    return this.#store.get(name);
  }

  find(name: string): Volume | undefined {
    return this.#store.find(name);
  }

  list(): readonly Volume[] {
    return this.#store.list();
  }

  /** The caller has made sure that no container has it. */
  remove(name: string): Promise<void> {
    return this.#store.remove(name);
  }

  reserve(name: string, container: string): Disposable {
    return this.#store.reserve(name, container);
  }

  hold(name: string, holder: string): Promise<void> {
    return this.#mounts.hold(name, holder);
  }

  release(holder: string): Promise<void> {
    return this.#mounts.release(holder);
  }

  usage(name: string): Promise<VolumeUsage> {
    return volumeUsage(this.#store, this.#mounts, name);
  }

  fill(name: string, image: ImageContent): Promise<void> {
    return fillVolume(this.#store, this.#mounts, name, image);
  }
}
