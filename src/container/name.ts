// Names of containers: what is allowed, and names for those who give none.
import { randomInt } from 'node:crypto';
import { EngineError } from '#base/error.ts';
import { ADJECTIVES, BOATS } from './words.ts';

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
/** Docker has no limit; a name is a part of file names and host names of ours. */
export const NAME_LENGTH_MAX = 255;
/** How often a taken generated name is tried again with another one (as Docker). */
export const NAME_TRIES_MAX = 6;

/** Without the leading slash that clients may send; Docker's text for a bad one. */
export function parseName(text: string): string {
  const name = text.startsWith('/') ? text.slice(1) : text;
  if (NAME.test(name) && name.length <= NAME_LENGTH_MAX) return name;
  throw new EngineError(
    'invalid_argument',
    `Invalid container name (${text}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
  );
}

/** "quiet_kayak"; with a digit from the second try on. */
export function generateName(attempt: number): string {
  const adjective = ADJECTIVES[randomInt(ADJECTIVES.length)] ?? 'quiet';
  const boat = BOATS[randomInt(BOATS.length)] ?? 'coracle';
  return `${adjective}_${boat}${attempt === 0 ? '' : randomInt(10)}`;
}

/** Docker's text; clients search it for the id. */
export function nameConflict(name: string, id: string): EngineError {
  return new EngineError(
    'conflict',
    `Conflict. The container name "/${name}" is already in use by container "${id}". ` +
      'You have to remove (or rename) that container to be able to reuse that name.',
  );
}
