// The two shapes of most files: "key value" lines, and one number or "max".

/** Lines that are no "key number" are left out. */
export function parseKeyed(text: string): Record<string, number> {
  const values: Record<string, number> = {};
  let from = 0;
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

/**
 * Texts of one kind of file, whose lines have the same names in the same order as those of the last
 * one: then no name is made anew, and the values go into a copy of the object that was made last.
 */
export class KeyedFile {
  #names: readonly string[] = [];
  #last: Record<string, number> = {};

  parse(text: string): Record<string, number> {
    const values = { ...this.#last };
    let from = 0;
    for (const name of this.#names) {
      const digits = from + name.length + 1;
      if (!text.startsWith(name, from) || text.charCodeAt(digits - 1) !== SPACE) {
        return this.#parseNew(text);
      }
      let value = 0;
      for (from = digits; ; from += 1) {
        const digit = text.charCodeAt(from) - ZERO;
        if (!(digit >= 0 && digit <= 9)) break;
        value = value * 10 + digit;
      }
      if (from === digits || text.charCodeAt(from) !== NEWLINE) return this.#parseNew(text);
      // Beyond what is exact, Number() rounds once, and the sum above with each digit.
      values[name] = Number.isSafeInteger(value) ? value : Number(text.slice(digits, from));
      from += 1;
    }
    return from === text.length ? values : this.#parseNew(text);
  }

  #parseNew(text: string): Record<string, number> {
    this.#last = parseKeyed(text);
    this.#names = Object.keys(this.#last);
    return { ...this.#last };
  }
}

const SPACE = 0x20;
const NEWLINE = 0x0a;
const ZERO = 0x30;

/** undefined = "max": no limit. Numbers beyond 2^53 are rounded; they mean "none" in version 1. */
export function parseLimit(text: string | undefined): number | undefined {
  const word = text?.trim() ?? 'max';
  return word === 'max' || word === '' ? undefined : Number(word);
}
