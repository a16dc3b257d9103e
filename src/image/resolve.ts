// From what a person typed to one image: a full ID, a name, or the first digits of an ID, in the
// order in which Docker tries them.
import { EngineError } from '#base/error.ts';
import type { ImageDeps } from './deps.ts';
import type { ImageId, ImageRecord } from './record.ts';
import { familiarReference, parseAnyReference, withDefaultTag } from '#base/reference.ts';

type Lookup = Pick<ImageDeps, 'store'>;

/** Throws `not_found` with Docker's text, which clients match to decide to pull. */
export function resolveImage(deps: Lookup, text: string): ImageRecord {
  const reference = parseAnyReference(text);
  if (reference.kind === 'id') {
    const image = deps.store.get(reference.id as ImageId);
    if (image !== undefined) return image;
    throw new EngineError('not_found', `No such image: ${reference.id}`);
  }
  const id = deps.store.find(reference.name) ?? deps.store.search(text);
  const image = id === undefined ? undefined : deps.store.get(id);
  if (image !== undefined) return image;
  const familiar = familiarReference(withDefaultTag(reference.name));
  throw new EngineError('not_found', `No such image: ${familiar}`);
}

/** True if the text names the image by (a part of) its ID and not by a name. */
export function isIdPrefix(id: ImageId, text: string): boolean {
  return id.startsWith(text) || id.slice('sha256:'.length).startsWith(text);
}
