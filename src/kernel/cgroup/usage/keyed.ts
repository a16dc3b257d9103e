// The two shapes of most files: "key value" lines, and one number or "max".

/** Lines that are no "key number" are left out. */
export function parseKeyed(text: string): Record<string, number> {
  const values: Record<string, number> = {};
  let from = 0;
  // By hand: memory.stat has 40 lines and is read once a second for every watched container.
  while (from < text.length) {
    const newline = text.indexOf('\n', from);
    const end = newline === -1 ? text.length : newline;
    const space = text.indexOf(' ', from);
    if (space !== -1 && space < end) {
      const value = Number(text.slice(space + 1, end));
      if (!Number.isNaN(value)) values[text.slice(from, space)] = value;
    }
    from = end + 1;
  }
  return values;
}

/** undefined = "max": no limit. Numbers beyond 2^53 are rounded; they mean "none" in version 1. */
export function parseLimit(text: string | undefined): number | undefined {
  const word = text?.trim() ?? 'max';
  return word === 'max' || word === '' ? undefined : Number(word);
}
