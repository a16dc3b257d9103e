// Who has which address of a network. Kept in memory only: an endpoint's record holds its address,
// so after a crash the state is made again from the records, and nothing can disagree with them.
import { EngineError } from '#base/error.ts';
import {
  contains,
  firstOf,
  formatCidr,
  formatIp,
  type IpAddress,
  type IpFamily,
  type IpPrefix,
  lastOf,
  parseCidr,
  parseIp,
} from '#base/ip-address.ts';
import { isReserved, type Subnet } from './subnet.ts';

export type AllocatorNetwork = {
  readonly id: string;
  readonly name: string;
  readonly subnets: readonly Subnet[];
};

/** An address that an endpoint's record names. */
export type Lease = { readonly ip: string; readonly owner: string };

const keyOf = (address: IpAddress): string => `${address.family} ${address.value}`;

/** Free addresses of one range, found from a cursor that goes up and wraps. */
class Range {
  readonly #subnet: IpPrefix;
  readonly #first: bigint;
  readonly #last: bigint;
  #cursor: bigint;
  constructor(subnet: IpPrefix, range: IpPrefix) {
    this.#subnet = subnet;
    this.#first = firstOf(range);
    this.#last = lastOf(range);
    this.#cursor = this.#first;
  }

  get subnet(): IpPrefix {
    return this.#subnet;
  }

  /** A released address is given again only after all others: neighbours still know its old MAC. */
  next(isTaken: (address: IpAddress) => boolean, taken: number): IpAddress | undefined {
    const { family } = this.#subnet.address;
    const size = this.#last - this.#first + 1n;
    // Of taken + 3 different addresses one is free, unless the range is smaller.
    const tries = size < BigInt(taken + 3) ? size : BigInt(taken + 3);
    for (let step = 0n; step < tries; step += 1n) {
      const value = this.#first + ((this.#cursor - this.#first + step) % size);
      const address: IpAddress = { family, value };
      if (isReserved(this.#subnet, value) || isTaken(address)) continue;
      this.#cursor = value === this.#last ? this.#first : value + 1n;
      return address;
    }
    return undefined;
  }
}

export class AddressAllocator {
  readonly #network: AllocatorNetwork;
  readonly #ranges: readonly Range[];
  /** Owner of each taken address; the network itself owns gateways and auxiliary addresses. */
  readonly #taken = new Map<string, string>();

  /** `leases`: what the endpoints' records say; two owners of one address are `corrupt`. */
  constructor(network: AllocatorNetwork, leases: Iterable<Lease>) {
    this.#network = network;
    this.#ranges = network.subnets.map(({ subnet, ipRange }) => {
      const prefix = parseCidr(subnet);
      return new Range(prefix, ipRange === undefined ? prefix : parseCidr(ipRange));
    });
    for (const { gateway, auxAddresses } of network.subnets) {
      const own = [...(gateway === undefined ? [] : [gateway]), ...Object.values(auxAddresses)];
      for (const ip of own) this.#taken.set(keyOf(parseIp(ip)), network.id);
    }
    for (const { ip, owner } of leases) {
      const key = keyOf(parseIp(ip));
      const holder = this.#taken.get(key);
      if (holder !== undefined && holder !== owner) {
        const message = `address ${ip} of network ${network.name} has two owners`;
        throw new EngineError('corrupt', message, { facts: { owner, holder } });
      }
      this.#taken.set(key, owner);
    }
  }

  /** The next free address of the family, from the first subnet that has one. */
  allocate(family: IpFamily, owner: string): string {
    for (const range of this.#ranges) {
      if (range.subnet.address.family !== family) continue;
      const address = range.next((one) => this.#taken.has(keyOf(one)), this.#taken.size);
      if (address === undefined) continue;
      this.#taken.set(keyOf(address), owner);
      return formatIp(address);
    }
    const { name, id } = this.#network;
    const pools = `address pools: ${name} (${id})`;
    const message = `no available IPv${family} addresses on this network's ${pools}`;
    throw new EngineError('unavailable', message);
  }

  /** This very address (`--ip`), which may lie outside the ip-range but not outside the subnet. */
  claim(ip: string, owner: string): string {
    const address = parseIp(ip);
    const range = this.#ranges.find(({ subnet }) => contains(subnet, address));
    if (range === undefined) {
      const message = `invalid endpoint settings:\nno configured subnet contains IP address ${ip}`;
      throw new EngineError('invalid_argument', message);
    }
    const holder = this.#taken.get(keyOf(address));
    if (holder === owner) return formatIp(address);
    if (holder !== undefined || isReserved(range.subnet, address.value)) {
      throw new EngineError('forbidden', 'Address already in use', { facts: { ip, holder } });
    }
    this.#taken.set(keyOf(address), owner);
    return formatIp(address);
  }

  /** Gives back; only its owner can, so a second release cannot take it from the next one. */
  release(ip: string, owner: string): void {
    const key = keyOf(parseIp(ip));
    if (this.#taken.get(key) === owner) this.#taken.delete(key);
  }

  /** Length of the prefix that goes with the address, as the interface needs it. */
  prefixLengthOf(ip: string): number | undefined {
    const address = parseIp(ip);
    return this.#ranges.find(({ subnet }) => contains(subnet, address))?.subnet.length;
  }

  /** The subnet that the address is in, as the network's record writes it. */
  subnetOf(ip: string): string | undefined {
    const address = parseIp(ip);
    const range = this.#ranges.find(({ subnet }) => contains(subnet, address));
    return range === undefined ? undefined : formatCidr(range.subnet);
  }
}
