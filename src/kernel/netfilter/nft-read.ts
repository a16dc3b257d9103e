// Reads `nft -j -n list table` (libnftables-json(5)) back into elements, counters and rule counts.
// The input is nft's, and still parsed as unknown: another version may write it otherwise.
import { EngineError } from '#base/error.ts';
import type { Element } from './element.ts';

export type ReadElement = Element & { readonly packets: bigint; readonly bytes: bigint };

export type ReadTable = {
  readonly elements: readonly ReadElement[];
  /** Names of sets and maps. */
  readonly sets: ReadonlySet<string>;
  /** Rules in each chain. */
  readonly chains: ReadonlyMap<string, number>;
};

export type ReadChain = {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook: string | undefined;
  readonly policy: string | undefined;
};

type Json = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const textOf = (value: unknown): string => (typeof value === 'string' ? value : String(value));

function objectsOf(json: string): readonly Json[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (error) {
    throw new EngineError('corrupt', 'nft -j answered what is no JSON', { cause: error });
  }
  return listOf(isRecord(parsed) ? parsed['nftables'] : undefined).filter(isRecord);
}

const PROTOCOL_NAMES: Readonly<Record<string, string>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' };

/** One part of a key as element.ts writes it. */
function partText(value: unknown, type: string): string {
  if (isRecord(value) && isRecord(value['prefix'])) {
    return `${textOf(value['prefix']['addr'])}/${textOf(value['prefix']['len'])}`;
  }
  if (type === 'ifname') return `"${textOf(value)}"`;
  if (type === 'inet_proto') return PROTOCOL_NAMES[textOf(value)] ?? textOf(value);
  return textOf(value);
}

function keyText(value: unknown, types: readonly string[]): string {
  const parts = isRecord(value) && 'concat' in value ? listOf(value['concat']) : [value];
  return parts.map((part, index) => partText(part, types[index] ?? '')).join(' . ');
}

/** A subnet of one address is listed as an address. */
function withPrefix(key: string, set: string): string {
  if (!/^(own|masq|snat)[46]$/.test(set) || key.includes('/')) return key;
  return `${key}/${set.endsWith('4') ? 32 : 128}`;
}

function readElement(set: string, types: readonly string[], raw: unknown): ReadElement {
  const pair = Array.isArray(raw) ? raw : [raw];
  const wrapped = isRecord(pair[0]) && isRecord(pair[0]['elem']) ? pair[0]['elem'] : undefined;
  const counter = isRecord(wrapped?.['counter']) ? wrapped['counter'] : {};
  const count = (name: string): bigint => {
    const value = counter[name];
    return typeof value === 'number' ? BigInt(value) : 0n;
  };
  const key = withPrefix(keyText(wrapped?.['val'] ?? pair[0], types), set);
  return {
    set,
    key,
    ...(pair.length > 1 ? { value: keyText(pair[1], []) } : {}),
    packets: count('packets'),
    bytes: count('bytes'),
  };
}

export function readTable(json: string): ReadTable {
  const elements: ReadElement[] = [];
  const sets = new Set<string>();
  const chains = new Map<string, number>();
  for (const object of objectsOf(json)) {
    const set = object['set'] ?? object['map'];
    if (isRecord(set)) {
      const name = textOf(set['name']);
      const types = Array.isArray(set['type']) ? set['type'].map(textOf) : [textOf(set['type'])];
      sets.add(name);
      for (const raw of listOf(set['elem'])) elements.push(readElement(name, types, raw));
    }
    if (isRecord(object['chain'])) chains.set(textOf(object['chain']['name']), 0);
    if (isRecord(object['rule'])) {
      const chain = textOf(object['rule']['chain']);
      chains.set(chain, (chains.get(chain) ?? 0) + 1);
    }
  }
  return { elements, sets, chains };
}

/** Reads `nft -j list chains`. */
export function readChains(json: string): readonly ReadChain[] {
  return objectsOf(json).flatMap(({ chain }) => {
    if (!isRecord(chain)) return [];
    const optional = (name: string): string | undefined =>
      typeof chain[name] === 'string' ? chain[name] : undefined;
    return [
      {
        family: textOf(chain['family']),
        table: textOf(chain['table']),
        name: textOf(chain['name']),
        hook: optional('hook'),
        policy: optional('policy'),
      },
    ];
  });
}
