// The order in which docker lists networks and ports: numbers inside a text count as numbers, so
// that net9 stands before net10 (fvbommel/sortorder, NaturalLess).

/** For Array.prototype.sort. */
export function compareNatural(a: string, b: string): number {
  let at = 0;
  while (at < a.length && at < b.length) {
    const [one, other] = [digitsAt(a, at), digitsAt(b, at)];
    if ((one === '') !== (other === '')) return one === '' ? 1 : -1;
    const difference =
      one === '' ? a.charCodeAt(at) - b.charCodeAt(at) : compareNumbers(one, other);
    if (difference !== 0) return difference;
    at += one.length || 1;
  }
  return a.length - b.length;
}

function digitsAt(text: string, at: number): string {
  return /^\d+/.exec(text.slice(at))?.[0] ?? '';
}

/** Of equal numbers the one with fewer leading zeros comes first; 0 = the same digits. */
function compareNumbers(a: string, b: string): number {
  const [one, other] = [a.replace(/^0+/, ''), b.replace(/^0+/, '')];
  if (one.length !== other.length) return one.length - other.length;
  if (one !== other) return one < other ? -1 : 1;
  return a.length - b.length;
}
