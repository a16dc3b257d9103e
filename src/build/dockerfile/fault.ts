// What is wrong with a Dockerfile, with its place.
import { EngineError } from '#base/error.ts';

/** Lines, counted from 1; both ends are part of it. */
export type Place = { readonly start: number; readonly end: number };

/** Worded as buildkit and dockerd do; `facts.line` is where a caret goes. */
export function fault(place: Place | undefined, message: string): EngineError {
  const where = place === undefined ? '' : ` on line ${place.start}`;
  return new EngineError('invalid_argument', `dockerfile parse error${where}: ${message}`, {
    facts: place === undefined ? {} : { line: place.start, endLine: place.end },
  });
}
