// --chown: names are those of the image that is copied into.
import { isEngineError } from '#base/error.ts';
import type { Visit } from '#runtime/visit.ts';
import { failure, type Place } from './dockerfile/fault.ts';

export type Owner = { readonly uid: number; readonly gid: number };
export const ROOT: Owner = { uid: 0, gid: 0 };

const NUMBERS = /^(\d{1,10})(?::(\d{1,10}))?$/;
const WRONG = 'unable to convert uid/gid chown string to host mapping';

export async function ownerOf(
  visit: Visit | undefined,
  text: string,
  place: Place,
): Promise<Owner> {
  const match = NUMBERS.exec(text);
  if (match !== null) return { uid: Number(match[1]), gid: Number(match[2] ?? match[1]) };
  const [user = '', group] = text.split(':');
  const noUser = `${WRONG}: can't find uid for user ${user}: no such user: ${user}`;
  const owner = await find(visit, user, noUser, place);
  if (group === undefined) return owner;
  return find(
    visit,
    text,
    `${WRONG}: can't find gid for group ${group}: no such group: ${group}`,
    place,
  );
}

async function find(
  visit: Visit | undefined,
  text: string,
  wrong: string,
  place: Place,
): Promise<Owner> {
  if (visit === undefined) throw failure(place, wrong);
  try {
    return await visit.user(text);
  } catch (error) {
    if (!isEngineError(error)) throw error;
    throw failure(place, wrong, { cause: error });
  }
}
