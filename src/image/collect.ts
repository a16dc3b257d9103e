// Giving disk space back: layers and blobs that no image, container or running work needs.
import type { Digest } from '#base/digest.ts';
import type { ChainId } from '#snapshot/chain.ts';
import type { ImageDeps } from './deps.ts';

/** Removes those of the candidates that are free; the chains that went, top first. */
export async function collect(
  deps: ImageDeps,
  candidates: { readonly chains: readonly ChainId[]; readonly blobs: readonly Digest[] },
): Promise<readonly ChainId[]> {
  const { content, leases, snapshots, store } = deps;
  const usedBlobs = store.usedBlobs();
  for (const blob of new Set(candidates.blobs)) {
    if (!usedBlobs.has(blob) && !leases.held(blob) && content.has(blob)) await content.remove(blob);
  }
  const removed: ChainId[] = [];
  // Top first: a layer is free only when nothing stands on it.
  for (const chain of [...new Set(candidates.chains)].reverse()) {
    if (store.usesChain(chain) || leases.held(chain)) continue;
    if (!snapshots.has(chain) || snapshots.used(chain)) continue;
    await snapshots.removeLayer(chain);
    removed.push(chain);
  }
  return removed;
}

/**
 * Holds what is worked with, and collects it when it is disposed of: its image may have gone
 * meanwhile. All of it as chains, too: the lowest layer's has the digest of its plain archive, so
 * that who holds one holds both.
 */
export function borrow(deps: ImageDeps, digests: readonly Digest[]): AsyncDisposable {
  const lease = deps.leases.hold(digests);
  return {
    [Symbol.asyncDispose]: async () => {
      lease[Symbol.dispose]();
      await collect(deps, { chains: digests as readonly ChainId[], blobs: digests });
    },
  };
}

/** At boot and after the last container of a deleted image: everything is a candidate. */
export async function collectAll(deps: ImageDeps): Promise<readonly ChainId[]> {
  return collect(deps, { chains: chainsByDepth(deps), blobs: deps.content.list() });
}

function chainsByDepth(deps: ImageDeps): readonly ChainId[] {
  // Not by lower(): where each layer is a whole tree, every one has a single directory.
  const depth = (chain: ChainId | undefined): number =>
    chain === undefined ? 0 : 1 + depth(deps.snapshots.layer(chain)?.parent);
  return deps.snapshots
    .list()
    .map((layer) => layer.chain)
    .sort((a, b) => depth(a) - depth(b));
}
