// Shell patterns in ${NAME#pattern}, ${NAME%pattern} and ${NAME/pattern/text}: `*` is any run of
// characters, `?` any one, a backslash takes the next as it is (POSIX, 2.13, without brackets).

type Token = { readonly kind: 'star' | 'any' } | { readonly kind: 'char'; readonly char: string };

function tokens(pattern: string): readonly Token[] {
  const result: Token[] = [];
  for (let at = 0; at < pattern.length; at += 1) {
    const char = pattern[at] ?? '';
    if (char === '\\' && at + 1 < pattern.length) {
      at += 1;
      result.push({ kind: 'char', char: pattern[at] ?? '' });
    } else if (char === '*') {
      if (result.at(-1)?.kind !== 'star') result.push({ kind: 'star' });
    } else result.push(char === '?' ? { kind: 'any' } : { kind: 'char', char });
  }
  return result;
}

/**
 * Ends of all matches that begin at `from`, as a set of positions: one pass over pattern and text,
 * so that no pattern takes more than their product.
 */
function ends(list: readonly Token[], text: string, from: number): readonly number[] {
  let at = new Set([from]);
  for (const token of list) {
    const next = new Set<number>();
    if (token.kind === 'star') {
      const first = Math.min(...at);
      for (let position = first; position <= text.length; position += 1) next.add(position);
    } else {
      for (const position of at) {
        if (position >= text.length) continue;
        if (token.kind !== 'char' || token.char === text[position]) next.add(position + 1);
      }
    }
    if (next.size === 0) return [];
    at = next;
  }
  return [...at];
}

/** The text without its shortest or longest match at the beginning (or at the end). */
export function matchPrefix(
  text: string,
  pattern: string,
  longest: boolean,
  side: 'start' | 'end' = 'start',
): string {
  const list = tokens(pattern);
  if (side === 'start') {
    const found = ends(list, text, 0);
    if (found.length === 0) return text;
    return text.slice(longest ? Math.max(...found) : Math.min(...found));
  }
  const starts = Array.from({ length: text.length + 1 }, (_, start) => start);
  const fitting = starts.filter((start) => ends(list, text, start).includes(text.length));
  if (fitting.length === 0) return text;
  return text.slice(0, longest ? Math.min(...fitting) : Math.max(...fitting));
}

/** The first match, or each, replaced; the longest one at each place. */
export function replacePattern(
  text: string,
  pattern: string,
  replacement: string,
  all: boolean,
): string {
  const list = tokens(pattern);
  let result = '';
  for (let at = 0; at < text.length; ) {
    const end = Math.max(-1, ...ends(list, text, at));
    if (end <= at) {
      result += text[at];
      at += 1;
      continue;
    }
    result += replacement;
    at = end;
    if (!all) return result + text.slice(at);
  }
  return result;
}
