// "Did you mean": a name within two edits, or one that begins with what was typed.
export const DISTANCE_MAX = 2;
/** Longer words than this are not compared: nobody mistypes one, and the table is quadratic. */
const WORD_CHARS_MAX = 64;

export function suggest(typed: string, names: readonly string[]): string[] {
  const word = typed.toLowerCase();
  if (word.length > WORD_CHARS_MAX) return [];
  const scored = names
    .map((name) => ({ name, distance: editDistance(word, name.toLowerCase()) }))
    .filter(({ name, distance }) => {
      // Any three letters are within two edits of some command: a guess must keep most of them.
      const near = distance <= (word.length <= 3 ? 1 : DISTANCE_MAX);
      return near || (word !== '' && name.toLowerCase().startsWith(word));
    });
  const begins = (name: string): number => (name.toLowerCase().startsWith(word) ? 0 : 1);
  scored.sort((a, b) => begins(a.name) - begins(b.name) || a.distance - b.distance);
  return scored.map(({ name }) => name);
}

/** Damerau-Levenshtein (optimal string alignment): insert, delete, replace, swap neighbours. */
export function editDistance(a: string, b: string): number {
  const cell = (row: readonly number[] | undefined, at: number): number => row?.[at] ?? 0;
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(cell(last, j) + 1, cell(row, j - 1) + 1, cell(last, j - 1) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, cell(before, j - 2) + 1);
      }
      row.push(best);
    }
    before = last;
    last = row;
  }
  return cell(last, b.length);
}
