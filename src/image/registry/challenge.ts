// WWW-Authenticate (RFC 9110, section 11.6.1): what a registry or a token server asks for. A comma
// separates both challenges and their parameters, so a word is a scheme when no "=" follows it.
import { EngineError } from '#base/error.ts';

export const CHALLENGE_LENGTH_MAX = 16 * 1024;

export type Challenge = {
  /** In lower case: "basic", "bearer". */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
};

const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const SPACE = /[ \t]*/y;
const SEPARATOR = /[ \t,]*/y;
const EQUALS = /[ \t]*=[ \t]*/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;
/** Base64 in place of parameters, as Negotiate has it; ends where the challenge does. */
const TOKEN68 = /[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))/y;

/**
 * Parses the fields of one answer; what is malformed ends the list, as nothing after it is sure.
 */
export function parseChallenges(
  fields: string | readonly string[] | undefined,
): readonly Challenge[] {
  if (fields === undefined) return [];
  const list = typeof fields === 'string' ? [fields] : fields;
  return list.flatMap((field) => parseField(field));
}

function parseField(field: string): readonly Challenge[] {
  if (field.length > CHALLENGE_LENGTH_MAX) {
    throw new EngineError('limit_exceeded', 'WWW-Authenticate exceeds CHALLENGE_LENGTH_MAX', {
      facts: { limit: 'CHALLENGE_LENGTH_MAX', max: CHALLENGE_LENGTH_MAX },
    });
  }
  const found: { readonly scheme: string; readonly parameters: Map<string, string> }[] = [];
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(field);
    if (match === null) return undefined;
    at = pattern.lastIndex;
    return match[1] ?? match[0];
  };
  while (at < field.length) {
    take(SEPARATOR);
    const word = take(TOKEN);
    if (word === undefined) break;
    const current = found.at(-1);
    if (current !== undefined && take(EQUALS) !== undefined) {
      const quoted = take(QUOTED);
      const value = quoted === undefined ? take(TOKEN) : quoted.replace(/\\(.)/g, '$1');
      if (value === undefined) break;
      // The first wins, so that a second "realm" cannot take the place of what was seen.
      const name = word.toLowerCase();
      if (!current.parameters.has(name)) current.parameters.set(name, value);
      continue;
    }
    found.push({ scheme: word.toLowerCase(), parameters: new Map() });
    take(SPACE);
    take(TOKEN68);
  }
  return found;
}
