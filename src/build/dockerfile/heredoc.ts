// The words of a line that begin here-documents: <<EOF, <<-EOF, 3<<"EOF".
import type { Heredoc } from './source.ts';
import { splitWords } from '#image/change-words.ts';
import { expandWord } from './words.ts';

export type HeredocHead = Omit<Heredoc, 'content'>;

const HEREDOC = /^(\d{0,3})<<(-?)([^<]+)$/;

export function parseHeredocs(rest: string, escapeChar: string): readonly HeredocHead[] {
  // The exec form has no shell, and so no here-documents.
  if (rest.startsWith('[')) {
    try {
      if (Array.isArray(JSON.parse(rest))) return [];
    } catch {
      // A shell form that begins with "[".
    }
  }
  return splitWords(rest, escapeChar).flatMap((word) => parseHeredoc(word, escapeChar) ?? []);
}

export function parseHeredoc(word: string, escapeChar: string): HeredocHead | undefined {
  const match = HEREDOC.exec(word);
  if (match === null) return undefined;
  const [, descriptor = '', dash = '', raw = ''] = match;
  let name: string;
  try {
    name = expandWord(raw, { escapeChar, lookup: () => undefined, keepUnset: true });
  } catch {
    return undefined; // unmatched quotes: a word like any other
  }
  if (name === '') return undefined;
  return { name, descriptor: Number(descriptor), chomp: dash === '-', expand: name === raw };
}
