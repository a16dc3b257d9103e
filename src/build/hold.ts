// What a build keeps from being collected until it ends.
import type { Leases } from '#image/deps.ts';
import type { EphemeralImages } from './ephemeral.ts';
import { imageRef } from './run.ts';
import { chainOfState, type State } from './state.ts';

export class EphemeralHold implements Disposable {
  readonly #leases: Leases;
  readonly #held = new DisposableStack();

  constructor(leases: Leases) {
    this.#leases = leases;
  }

  hold(digests: readonly string[]): void {
    this.#held.use(this.#leases.hold(digests));
  }

  /** Containers of this build may mount the image. */
  lend(images: EphemeralImages, state: State): void {
    const { spec } = state;
    const id = imageRef(state);
    const platform = `${spec.os}/${spec.architecture}`;
    const chain = chainOfState(state);
    this.#held.use(images.add({ id, name: id, config: spec.config, chain, platform }));
  }

  [Symbol.dispose](): void {
    this.#held.dispose();
  }
}
