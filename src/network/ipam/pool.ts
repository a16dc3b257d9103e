// From which range a network gets its subnet when nobody names one: Docker's default pools, or the
// ones of --default-address-pool; the first subnet that overlaps neither a route of the host nor
// another network.
import { EngineError } from '#base/error.ts';
import { sha256 } from '#base/digest.ts';
import {
  bitsOf,
  firstOf,
  formatCidr,
  type IpFamily,
  type IpPrefix,
  lastOf,
  networkOf,
  overlaps,
  parseCidr,
  readCidr,
} from '#base/ip-address.ts';

/** Subnets of `size` bits are cut from `base`. */
export type AddressPool = { readonly base: string; readonly size: number };

export const DEFAULT_POOLS: readonly AddressPool[] = [
  { base: '172.17.0.0/16', size: 16 },
  { base: '172.18.0.0/16', size: 16 },
  { base: '172.19.0.0/16', size: 16 },
  { base: '172.20.0.0/14', size: 16 },
  { base: '172.24.0.0/14', size: 16 },
  { base: '172.28.0.0/14', size: 16 },
  { base: '192.168.0.0/16', size: 20 },
];

const ULA_SUBNET_BITS = 64;

/** Parses --default-address-pool / default-address-pools; an empty list means Docker's. */
export function parsePools(pools: readonly AddressPool[]): readonly AddressPool[] {
  return pools.map(({ base, size }) => {
    const prefix = readCidr(base);
    if (prefix === undefined) {
      throw new EngineError('invalid_argument', `invalid default address pool base ${base}`);
    }
    if (!Number.isInteger(size) || size < prefix.length || size > bitsOf(prefix.address.family)) {
      const message = `invalid default address pool size ${size} for base ${base}`;
      throw new EngineError('invalid_argument', message);
    }
    return { base: formatCidr(networkOf(prefix)), size };
  });
}

/**
 * The host's own pool of unique local addresses: fd, then a 40 bit global ID (RFC 4193, 3.2.2). It
 * comes from a seed (the machine's id), so that it is the same after every restart.
 */
export function ulaPool(seed: string): AddressPool {
  const id = sha256(`coracle ula ${seed}`).slice('sha256:'.length, 'sha256:'.length + 10);
  const text = `fd${id}`.match(/.{4}/g)?.join(':') ?? '';
  return { base: formatCidr(networkOf(parseCidr(`${text}::/48`))), size: ULA_SUBNET_BITS };
}

/** The first free subnet of the pools, or undefined. Cost: pools times used, not subnets. */
function firstFree(pool: AddressPool, used: readonly IpPrefix[]): IpPrefix | undefined {
  const base = parseCidr(pool.base);
  const { family } = base.address;
  const size = 1n << BigInt(bitsOf(family) - pool.size);
  let value = firstOf(base);
  while (value <= lastOf(base)) {
    const candidate: IpPrefix = { address: { family, value }, length: pool.size };
    const taken = used.filter((other) => overlaps(candidate, other));
    if (taken.length === 0) return candidate;
    let end = value;
    for (const one of taken) if (lastOf(one) > end) end = lastOf(one);
    value = ((end + size) / size) * size; // the first candidate behind what is taken
  }
  return undefined;
}

/** `used`: subnets of other networks and routes of the host, both families; host bits allowed. */
export function choosePool(
  family: IpFamily,
  pools: readonly AddressPool[],
  used: readonly IpPrefix[],
): IpPrefix {
  // A default route overlaps everything and occupies nothing.
  const occupied = used.filter(({ length }) => length > 0);
  for (const pool of pools) {
    if (parseCidr(pool.base).address.family !== family) continue;
    const free = firstFree(pool, occupied);
    if (free !== undefined) return free;
  }
  throw new EngineError('unavailable', 'all predefined address pools have been fully subnetted', {
    facts: { family, networks: used.length },
  });
}
