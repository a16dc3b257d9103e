// A chain ID names a stack of layers by their content (OCI image-spec config.md, "Layer ChainID"):
// equal stacks share one unpacked tree, whichever images they came with.
import { type Digest, sha256 } from '#base/digest.ts';

export type ChainId = Digest & { readonly __chain: 'ChainId' };

/** The chain of `parent` with one more layer on top. */
export function chainOn(parent: ChainId | undefined, diffId: Digest): ChainId {
  return (parent === undefined ? diffId : sha256(`${parent} ${diffId}`)) as ChainId;
}

/** The chain of a whole stack, lowest layer first; undefined for no layers (scratch). */
export function chainOf(diffIds: readonly Digest[]): ChainId | undefined {
  return chainsOf(diffIds).at(-1);
}

/** The chain after each layer, lowest first. */
export function chainsOf(diffIds: readonly Digest[]): ChainId[] {
  const chains: ChainId[] = [];
  for (const diffId of diffIds) chains.push(chainOn(chains.at(-1), diffId));
  return chains;
}
