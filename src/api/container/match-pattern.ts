// The name filter is a regular expression. JavaScript's engine backtracks, so a hostile one could
// stop the daemon for hours; only patterns whose cost is bounded are compiled.
import { invalidFilter } from '../filters.ts';

const PATTERN_LENGTH_MAX = 200;
/** Names have up to 255 characters: four nested scans are still quick. */
const REPEATS_MAX = 3;

const compiled = new Map<string, RegExp>();
const COMPILED_MAX = 64;

export function matchPattern(pattern: string, text: string): boolean {
  if (/^[\w/-]*$/.test(pattern)) return text.includes(pattern);
  let regexp = compiled.get(pattern);
  if (regexp === undefined) {
    regexp = compile(pattern);
    if (compiled.size >= COMPILED_MAX) compiled.clear();
    compiled.set(pattern, regexp);
  }
  return regexp.test(text);
}

function compile(pattern: string): RegExp {
  const plain = pattern.replace(/\\./g, '').replace(/\[[^\]]*\]/g, 'x');
  const repeats = plain.match(/[*+?{]/g)?.length ?? 0;
  const nested = /\)[*+?{]/.test(plain);
  if (pattern.length > PATTERN_LENGTH_MAX || repeats > REPEATS_MAX || nested) {
    throw invalidFilter('name', pattern);
  }
  try {
    return new RegExp(pattern);
  } catch {
    throw invalidFilter('name', pattern);
  }
}
