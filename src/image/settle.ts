// Layers are used before their files are on the disk: waiting for that would take longer than all
// else. Their archives are, so that a layer which a power cut has caught is made again from its
// own.
import { EngineError, isEngineError, messageOf } from '#base/error.ts';
import { addLayers } from './add.ts';
import type { ImageDeps } from './deps.ts';
import type { ImageRecord } from './record.ts';
import type { StoreProblem } from './store.ts';

/**
 * Brings new layers to the disk in the background: one sync at a time, for all that are waiting.
 */
export class Settler {
  #running: Promise<void> | undefined;
  #again = false;

  start(deps: Pick<ImageDeps, 'snapshots' | 'unpacker' | 'report'>): void {
    if (this.#running !== undefined) {
      this.#again = true;
      return;
    }
    this.#running = deps.snapshots
      .settle((directory) => deps.unpacker.sync(directory))
      .catch((error: unknown) => {
        // At the end of the engine's life: the next one settles what is left.
        if (!isEngineError(error, 'unavailable')) deps.report('bring layers to the disk', error);
      })
      .finally(() => {
        this.#running = undefined;
        if (!this.#again) return;
        this.#again = false;
        this.start(deps);
      });
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }
}

/** Makes the layers again that images miss; answers which could not be. */
export async function restoreLayers(deps: ImageDeps): Promise<readonly StoreProblem[]> {
  const problems: StoreProblem[] = [];
  for (const image of deps.store.list()) {
    if (image.chains.every((chain) => deps.snapshots.has(chain))) continue;
    try {
      await restoreImage(deps, image);
    } catch (error) {
      const message = `its layers are lost and cannot be made again: ${messageOf(error)}`;
      problems.push({ path: `image ${image.id}`, message });
    }
  }
  return problems;
}

async function restoreImage(deps: ImageDeps, image: ImageRecord): Promise<void> {
  const layers = image.layers.map(({ diffId, digest, mediaType, size }) => ({
    diffId,
    mediaType,
    archive: async () => {
      if (deps.content.has(digest)) return deps.content.stored(digest, size);
      throw new EngineError('not_found', `blob ${digest} does not exist`);
    },
  }));
  const { signal } = new AbortController();
  await addLayers(deps, layers, { signal, keep: () => {} });
}
