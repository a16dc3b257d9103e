// What is wrong with a Dockerfile, with its place.
import { EngineError, type ErrorCode, type Facts } from '#base/error.ts';

/** Lines, counted from 1; both ends are part of it. */
export type Place = { readonly start: number; readonly end: number };

/** Found while it is read. Worded as buildkit and dockerd do; `facts.line` is where a caret goes. */
export function fault(place: Place | undefined, message: string): EngineError {
  const text =
    place === undefined
      ? `failed to parse Dockerfile: ${message}`
      : `dockerfile parse error on line ${place.start}: ${message}`;
  return new EngineError('invalid_argument', text, { facts: factsOf(place) });
}

/** Found while it is built: the text alone, as the classic builder says it. */
export function failure(
  place: Place,
  message: string,
  more: { readonly code?: ErrorCode; readonly facts?: Facts; readonly cause?: unknown } = {},
): EngineError {
  const { cause, code = 'invalid_argument', facts = {} } = more;
  return new EngineError(code, message, { cause, facts: { ...facts, ...factsOf(place) } });
}

function factsOf(place: Place | undefined): Facts {
  return place === undefined ? {} : { line: place.start, endLine: place.end };
}
