// The `filters` parameter: {"label":{"a=b":true}} as the docker CLI writes it, or {"label":["a=b"]}
// as dockerode does. What a key means is the endpoint's own affair; unknown keys are refused.
import { EngineError } from '#base/error.ts';
import { parseJson } from './json.ts';

export const FILTER_VALUES_MAX = 1_000;

export type Filters = ReadonlyMap<string, readonly string[]>;

export function parseFilters(text: string, known?: readonly string[]): Filters {
  const filters = new Map<string, readonly string[]>();
  if (text === '') return filters;
  const value = parseJson(text);
  if (value === null) return filters;
  if (typeof value !== 'object' || Array.isArray(value)) throw malformed();
  for (const [key, item] of Object.entries(value)) {
    if (known !== undefined && !known.includes(key)) throw invalidFilter(key);
    const values = valuesOf(item);
    if (values.length > FILTER_VALUES_MAX) {
      throw new EngineError('limit_exceeded', `filter '${key}' has too many values`);
    }
    filters.set(key, values);
  }
  return filters;
}

export function invalidFilter(key: string, value?: string): EngineError {
  const shown = value === undefined ? key : `${key}=${value}`;
  return new EngineError('invalid_argument', `invalid filter '${shown.slice(0, 200)}'`);
}

function valuesOf(item: unknown): readonly string[] {
  if (item === null || typeof item !== 'object') throw malformed();
  if (Array.isArray(item)) {
    if (!item.every((value) => typeof value === 'string')) throw malformed();
    return item;
  }
  const values: string[] = [];
  for (const [value, wanted] of Object.entries(item)) {
    if (typeof wanted !== 'boolean') throw malformed();
    if (wanted) values.push(value);
  }
  return values;
}

/** "1", "true", "0", "false"; a filter that says both is refused. */
export function boolFilter(filters: Filters, key: string): boolean | undefined {
  const values = filters.get(key);
  if (values === undefined || values.length === 0) return undefined;
  const found = values.map((value) => {
    if (['1', 'true', 'True', 't'].includes(value)) return true;
    if (['0', 'false', 'False', 'f'].includes(value)) return false;
    throw invalidFilter(key, `[${values.join(' ')}]`);
  });
  if (new Set(found).size > 1) throw invalidFilter(key, `[${values.join(' ')}]`);
  return found[0];
}

/** All wanted labels are there: "key" or "key=value". */
export function matchLabels(
  labels: Readonly<Record<string, string>>,
  wanted: readonly string[],
): boolean {
  return wanted.every((text) => {
    const at = text.indexOf('=');
    const key = at === -1 ? text : text.slice(0, at);
    if (!Object.hasOwn(labels, key)) return false;
    return at === -1 || labels[key] === text.slice(at + 1);
  });
}

function malformed(): EngineError {
  return new EngineError('invalid_argument', 'invalid filter');
}
