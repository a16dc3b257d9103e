// `docker tag`.
import { EngineError } from '#base/error.ts';
import { type ImageDeps, publish } from './deps.ts';
import { familiarReference, parseReference, withDefaultTag } from '#base/reference.ts';
import { resolveImage } from './resolve.ts';

/** Gives the image a further name; a name that another image has moves. */
export async function tagImage(deps: ImageDeps, image: string, name: string): Promise<void> {
  const reference = parseReference(name);
  if (reference.digest !== undefined) {
    throw new EngineError('invalid_argument', 'refusing to create a tag with a digest reference');
  }
  // "sha256:0123…" would be read as an ID from then on.
  if (reference.path === 'library/sha256') {
    const why = 'refusing to create an ambiguous tag using digest algorithm as name';
    throw new EngineError('invalid_argument', why);
  }
  const { id } = resolveImage(deps, image);
  const tagged = withDefaultTag(reference);
  await deps.store.setReference(tagged, id);
  publish(deps, 'tag', id, familiarReference(tagged));
}
