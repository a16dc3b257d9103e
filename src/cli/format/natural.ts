// The order in which docker lists networks and ports: numbers inside a text count as numbers, so
// that net9 stands before net10 (fvbommel/sortorder, NaturalLess).

/** For Array.prototype.sort. */
export function compareNatural(a: string, b: string): number {
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const [one, other] = [digitsAt(a, i), digitsAt(b, j)];
    if ((one === '') !== (other === '')) return one === '' ? 1 : -1;
    if (one === '') {
      const difference = a.charCodeAt(i) - b.charCodeAt(j);
      if (difference !== 0) return difference;
      i += 1;
      j += 1;
      continue;
    }
    const difference = compareNumbers(one, other);
    if (difference !== 0) return difference;
    i += one.length;
    j += other.length;
  }
  return a.length - i - (b.length - j);
}

function digitsAt(text: string, at: number): string {
  return /^\d+/.exec(text.slice(at))?.[0] ?? '';
}

/** Of equal numbers the one with fewer leading zeros comes first. */
function compareNumbers(a: string, b: string): number {
  const [one, other] = [a.replace(/^0+/, ''), b.replace(/^0+/, '')];
  if (one.length !== other.length) return one.length - other.length;
  if (one !== other) return one < other ? -1 : 1;
  return a.length - b.length;
}
