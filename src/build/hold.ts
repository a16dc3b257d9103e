// What a build keeps from being collected until it ends.
import type { Digest } from '#base/digest.ts';
import type { Leases } from '#image/deps.ts';
import type { LayerBlob } from '#image/record.ts';
import { chainsOf } from '#snapshot/chain.ts';
import type { EphemeralImages } from './ephemeral.ts';
import { chainOfState, imageRef, type State } from './state.ts';

export class BuildHold implements Disposable {
  readonly #leases: Leases;
  readonly #held = new DisposableStack();

  constructor(leases: Leases) {
    this.#leases = leases;
  }

  hold(digests: readonly string[]): void {
    this.#held.use(this.#leases.hold(digests));
  }

  /** Layers that are here, with the chains that they make. */
  holdLayers(diffIds: readonly Digest[], layers: readonly LayerBlob[]): void {
    this.hold([...chainsOf(diffIds), ...layers.map(({ digest }) => digest)]);
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
