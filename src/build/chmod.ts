// --chmod: a number, or what chmod(1) takes: "u=rwX,go=rX".
import { failure, type Place } from './dockerfile/fault.ts';

/** The new permissions of a file that had `mode`. */
export type ModeChange = (mode: number, isDirectory: boolean) => number;

type Clause = { readonly who: string; readonly operator: string; readonly what: string };

const CLAUSE = /^([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)$/;
const SHIFTS: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 };
const BITS: Readonly<Record<string, number>> = { r: 4, w: 2, x: 1 };
const EXECUTE = 0o111;

/** undefined: modes stay. */
export function parseChmod(text: string, place: Place): ModeChange | undefined {
  if (text === '') return undefined;
  if (/^0?[0-7]{1,4}$/.test(text)) {
    const mode = Number.parseInt(text, 8);
    return () => mode;
  }
  const clauses = text.split(',').flatMap((part): readonly Clause[] => {
    const match = CLAUSE.exec(part);
    if (match === null) {
      throw failure(
        place,
        `invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777`,
      );
    }
    const [, who = '', rest = ''] = match;
    const people = who === '' || who.includes('a') ? 'ugo' : who;
    return [...rest.matchAll(/([-+=])([^-+=]*)/g)].map(([, operator = '', what = '']) => ({
      who: people,
      operator,
      what,
    }));
  });
  return (mode, isDirectory) =>
    clauses.reduce((before, clause) => change(before, clause, isDirectory), mode);
}

function change(mode: number, { who, operator, what }: Clause, isDirectory: boolean): number {
  let set = 0;
  let touched = 0;
  for (const person of who) {
    const shift = SHIFTS[person] ?? 0;
    touched |= 0o7 << shift;
    set |= bitsOf(what, mode, isDirectory) << shift;
  }
  if (what.includes('s'))
    set |= (who.includes('u') ? 0o4000 : 0) | (who.includes('g') ? 0o2000 : 0);
  if (what.includes('t')) set |= 0o1000;
  if (operator === '+') return mode | set;
  return operator === '-' ? mode & ~set : (mode & ~touched) | set;
}

function bitsOf(what: string, mode: number, isDirectory: boolean): number {
  const copied = SHIFTS[what];
  if (copied !== undefined) return (mode >> copied) & 0o7;
  let bits = 0;
  for (const letter of what) {
    bits |= BITS[letter] ?? 0;
    if (letter === 'X' && (isDirectory || (mode & EXECUTE) !== 0)) bits |= 1;
  }
  return bits;
}
