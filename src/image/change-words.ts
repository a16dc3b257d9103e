// Words of a Dockerfile line: blanks separate them, except inside quotes or after what escapes.

/** Splits into words; quotes and escapes stay. */
export function splitWords(text: string, escapeChar = '\\'): readonly string[] {
  const words: string[] = [];
  let word = '';
  let quote = '';
  for (let i = 0; i < text.length; i += 1) {
    const char = text[i] ?? '';
    if (char === escapeChar && quote !== "'" && i + 1 < text.length) {
      word += char + text[i + 1];
      i += 1;
    } else if (quote === '' && /\s/.test(char)) {
      if (word !== '') words.push(word);
      word = '';
    } else {
      if (quote === '' && (char === '"' || char === "'")) quote = char;
      else if (char === quote) quote = '';
      word += char;
    }
  }
  if (word !== '') words.push(word);
  return words;
}

/** Takes quotes and escapes away. Variables stay as they are: a change has no build arguments. */
export function unquote(word: string): string {
  let result = '';
  let quote = '';
  for (let i = 0; i < word.length; i += 1) {
    const char = word[i] ?? '';
    if (char === '\\' && quote !== "'" && i + 1 < word.length) {
      const next = word[i + 1] ?? '';
      // Inside double quotes a backslash escapes only what would end or expand.
      result += quote === '"' && !/["$\\]/.test(next) ? char + next : next;
      i += 1;
    } else if (quote === '' && (char === '"' || char === "'")) quote = char;
    else if (char === quote) quote = '';
    else result += char;
  }
  return result;
}

const UNITS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Go's durations, "1m30s", in nanoseconds; undefined if it is not one. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  if (!/^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    sum += Number(number) * (UNITS[unit ?? ''] ?? 0);
  }
  return Math.round(sum);
}
