// IP addresses and CIDR prefixes as numbers: parsing (RFC 4632, RFC 4291) and the canonical text
// (RFC 5952), which is also what iptables-save, nft and Docker print. An IPv4-mapped IPv6 address
// ("::ffff:10.0.0.1") stays IPv6 here; a zone ("fe80::1%eth0") is refused.
import { EngineError } from './error.ts';

export type IpFamily = 4 | 6;
export type IpAddress = { readonly family: IpFamily; readonly value: bigint };
/** `address` may have host bits; see `networkOf`. */
export type IpPrefix = { readonly address: IpAddress; readonly length: number };

const TEXT_LENGTH_MAX = 64;
const GROUPS = 8;

export const bitsOf = (family: IpFamily): number => (family === 4 ? 32 : 128);

function parse4(text: string): bigint | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  let value = 0n;
  for (const part of match.slice(1)) {
    // A leading zero is refused, as Go does: other readers take it for octal.
    if (Number(part) > 255 || (part.length > 1 && part.startsWith('0'))) return undefined;
    value = (value << 8n) | BigInt(part);
  }
  return value;
}

/** `ends` says that the address ends here: only then may it end in dotted form. */
function parseGroups(text: string, ends: boolean): readonly bigint[] | undefined {
  if (text === '') return [];
  const groups: bigint[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (part.includes('.') && ends && index === parts.length - 1) {
      const tail = parse4(part);
      if (tail === undefined) return undefined;
      groups.push(tail >> 16n, tail & 0xffffn);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(BigInt(`0x${part}`));
    else return undefined;
  }
  return groups;
}

function parse6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '', true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = GROUPS - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...new Array<bigint>(missing).fill(0n), ...tail];
  return groups.reduce((value, group) => (value << 16n) | group, 0n);
}

/** The address, or undefined when the text is none. */
export function readIp(text: string): IpAddress | undefined {
  if (text.length > TEXT_LENGTH_MAX) return undefined;
  const family = text.includes(':') ? 6 : 4;
  const value = family === 6 ? parse6(text) : parse4(text);
  return value === undefined ? undefined : { family, value };
}

export function parseIp(text: string): IpAddress {
  const address = readIp(text);
  if (address === undefined) {
    throw new EngineError('invalid_argument', `invalid IP address: ${JSON.stringify(text)}`);
  }
  return address;
}

/** The prefix, or undefined when the text is none. Host bits are kept. */
export function readCidr(text: string): IpPrefix | undefined {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text);
  const address = readIp(match?.[1] ?? '');
  const length = Number(match?.[2]);
  if (address === undefined || !(length <= bitsOf(address.family))) return undefined;
  return { address, length };
}

export function parseCidr(text: string): IpPrefix {
  const prefix = readCidr(text);
  if (prefix === undefined) {
    throw new EngineError('invalid_argument', `invalid CIDR address: ${text}`);
  }
  return prefix;
}

/** The longest run of at least two zero groups, the first of equals (RFC 5952, 4.2). */
function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: -1, length: 1 };
  for (let start = 0; start < groups.length; start += 1) {
    let end = start;
    while (groups[end] === 0) end += 1;
    if (end - start > best.length) best = { start, length: end - start };
  }
  return best;
}

export function formatIp({ family, value }: IpAddress): string {
  const size = family === 4 ? 8n : 16n;
  const count = family === 4 ? 4 : GROUPS;
  const mask = (1n << size) - 1n;
  const groups = Array.from({ length: count }, (_, index) =>
    Number((value >> (size * BigInt(count - 1 - index))) & mask),
  );
  if (family === 4) return groups.join('.');
  const hex = (part: readonly number[]): string =>
    part.map((group) => group.toString(16)).join(':');
  const zeros = longestZeros(groups);
  if (zeros.start < 0) return hex(groups);
  return `${hex(groups.slice(0, zeros.start))}::${hex(groups.slice(zeros.start + zeros.length))}`;
}

export const formatCidr = (prefix: IpPrefix): string =>
  `${formatIp(prefix.address)}/${prefix.length}`;

/** How many addresses the prefix has. */
export const sizeOf = (prefix: IpPrefix): bigint =>
  1n << BigInt(bitsOf(prefix.address.family) - prefix.length);

/** The prefix with its host bits cleared. */
export function networkOf(prefix: IpPrefix): IpPrefix {
  const { family, value } = prefix.address;
  const host = sizeOf(prefix) - 1n;
  return { address: { family, value: value & ~host }, length: prefix.length };
}

export const firstOf = (prefix: IpPrefix): bigint => networkOf(prefix).address.value;
export const lastOf = (prefix: IpPrefix): bigint => firstOf(prefix) + sizeOf(prefix) - 1n;

export function contains(prefix: IpPrefix, address: IpAddress): boolean {
  if (prefix.address.family !== address.family) return false;
  return address.value >= firstOf(prefix) && address.value <= lastOf(prefix);
}

export function overlaps(a: IpPrefix, b: IpPrefix): boolean {
  if (a.address.family !== b.address.family) return false;
  return firstOf(a) <= lastOf(b) && firstOf(b) <= lastOf(a);
}

/** 127.0.0.0/8 and ::1. */
export function isLoopback({ family, value }: IpAddress): boolean {
  return family === 4 ? value >> 24n === 127n : value === 1n;
}

/** 0.0.0.0 and ::, which mean every address of the host. */
export const isUnspecified = ({ value }: IpAddress): boolean => value === 0n;
