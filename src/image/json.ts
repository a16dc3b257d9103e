// Reading JSON that strangers wrote: each function gives the value with its type, or throws
// `corrupt` with the place. null counts as absent, as in Go. Objects become Maps, so that no key
// can reach a prototype.
import { EngineError } from '#base/error.ts';

export type JsonMap = ReadonlyMap<string, unknown>;

function wrong(where: string, expected: string): EngineError {
  return new EngineError('corrupt', `${where} must be ${expected}`);
}

/** Parses JSON text whose top is an object or a list. */
export function parseJson(bytes: Uint8Array, where: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new EngineError('corrupt', `${where} is not JSON`, { cause: error });
  }
}

export function asMap(value: unknown, where: string): JsonMap {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrong(where, 'an object');
  }
  return new Map<string, unknown>(Object.entries(value));
}

export function optionalMap(value: unknown, where: string): JsonMap | undefined {
  return value === undefined || value === null ? undefined : asMap(value, where);
}

export function asString(value: unknown, where: string): string {
  if (typeof value !== 'string') throw wrong(where, 'a string');
  return value;
}

export function optionalString(value: unknown, where: string): string {
  return value === undefined || value === null ? '' : asString(value, where);
}

export function asSize(value: unknown, where: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw wrong(where, 'a size');
  }
  return value;
}

/** A whole number that may be negative, 0 if absent. */
export function optionalInteger(value: unknown, where: string): number {
  if (value === undefined || value === null) return 0;
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    throw wrong(where, 'a whole number');
  }
  return value;
}

export function asList(value: unknown, where: string, max: number): readonly unknown[] {
  if (!Array.isArray(value)) throw wrong(where, 'a list');
  if (value.length > max) {
    throw new EngineError('limit_exceeded', `${where} has more than ${max} entries`, {
      facts: { max },
    });
  }
  return value;
}

export function optionalList(value: unknown, where: string, max: number): readonly unknown[] {
  return value === undefined || value === null ? [] : asList(value, where, max);
}

export function optionalStrings(
  value: unknown,
  where: string,
  max: number,
): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined;
  return asList(value, where, max).map((item, index) => asString(item, `${where}[${index}]`));
}

/** `{"key": {}}`: Go's way to write a set. */
export function keySet(value: unknown, where: string, max: number): readonly string[] {
  const map = optionalMap(value, where);
  if (map === undefined) return [];
  return asList([...map.keys()], where, max) as readonly string[];
}

export function stringMap(
  value: unknown,
  where: string,
  max: number,
): Readonly<Record<string, string>> {
  const map = optionalMap(value, where);
  const result: Record<string, string> = Object.create(null);
  if (map === undefined) return result;
  asList([...map.keys()], where, max);
  for (const [key, item] of map) result[key] = optionalString(item, `${where}.${key}`);
  return result;
}
