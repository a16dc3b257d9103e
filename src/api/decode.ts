// A small decoder as lax and as strict as Go's encoding/json: unknown fields are ignored, keys
// match whatever their case, null is the same as absent, and a wrong type is an error in Go's
// words. Every list, text and map has a limit, and maps come as null-prototype objects, so that no
// key ("__proto__", "constructor") can reach Object.prototype.
import { EngineError } from '#base/error.ts';

/** More environment entries, mounts, labels ... than this is an attack, not a container. */
export const LIST_ENTRIES_MAX = 16_384;
/** MAX_ARG_STRLEN of the kernel (execve(2)): no argument or variable may be longer. */
export const STRING_BYTES_MAX = 131_072;

type Kind = 'string' | 'int64' | 'bool' | '[]string' | 'map[string]string' | 'struct';

export class Fields {
  readonly #path: string;
  readonly #fields = new Map<string, unknown>();

  /** `path` names the struct in error texts. */
  constructor(path: string, value: unknown) {
    this.#path = path;
    if (value === null || value === undefined) return;
    if (typeof value !== 'object' || Array.isArray(value)) {
      const text = `json: cannot unmarshal ${jsonType(value)} into Go value of type ${path}`;
      throw new EngineError('invalid_argument', `invalid JSON: ${text}`);
    }
    for (const [key, item] of Object.entries(value)) this.#fields.set(key.toLowerCase(), item);
  }

  get empty(): boolean {
    return this.#fields.size === 0;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** The value as it is; undefined for null too. */
  get(name: string): unknown {
    return this.#fields.get(name.toLowerCase()) ?? undefined;
  }

  /** null was said, which is the same as nothing in all but a few changes of ours. */
  isNull(name: string): boolean {
    return this.#fields.get(name.toLowerCase()) === null;
  }

  string(name: string): string {
    return this.optionalString(name) ?? '';
  }

  optionalString(name: string): string | undefined {
    const value = this.get(name);
    return value === undefined ? undefined : this.#text(name, value, 'string');
  }

  int(name: string): number {
    return this.optionalInt(name) ?? 0;
  }

  optionalInt(name: string): number | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    if (typeof value === 'bigint') {
      const text = `invalid JSON: number ${value} of ${this.#name(name)} cannot be kept exactly`;
      throw new EngineError('invalid_argument', `${text}: the largest is ${2 ** 53 - 1}`);
    }
    if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
    return this.#wrong(name, value, 'int64');
  }

  bool(name: string): boolean {
    return this.optionalBool(name) ?? false;
  }

  optionalBool(name: string): boolean | undefined {
    const value = this.get(name);
    if (value === undefined || typeof value === 'boolean') return value;
    return this.#wrong(name, value, 'bool');
  }

  strings(name: string): readonly string[] | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    return this.#list(name, value, '[]string').map((item) => this.#text(name, item, 'string'));
  }

  /** Cmd, Entrypoint, CapAdd ...: a single text is a list of one (Docker's strslice). */
  stringOrStrings(name: string): readonly string[] | undefined {
    const value = this.get(name);
    return typeof value === 'string' ? [this.#text(name, value, 'string')] : this.strings(name);
  }

  stringMap(name: string): Readonly<Record<string, string>> {
    const map = emptyMap<string>();
    for (const [key, value] of this.entries(name)) {
      map[key] = value === null ? '' : this.#text(name, value, 'string');
    }
    return map;
  }

  /** The keys of a map whose values say nothing (ExposedPorts, Volumes). */
  keys(name: string): readonly string[] {
    return this.entries(name).map(([key]) => key);
  }

  entries(name: string): readonly (readonly [string, unknown])[] {
    const value = this.get(name);
    if (value === undefined) return [];
    if (typeof value !== 'object' || Array.isArray(value)) {
      return this.#wrong(name, value, 'map[string]string');
    }
    const entries = Object.entries(value as Record<string, unknown>);
    this.#limit(name, entries.length);
    for (const [key] of entries) this.#text(name, key, 'string');
    return entries;
  }

  object(name: string): Fields | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'object' || Array.isArray(value))
      return this.#wrong(name, value, 'struct');
    return new Fields(this.#name(name), value);
  }

  objects(name: string): readonly Fields[] {
    const value = this.get(name);
    if (value === undefined) return [];
    return this.#list(name, value, 'struct').map((item) => {
      if (item !== null && typeof item === 'object' && !Array.isArray(item)) {
        return new Fields(this.#name(name), item);
      }
      return this.#wrong(name, item, 'struct');
    });
  }

  #list(name: string, value: unknown, kind: Kind): readonly unknown[] {
    if (!Array.isArray(value)) return this.#wrong(name, value, kind);
    this.#limit(name, value.length);
    return value;
  }

  #text(name: string, value: unknown, kind: Kind): string {
    // Go decodes a null inside a list as the zero value.
    if (value === null) return '';
    if (typeof value !== 'string') return this.#wrong(name, value, kind);
    if (value.length > STRING_BYTES_MAX || Buffer.byteLength(value) > STRING_BYTES_MAX) {
      throw tooMuch(`a text of ${this.#name(name)} is longer than ${STRING_BYTES_MAX} bytes`);
    }
    if (value.includes('\0')) {
      throw new EngineError('invalid_argument', `${this.#name(name)} contains a NUL byte`);
    }
    return value;
  }

  #limit(name: string, count: number): void {
    if (count > LIST_ENTRIES_MAX) {
      throw tooMuch(`${this.#name(name)} has more than ${LIST_ENTRIES_MAX} entries`);
    }
  }

  #name(name: string): string {
    return `${this.#path}.${name}`;
  }

  #wrong(name: string, value: unknown, kind: Kind): never {
    const into = `Go struct field ${this.#name(name)} of type ${kind}`;
    const text = `json: cannot unmarshal ${jsonType(value)} into ${into}`;
    throw new EngineError('invalid_argument', `invalid JSON: ${text}`);
  }
}

export function emptyMap<T>(): Record<string, T> {
  return Object.create(null) as Record<string, T>;
}

function tooMuch(message: string): EngineError {
  return new EngineError('limit_exceeded', message);
}

function jsonType(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'number' : `number ${value}`;
  if (typeof value === 'bigint') return `number ${value}`;
  if (typeof value === 'boolean') return 'bool';
  return typeof value;
}
