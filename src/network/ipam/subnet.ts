// The subnets of a network, decided once when it is created: what was asked for, checked with
// Docker's texts, and what was not, filled in.
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
  networkOf,
  overlaps,
  parseCidr,
  parseIp,
  readCidr,
  readIp,
} from '#base/ip-address.ts';
import { type AddressPool, choosePool } from './pool.ts';

/** As asked for; "" and absent mean: choose. */
export type SubnetRequest = {
  readonly subnet?: string;
  readonly ipRange?: string;
  readonly gateway?: string;
  /** Name to address: never given to a container. */
  readonly auxAddresses?: Readonly<Record<string, string>>;
};

/** As stored in the network's record, canonical. */
export type Subnet = {
  readonly subnet: string;
  /** Containers get addresses from here; the whole subnet when absent. */
  readonly ipRange?: string;
  /** Absent for networks without one (macvlan --internal, ipvlan l3). */
  readonly gateway?: string;
  readonly auxAddresses: Readonly<Record<string, string>>;
  /** A user named it: only then may a container ask for an address of its own. */
  readonly userConfigured: boolean;
};

export type SubnetPlanRequest = {
  readonly families: readonly IpFamily[];
  readonly requests: readonly SubnetRequest[];
  readonly pools: readonly AddressPool[];
  /** Subnets of the other networks, CIDR. */
  readonly networks: readonly string[];
  /** Destinations of the host's routes, CIDR; only chosen subnets avoid them. */
  readonly routes: readonly string[];
  readonly withGateway: boolean;
};

export const SUBNETS_PER_NETWORK_MAX = 64;
export const AUX_ADDRESSES_MAX = 1024;

/** Of an address or a prefix that was parsed before. */
export const familyOf = (text: string): IpFamily => (text.includes(':') ? 6 : 4);

/** Where no container can live: the host would lose its own loopback, multicast or every route. */
const FORBIDDEN = [
  { range: parseCidr('127.0.0.0/8'), what: 'the loopback addresses' },
  { range: parseCidr('::1/128'), what: 'the loopback address' },
  { range: parseCidr('224.0.0.0/4'), what: 'multicast addresses' },
  { range: parseCidr('ff00::/8'), what: 'multicast addresses' },
] as const;

function forbidden(subnet: IpPrefix): string | undefined {
  if (subnet.length === 0) return 'it is every address there is';
  const found = FORBIDDEN.find(({ range }) => overlaps(range, subnet));
  return found === undefined ? undefined : `it has ${found.what} in it`;
}

const given = (text: string | undefined): text is string => text !== undefined && text !== '';

/** Faults of one request, in Docker's words; empty when there is none. */
function faultsOf(request: SubnetRequest): readonly string[] {
  if (!given(request.subnet)) {
    // Docker's CLI says the same; without a subnet nothing tells where these belong.
    return [
      ...(given(request.ipRange) ? [`no matching subnet for range ${request.ipRange}`] : []),
      ...(given(request.gateway) ? [`no matching subnet for gateway ${request.gateway}`] : []),
      ...Object.values(request.auxAddresses ?? {}).map(
        (address) => `no matching subnet for aux-address ${address}`,
      ),
    ];
  }
  const subnet = readCidr(request.subnet);
  if (subnet === undefined)
    return [`invalid subnet ${request.subnet}: invalid CIDR block notation`];
  const faults: string[] = [];
  const never = forbidden(subnet);
  if (never !== undefined) faults.push(`invalid subnet ${request.subnet}: ${never}`);
  const wanted = formatCidr(networkOf(subnet));
  if (formatCidr(subnet) !== wanted) {
    faults.push(`invalid subnet ${request.subnet}: it should be ${wanted}`);
  }
  if (given(request.ipRange)) faults.push(...rangeFaults(subnet, request.ipRange));
  const addresses: readonly (readonly [string, string])[] = [
    ...(given(request.gateway) ? [['gateway', request.gateway] as const] : []),
    ...Object.values(request.auxAddresses ?? {}).map((one) => ['auxiliary address', one] as const),
  ];
  for (const [what, text] of addresses) {
    const fault = addressFault(subnet, text);
    if (fault !== undefined) faults.push(`invalid ${what} ${text}: ${fault}`);
  }
  return faults;
}

function rangeFaults(subnet: IpPrefix, text: string): readonly string[] {
  const range = readCidr(text);
  if (range === undefined) return [`invalid ip-range ${text}: invalid CIDR block notation`];
  const { family } = subnet.address;
  if (range.address.family !== family) {
    return [`invalid ip-range ${text}: parent subnet is an IPv${family} block`];
  }
  const wanted = formatCidr(networkOf(range));
  if (formatCidr(range) !== wanted) return [`invalid ip-range ${text}: it should be ${wanted}`];
  if (firstOf(range) < firstOf(subnet) || lastOf(range) > lastOf(subnet)) {
    const parent = formatCidr(networkOf(subnet));
    return [`invalid ip-range ${text}: parent subnet ${parent} doesn't contain ip-range`];
  }
  return [];
}

function addressFault(subnet: IpPrefix, text: string): string | undefined {
  const address = readIp(text);
  if (address === undefined) return 'invalid address';
  const { family } = subnet.address;
  if (address.family !== family) return `parent subnet is an IPv${family} block`;
  if (contains(subnet, address)) return undefined;
  return `parent subnet ${formatCidr(networkOf(subnet))} doesn't contain this address`;
}

/** Throws for what can be no subnets, wherever they are used. */
export function checkRequests(requests: readonly SubnetRequest[]): void {
  if (requests.length > SUBNETS_PER_NETWORK_MAX) {
    const message = `more than SUBNETS_PER_NETWORK_MAX (${SUBNETS_PER_NETWORK_MAX}) subnets`;
    throw new EngineError('limit_exceeded', message);
  }
  for (const { auxAddresses } of requests) {
    if (Object.keys(auxAddresses ?? {}).length > AUX_ADDRESSES_MAX) {
      const message = `more than AUX_ADDRESSES_MAX (${AUX_ADDRESSES_MAX}) auxiliary addresses`;
      throw new EngineError('limit_exceeded', message);
    }
  }
  const faults = requests.flatMap(faultsOf);
  if (faults.length > 0) {
    throw new EngineError('invalid_argument', `invalid network config:\n${faults.join('\n')}`);
  }
}

/** Addresses of the subnet that no host may have: RFC 950 (but RFC 3021), RFC 4291 2.6.1. */
export function isReserved(subnet: IpPrefix, value: bigint): boolean {
  const { family } = subnet.address;
  const room = lastOf(subnet) - firstOf(subnet);
  if (room <= 1n) return false; // /31, /32, /127, /128: every address is a host's
  return value === firstOf(subnet) || (family === 4 && value === lastOf(subnet));
}

function chooseGateway(subnet: IpPrefix, range: IpPrefix, aux: readonly IpAddress[]): IpAddress {
  const taken = new Set(aux.map(({ value }) => value));
  const { family } = subnet.address;
  for (let value = firstOf(range); value <= lastOf(range); value += 1n) {
    if (!isReserved(subnet, value) && !taken.has(value)) return { family, value };
  }
  throw new EngineError(
    'invalid_argument',
    `no address is left for a gateway in ${formatCidr(range)}`,
  );
}

function resolve(request: SubnetRequest, subnet: IpPrefix, withGateway: boolean): Subnet {
  const auxAddresses = Object.fromEntries(
    Object.entries(request.auxAddresses ?? {}).map(([name, ip]) => [name, formatIp(parseIp(ip))]),
  );
  const ipRange = given(request.ipRange) ? formatCidr(parseCidr(request.ipRange)) : undefined;
  const aux = Object.values(auxAddresses).map(parseIp);
  const range = ipRange === undefined ? subnet : parseCidr(ipRange);
  const gateway = given(request.gateway)
    ? parseIp(request.gateway)
    : withGateway
      ? chooseGateway(subnet, range, aux)
      : undefined;
  if (gateway !== undefined && aux.some(({ value }) => value === gateway.value)) {
    throw new EngineError('forbidden', 'Address already in use', {
      facts: { gateway: formatIp(gateway) },
    });
  }
  return {
    subnet: formatCidr(subnet),
    ...(ipRange === undefined ? {} : { ipRange }),
    ...(gateway === undefined ? {} : { gateway: formatIp(gateway) }),
    auxAddresses,
    userConfigured: given(request.subnet),
  };
}

/** Decides the subnets of a new network; what a family lacks comes from the pools. */
export function planSubnets(request: SubnetPlanRequest): readonly Subnet[] {
  checkRequests(request.requests);
  const taken = request.networks.map(parseCidr);
  const named = request.requests.filter(({ subnet }) => given(subnet));
  const planned: Subnet[] = [];
  for (const one of named) {
    const subnet = parseCidr(one.subnet ?? '');
    if (!request.families.includes(subnet.address.family)) continue;
    if (taken.some((other) => overlaps(other, subnet))) {
      const message = 'invalid pool request: Pool overlaps with other one on this address space';
      throw new EngineError('forbidden', message, { facts: { subnet: one.subnet } });
    }
    taken.push(subnet);
    planned.push(resolve(one, subnet, request.withGateway));
  }
  for (const family of request.families) {
    if (planned.some(({ subnet }) => parseCidr(subnet).address.family === family)) continue;
    const subnet = choosePool(family, request.pools, [...taken, ...request.routes.map(parseCidr)]);
    taken.push(subnet);
    planned.push(resolve({}, subnet, request.withGateway));
  }
  // As every list of subnets shows them: IPv4 first.
  return planned.toSorted((one, other) => familyOf(one.subnet) - familyOf(other.subnet));
}
