// Addresses of endpoints, one allocator a network. Made from the records of the sandboxes, so that
// nothing on disk has to agree with anything else; a lease belongs to an endpoint.
import type { Endpoint, EndpointWish, NetworkRecord } from './engine.ts';
import { AddressAllocator } from './ipam/allocator.ts';
import { familyOf, type Subnet } from './ipam/subnet.ts';

export type Lease = Pick<
  Endpoint,
  'ip' | 'prefixLength' | 'gateway' | 'ip6' | 'prefixLength6' | 'gateway6'
>;

/** As Docker stores --default-gateway: an address that no container gets. */
export const DEFAULT_GATEWAY = { 4: 'DefaultGatewayIPv4', 6: 'DefaultGatewayIPv6' } as const;

type Half = { readonly ip: string; readonly prefixLength: number; readonly gateway: string };

export class Leases {
  readonly #allocators = new Map<string, AddressAllocator>();

  #of(record: NetworkRecord): AddressAllocator {
    const known = this.#allocators.get(record.id);
    if (known !== undefined) return known;
    const { id, name, ipam } = record;
    const allocator = new AddressAllocator({ id, name, subnets: ipam.subnets }, []);
    this.#allocators.set(id, allocator);
    return allocator;
  }

  /** Addresses for a new endpoint, as wished or the next free ones; all or nothing. */
  take(record: NetworkRecord, wish: EndpointWish, owner: string): Lease {
    const none = { ip: undefined, prefixLength: 0, gateway: '' };
    const four = record.ipv4 ? (this.#one(record, 4, wish.ip, owner) ?? none) : none;
    try {
      const six = record.ipv6 ? (this.#one(record, 6, wish.ip6, owner) ?? none) : none;
      return { ...four, ip6: six.ip, prefixLength6: six.prefixLength, gateway6: six.gateway };
    } catch (error) {
      if (four.ip !== undefined) this.#of(record).release(four.ip, owner);
      throw error;
    }
  }

  #one(
    record: NetworkRecord,
    family: 4 | 6,
    wished: string | undefined,
    owner: string,
  ): Half | undefined {
    const subnets = record.ipam.subnets.filter(({ subnet }) => familyOf(subnet) === family);
    if (subnets.length === 0) return undefined; // --ipam-driver null
    const allocator = this.#of(record);
    const ip =
      wished === undefined ? allocator.allocate(family, owner) : allocator.claim(wished, owner);
    return {
      ip,
      prefixLength: allocator.prefixLengthOf(ip) ?? 0,
      gateway: gatewayOf(subnets, family, allocator, ip),
    };
  }

  /** What a record says that an endpoint has; throws when another has it already. */
  keep(record: NetworkRecord, endpoint: Endpoint): void {
    for (const ip of [endpoint.ip, endpoint.ip6]) {
      if (ip !== undefined) this.#of(record).claim(ip, endpoint.id);
    }
  }

  release(record: NetworkRecord, endpoint: Pick<Endpoint, 'id' | 'ip' | 'ip6'>): void {
    for (const ip of [endpoint.ip, endpoint.ip6]) {
      if (ip !== undefined) this.#of(record).release(ip, endpoint.id);
    }
  }

  /** The network is gone or has other subnets. */
  forget(record: NetworkRecord): void {
    this.#allocators.delete(record.id);
  }
}

/** The gateway of the subnet that the address is in, or the network's own choice. */
function gatewayOf(
  subnets: readonly Subnet[],
  family: 4 | 6,
  allocator: AddressAllocator,
  ip: string,
): string {
  const chosen = subnets.map(({ auxAddresses }) => auxAddresses[DEFAULT_GATEWAY[family]]);
  const given = chosen.find((one) => one !== undefined);
  if (given !== undefined) return given;
  const own = allocator.subnetOf(ip);
  return subnets.find(({ subnet }) => subnet === own)?.gateway ?? '';
}
