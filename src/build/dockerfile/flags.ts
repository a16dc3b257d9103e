// The flags of one instruction by name: which there may be, and their values.
import { fault, type Place } from './fault.ts';

/** text: last one wins nowhere: twice is an error. list: may come again. bool: "" or true/false. */
export type FlagKind = 'text' | 'list' | 'bool';
export type Flags = {
  text(name: string): string;
  list(name: string): readonly string[];
  bool(name: string): boolean | undefined;
};

export function readFlags(
  words: readonly string[],
  known: Readonly<Record<string, FlagKind>>,
  place: Place,
): Flags {
  const values = new Map<string, string[]>();
  for (const word of words) {
    const match = /^--([^=]*)(?:=([\s\S]*))?$/.exec(word);
    const name = match?.[1] ?? '';
    const kind = Object.hasOwn(known, name) ? known[name] : undefined;
    if (kind === undefined) throw fault(place, unknownFlag(name, Object.keys(known)));
    const value = match?.[2];
    if (value === undefined && kind !== 'bool') {
      throw fault(place, `missing a value on flag: ${name}`);
    }
    if (values.has(name) && kind !== 'list') {
      throw fault(place, `duplicate flag specified: ${name}`);
    }
    if (kind === 'bool' && !['true', 'false', undefined].includes(value)) {
      throw fault(place, `expecting boolean value for flag ${name}, not: ${value}`);
    }
    values.set(name, [...(values.get(name) ?? []), value ?? 'true']);
  }
  return {
    text: (name) => values.get(name)?.[0] ?? '',
    list: (name) => values.get(name) ?? [],
    bool: (name) => {
      const value = values.get(name)?.[0];
      return value === undefined ? undefined : value === 'true';
    },
  };
}

function unknownFlag(name: string, known: readonly string[]): string {
  const near = known.find((each) => each.startsWith(name.slice(0, 3)) && name.length > 2);
  return `unknown flag: --${name}${near === undefined ? '' : ` (did you mean ${near}?)`}`;
}
