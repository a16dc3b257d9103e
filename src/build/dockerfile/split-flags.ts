// The flags between an instruction's name and its arguments: --chown=a:b --mount=type=bind "--x=y z".
import { fault, type Place } from './fault.ts';

export function splitFlags(
  text: string,
  escapeChar: string,
  place: Place,
): { readonly flags: readonly string[]; readonly rest: string } {
  const flags: string[] = [];
  let at = skipBlanks(text, 0);
  while (at < text.length) {
    const word = readWord(text, at, escapeChar, place);
    if (!word.value.startsWith('--')) break;
    at = skipBlanks(text, word.end);
    if (word.value === '--') break;
    flags.push(word.value);
  }
  return { flags, rest: text.slice(at).trimEnd() };
}

function skipBlanks(text: string, from: number): number {
  let at = from;
  while (at < text.length && /\s/.test(text[at] ?? '')) at += 1;
  return at;
}

/** One word, its quotes and escapes taken away. */
function readWord(
  text: string,
  from: number,
  escapeChar: string,
  place: Place,
): { readonly value: string; readonly end: number } {
  let value = '';
  let quote = '';
  let at = from;
  for (; at < text.length; at += 1) {
    const char = text[at] ?? '';
    if (char === escapeChar && at + 1 < text.length && quote !== "'") {
      at += 1;
      value += text[at];
    } else if (quote === '' && (char === '"' || char === "'")) quote = char;
    else if (char === quote) quote = '';
    else if (quote === '' && /\s/.test(char)) break;
    else value += char;
  }
  if (quote !== '' && value.startsWith('--')) throw fault(place, `unterminated quote in ${value}`);
  return { value, end: at };
}
