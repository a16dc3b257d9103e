// The functions of a --format template: Go's own (printf, index, len, eq, and, ...) and docker's
// (json, join, split, upper, lower, title, pad, truncate).

/** Why a function or a field cannot be had; who runs the template says where. */
export class TemplateFault extends Error {
  override readonly name = 'TemplateFault';
}

export type Functions = Readonly<Record<string, (...args: unknown[]) => unknown>>;

/** `pad` with more than this is a mistake, not a layout. */
export const PAD_MAX = 10_000;

export function isTrue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}

/** Go's %v. */
export function printValue(value: unknown): string {
  if (value === undefined) return '<no value>';
  if (value === null) return '<nil>';
  if (Array.isArray(value)) return `[${value.map(printValue).join(' ')}]`;
  if (typeof value === 'object') {
    const pairs = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `map[${pairs.map(([key, item]) => `${key}:${printValue(item)}`).join(' ')}]`;
  }
  return String(value);
}

const text = (value: unknown): string => (typeof value === 'string' ? value : printValue(value));
const number = (value: unknown): number => Number(value);

function compare(a: unknown, b: unknown): number {
  const [left, right] = typeof a === 'number' ? [a, number(b)] : [text(a), text(b)];
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

function index(value: unknown, ...keys: unknown[]): unknown {
  let at = value;
  for (const key of keys) {
    if (at === null || at === undefined) throw new TemplateFault('index of untyped nil');
    if (Array.isArray(at) || typeof at === 'string') {
      // Of a text it is a byte.
      const list: ArrayLike<unknown> = typeof at === 'string' ? Buffer.from(at) : at;
      const place = number(key);
      if (!Number.isInteger(place) || place < 0 || place >= list.length) {
        throw new TemplateFault(`index out of range: ${printValue(key)}`);
      }
      at = list[place];
    } else if (typeof at === 'object') {
      // A missing key is the zero value in Go; for the maps that occur here that is "".
      at = Object.hasOwn(at, text(key)) ? (at as Record<string, unknown>)[text(key)] : '';
    } else throw new TemplateFault("can't index item");
  }
  return at;
}

function length(value: unknown): number {
  if (value === null || value === undefined) return 0;
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (typeof value === 'object') return Object.keys(value).length;
  throw new TemplateFault(`len of type ${typeof value}`);
}

function slice(value: unknown, from: unknown = 0, to?: unknown): unknown {
  if (typeof value !== 'string' && !Array.isArray(value)) {
    throw new TemplateFault(`can't slice item of type ${typeof value}`);
  }
  const list = typeof value === 'string' ? Buffer.from(value) : value;
  const start = number(from);
  const end = to === undefined ? list.length : number(to);
  for (const place of [start, end]) {
    if (place < 0 || place > list.length) throw new TemplateFault(`index out of range: ${place}`);
  }
  if (start > end) throw new TemplateFault(`invalid slice index: ${start} > ${end}`);
  const part = list.slice(start, end);
  return typeof value === 'string' ? String(part) : part;
}

/** printf with the verbs that occur: %s %v %d %q %t %x %f %c %% and widths. */
export function printf(format: unknown, ...args: unknown[]): string {
  let next = 0;
  return text(format).replace(/%([-+0 ]*)(\d*)(?:\.(\d+))?([a-zA-Z%])/g, (...match: string[]) => {
    const [, flags = '', width = '', precision = '', verb = ''] = match;
    if (verb === '%') return '%';
    if (next >= args.length) return `%!${verb}(MISSING)`;
    const made = formatVerb(verb, args[next], precision);
    next += 1;
    const wide = Math.min(Number(width), PAD_MAX);
    if (flags.includes('-')) return made.padEnd(wide);
    return made.padStart(wide, flags.includes('0') && verb !== 's' ? '0' : ' ');
  });
}

function formatVerb(verb: string, value: unknown, precision: string): string {
  switch (verb) {
    case 's':
    case 'v':
      return precision === '' ? text(value) : text(value).slice(0, Number(precision));
    case 'd':
      return typeof value === 'number' ? String(Math.trunc(value)) : `%!d(${printValue(value)})`;
    case 'q':
      return JSON.stringify(text(value));
    case 't':
      return String(value);
    case 'x':
      if (typeof value === 'number') return value.toString(16);
      return Buffer.from(text(value)).toString('hex');
    case 'f':
      return number(value).toFixed(precision === '' ? 6 : Number(precision));
    case 'c':
      return String.fromCodePoint(number(value));
    default:
      return `%!${verb}(${printValue(value)})`;
  }
}

/** As JavaScript text, for a page. */
function escapeJs(value: string): string {
  return value.replace(/[\\'"<>&=\n]/g, (each) => {
    if (each === '\n') return '\\u000A';
    if (['\\', "'", '"'].includes(each)) return `\\${each}`;
    return `\\u00${each.charCodeAt(0).toString(16).toUpperCase()}`;
  });
}

/** Go's encoding/json without HTML escapes; docker's `json` does the same. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'function' ? undefined : item,
  );
}

export const FUNCTIONS: Functions = {
  and: (...args) => args.find((each) => !isTrue(each)) ?? args.at(-1),
  or: (...args) => args.find(isTrue) ?? args.at(-1),
  not: (value) => !isTrue(value),
  len: length,
  index,
  slice,
  eq: (a, ...others) => others.some((b) => compare(a, b) === 0),
  ne: (a, b) => compare(a, b) !== 0,
  lt: (a, b) => compare(a, b) < 0,
  le: (a, b) => compare(a, b) <= 0,
  gt: (a, b) => compare(a, b) > 0,
  ge: (a, b) => compare(a, b) >= 0,
  print: (...args) => args.map(text).join(''),
  println: (...args) => `${args.map(text).join(' ')}\n`,
  printf,
  html: (value) => text(value).replace(/[&<>]/g, (each) => `&#${each.charCodeAt(0)};`),
  js: (...args) => escapeJs(args.map(text).join('')),
  urlquery: (...args) =>
    encodeURIComponent(args.map(text).join('')).replaceAll('%20', '+').replaceAll("'", '%27'),
  call: (value, ...args) => {
    if (typeof value !== 'function')
      throw new TemplateFault(`non-function of type ${typeof value}`);
    return (value as (...args: unknown[]) => unknown)(...args);
  },
  json: toJson,
  join: (list, separator = '') => (Array.isArray(list) ? list.map(text) : []).join(text(separator)),
  split: (value, separator) => text(value).split(text(separator)),
  upper: (value) => text(value).toUpperCase(),
  lower: (value) => text(value).toLowerCase(),
  title: (value) => text(value).replace(/(^|\s)\S/g, (each) => each.toUpperCase()),
  pad: (value, before, after) => {
    if (text(value) === '') return '';
    const left = ' '.repeat(Math.min(number(before), PAD_MAX));
    return left + text(value) + ' '.repeat(Math.min(number(after), PAD_MAX));
  },
  truncate: (value, size) => [...text(value)].slice(0, Math.max(0, number(size))).join(''),
};
