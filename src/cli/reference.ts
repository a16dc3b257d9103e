// Names that the user gives to images, checked before the engine is asked.
import { EngineError } from '#base/error.ts';
import { type Reference, withDefaultTag } from '#base/reference.ts';

/** A digest is what an image is, and can be given to none. */
export function nameToGive(reference: Reference): Reference {
  if (reference.digest === undefined) return withDefaultTag(reference);
  throw new EngineError('invalid_argument', 'refusing to create a tag with a digest reference');
}
