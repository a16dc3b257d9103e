// `docker rmi`: names go first, then the image, its unused layers and, with prune, its dangling
// parents. The rules and texts are Docker's (daemon/images/image_delete.go); clients and people
// know them.
import type { Digest } from '#base/digest.ts';
import { hexOf } from '#base/digest.ts';
import { EngineError } from '#base/error.ts';
import { shortId } from '#base/id.ts';
import { collect } from './collect.ts';
import { type ImageDeps, publish } from './deps.ts';
import { type ImageId, blobsOf } from './record.ts';
import {
  type Reference,
  familiarReference,
  parseReference,
  repositoryOf,
} from '#base/reference.ts';
import { isIdPrefix, resolveImage } from './resolve.ts';

export type Removed = { readonly untagged: string } | { readonly deleted: Digest };

export type RemoveOptions = {
  readonly force: boolean;
  /** Also remove parents that nothing names or uses any more. */
  readonly prune: boolean;
};

export async function removeImage(
  deps: ImageDeps,
  text: string,
  options: RemoveOptions,
): Promise<readonly Removed[]> {
  // Two removals at once could each see the other's reference as the last but one.
  using _lock = await deps.locks.acquire('remove');
  const { id } = resolveImage(deps, text);
  const removed: Removed[] = [];
  let quiet = false;
  if (isIdPrefix(id, text)) {
    const references = deps.store.references(id);
    if (isSingle(references)) {
      checkConflict(deps, id, { soft: !options.force, references: false });
      for (const reference of references) await untag(deps, id, reference, removed);
    }
  } else {
    await removeName(deps, id, text, options.force, removed);
    if (deps.store.references(id).length > 0) return removed;
    quiet = true;
  }
  await deleteImage(deps, id, removed, { ...options, quiet });
  return removed;
}

async function removeName(
  deps: ImageDeps,
  id: ImageId,
  text: string,
  force: boolean,
  removed: Removed[],
): Promise<void> {
  if (!force && isSingle(deps.store.references(id))) {
    const [user] = deps.usedBy(id);
    if (user !== undefined) {
      throw new EngineError(
        'conflict',
        `conflict: unable to remove repository reference ${JSON.stringify(text)} (must force) - ` +
          `container ${shortId(user.containerId)} is using its referenced image ` +
          shortId(hexOf(id)),
      );
    }
  }
  const name = parseReference(text);
  await untag(deps, id, name, removed);
  if (name.digest !== undefined) return;
  // When a repository's last tag goes, its digest references go with it.
  const left = deps.store
    .references(id)
    .filter((reference) => repositoryOf(reference) === repositoryOf(name));
  if (left.some((reference) => reference.digest === undefined)) return;
  for (const reference of left) await untag(deps, id, reference, removed);
}

async function untag(
  deps: ImageDeps,
  id: ImageId,
  name: Reference,
  removed: Removed[],
): Promise<void> {
  const tag = name.digest === undefined ? (name.tag ?? 'latest') : undefined;
  const reference = { ...name, tag };
  await deps.store.deleteReference(reference);
  removed.push({ untagged: familiarReference(reference) });
  publish(deps, 'untag', id);
}

/** At most one tag, and digests only of the same repository. */
function isSingle(references: readonly Reference[]): boolean {
  const repositories = new Set(references.map(repositoryOf));
  const tags = references.filter((reference) => reference.digest === undefined).length;
  return references.length <= 1 || (tags <= 1 && repositories.size === 1);
}

type Conflict = { readonly hard: boolean; readonly used: boolean; readonly message: string };

function findConflict(
  deps: ImageDeps,
  id: ImageId,
  mask: { readonly soft: boolean; readonly references: boolean },
): Conflict | undefined {
  if (deps.store.children(id).length > 0) {
    return { hard: true, used: false, message: 'image has dependent child images' };
  }
  const users = deps.usedBy(id);
  const running = users.find((user) => user.running);
  if (running !== undefined) {
    const message = `image is being used by running container ${shortId(running.containerId)}`;
    return { hard: true, used: true, message };
  }
  if (!mask.soft) return undefined;
  if (mask.references && deps.store.references(id).length > 0) {
    return { hard: false, used: false, message: 'image is referenced in multiple repositories' };
  }
  const [stopped] = users;
  if (stopped === undefined) return undefined;
  const message = `image is being used by stopped container ${shortId(stopped.containerId)}`;
  return { hard: false, used: true, message };
}

function conflictError(id: ImageId, conflict: Conflict): EngineError {
  const force = conflict.hard ? 'cannot be forced' : 'must be forced';
  const short = shortId(hexOf(id));
  return new EngineError(
    'conflict',
    `conflict: unable to delete ${short} (${force}) - ${conflict.message}`,
  );
}

function checkConflict(
  deps: ImageDeps,
  id: ImageId,
  mask: { readonly soft: boolean; readonly references: boolean },
): void {
  const conflict = findConflict(deps, id, mask);
  if (conflict !== undefined) throw conflictError(id, conflict);
}

async function deleteImage(
  deps: ImageDeps,
  id: ImageId,
  removed: Removed[],
  options: RemoveOptions & { readonly quiet: boolean },
): Promise<void> {
  const conflict = findConflict(deps, id, { soft: !options.force, references: true });
  if (conflict !== undefined) {
    const dangling = deps.store.references(id).length === 0 && deps.store.children(id).length === 0;
    // The name is gone, which was asked for; the image may stay, unless that leaves it nameless
    // and unused.
    if (options.quiet && (!dangling || conflict.used)) return;
    throw conflictError(id, conflict);
  }
  const image = deps.store.get(id);
  if (image === undefined) return;
  for (const reference of deps.store.references(id)) await untag(deps, id, reference, removed);
  if (deps.leases.imageHeld(id)) return;
  publish(deps, 'delete', id);
  await deps.store.delete(id);
  removed.push({ deleted: id });
  const chains = await collect(deps, { chains: image.chains, blobs: blobsOf(image) });
  for (const chain of chains) removed.push({ deleted: chain });
  if (!options.prune || image.parent === undefined) return;
  await deleteImage(deps, image.parent, removed, { force: false, prune: true, quiet: true });
}
