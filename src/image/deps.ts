// What the verbs of image/ work with; daemon/ makes it once.
import type { KeyedLock } from '#base/keyed-lock.ts';
import type { UndoReport } from '#base/undo.ts';
import type { ImageAction, Publisher } from '#event/event.ts';
import type { Snapshotter } from '#snapshot/snapshotter.ts';
import type { ContentStore } from './content/content.ts';
import type { Unpacker } from './layer/pool.ts';
import type { Downloads } from './pull/downloads.ts';
import type { ImageId } from './record.ts';
import type { Registries } from './registry/registry.ts';
import type { Settler } from './settle.ts';
import type { ImageStore } from './store.ts';

/** A container that was made from an image. */
export type ImageUser = {
  readonly containerId: string;
  readonly name: string;
  readonly running: boolean;
};

export type ImageDeps = {
  readonly content: ContentStore;
  readonly store: ImageStore;
  readonly snapshots: Snapshotter;
  readonly unpacker: Unpacker;
  readonly registries: Registries;
  readonly downloads: Downloads;
  /** Layers of one push that are sent at once. */
  readonly uploadsMax: number;
  readonly publisher: Publisher;
  /** Asks container/ who uses an image. */
  readonly usedBy: (id: ImageId) => readonly ImageUser[];
  /** Where failing clean-up steps are told. */
  readonly report: UndoReport;
  readonly settler: Settler;
  readonly leases: Leases;
  readonly locks: KeyedLock;
};

/** Publishes an image event as Docker words it: the labels, and the name it was asked by. */
export function publish(
  deps: ImageDeps,
  action: ImageAction,
  id: ImageId,
  name: string = id,
): void {
  const labels = deps.store.get(id)?.config.labels ?? {};
  const attributes = { ...labels, name };
  deps.publisher.publish({ type: 'image', action, actor: { id, attributes } });
}

/**
 * Digests (chains and blobs) that work in progress counts on although no image names them yet: what
 * is leased is not collected.
 */
export class Leases {
  readonly #held = new Map<string, number>();

  hold(digests: readonly string[]): Disposable {
    for (const digest of digests) this.#held.set(digest, (this.#held.get(digest) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        for (const digest of digests) {
          const count = (this.#held.get(digest) ?? 0) - 1;
          if (count > 0) this.#held.set(digest, count);
          else this.#held.delete(digest);
        }
      },
    };
  }

  held(digest: string): boolean {
    return this.#held.has(digest);
  }

  /** The image stays, also without a name, until this is disposed of: it is about to get one. */
  holdImage(id: ImageId): Disposable {
    return this.hold([id, namingOf(id)]);
  }

  imageHeld(id: ImageId): boolean {
    return this.held(namingOf(id));
  }
}

/** Not the ID: that is a blob as well, which a push or save holds of an image that may go. */
function namingOf(id: ImageId): string {
  return `image ${id}`;
}
