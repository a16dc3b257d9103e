// Images that exist while a build needs them: what a step stands on, so that a container can be made
// of it, without a record that would have to be stored and removed again.
import type { Image } from '#container/port.ts';

export class EphemeralImages {
  readonly #images = new Map<string, { readonly image: Image; users: number }>();

  /** undefined for an image like any other. */
  find(ref: string): Image | undefined {
    return this.#images.get(ref)?.image;
  }

  add(image: Image): Disposable {
    const known = this.#images.get(image.id);
    if (known === undefined) this.#images.set(image.id, { image, users: 1 });
    else known.users += 1;
    return {
      [Symbol.dispose]: () => {
        const entry = this.#images.get(image.id);
        if (entry === undefined) return;
        entry.users -= 1;
        if (entry.users === 0) this.#images.delete(image.id);
      },
    };
  }
}
