// --chown: names are those of the image that is copied into.
import { isEngineError } from '#base/error.ts';
import type { Owner } from './copy-plan.ts';
import { fault, type Place } from './dockerfile/fault.ts';
import { lookInto } from './look.ts';
import type { StageBuilder } from './stage.ts';

const NUMBERS = /^(\d{1,10})(?::(\d{1,10}))?$/;

export async function hostUser(stage: StageBuilder, text: string, place: Place): Promise<Owner> {
  const match = NUMBERS.exec(text);
  if (match !== null) return { uid: Number(match[1]), gid: Number(match[2] ?? match[1]) };
  return lookInto(stage.build, stage.state, async (visit) => {
    const wrong = `unable to convert uid/gid chown string to host mapping: can't find ${text}`;
    if (visit === undefined) throw fault(place, wrong);
    try {
      return await visit.user(text);
    } catch (error) {
      if (!isEngineError(error)) throw error;
      throw fault(place, wrong);
    }
  });
}
