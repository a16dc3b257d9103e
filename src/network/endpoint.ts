// Endpoints as data: how they are named, in which order they stand, and which of them have the
// default routes. Pure.
import { shortId } from '#base/id.ts';
import { FIRST_INDEX } from '#kernel/netlink/endpoint.ts';
import { parseInterfacePrefix } from './driver/bridge/options.ts';
import type { EndpointPlan, NetworkDriver } from './driver/driver.ts';
import type { Endpoint, EndpointWish, NetworkRecord, Sandbox } from './engine.ts';
import { parseMac } from './ipam/mac.ts';
import type { Lease } from './lease.ts';
import { isUserDefined, parseInterfaceName } from './wish.ts';

type Named = Pick<Sandbox, 'containerId' | 'containerName' | 'hostname'>;

/** What DNS answers to on this network; the first is what a reverse lookup answers. */
export function dnsNamesOf(
  record: NetworkRecord,
  wish: EndpointWish,
  container: Named,
): readonly string[] {
  if (!isUserDefined(record)) return [];
  const { containerName, containerId, hostname } = container;
  const names = [containerName, ...wish.aliases, shortId(containerId), hostname];
  return [...new Set(names)].filter((name) => name !== '');
}

/** The lowest number that no other interface has, as name and as index. */
function slotOf(
  record: NetworkRecord,
  wish: EndpointWish,
  others: readonly Pick<Endpoint, 'interface' | 'index'>[],
): Pick<Endpoint, 'interface' | 'index'> {
  const free = (taken: readonly (string | number)[], at: (n: number) => string | number) => {
    let n = 0;
    while (taken.includes(at(n))) n += 1;
    return n;
  };
  const prefix = parseInterfacePrefix(record.options);
  const names = others.map((other) => other.interface);
  const indexes = others.map((other) => other.index);
  const index = FIRST_INDEX + free(indexes, (n) => FIRST_INDEX + n);
  const wished = parseInterfaceName(wish.driverOpts);
  if (wished !== undefined && !names.includes(wished)) return { interface: wished, index };
  return { interface: prefix + free(names, (n) => prefix + n), index };
}

export type NewEndpoint = {
  readonly id: string;
  readonly record: NetworkRecord;
  readonly driver: NetworkDriver;
  readonly wish: EndpointWish;
  readonly container: Named;
  readonly lease: Lease;
};

export function makeEndpoint(
  { id, record, driver, wish, container, lease }: NewEndpoint,
  others: readonly Pick<Endpoint, 'interface' | 'index'>[],
): Endpoint {
  const leadsOut = driver.leadsOut(record);
  return {
    ...lease,
    id,
    networkId: record.id,
    networkName: record.name,
    driver: record.driver,
    ...slotOf(record, wish, others),
    hostInterface: driver.hostInterface(id),
    mac: wish.mac === undefined ? (driver.mac(record, lease.ip) ?? '') : parseMac(wish.mac),
    gateway: leadsOut ? lease.gateway : '',
    gateway6: leadsOut ? lease.gateway6 : '',
    wish,
    dnsNames: dnsNamesOf(record, wish, container),
  };
}

/** Its addresses as the interface has them. */
export function cidrsOf(endpoint: Endpoint): readonly string[] {
  const { ip, ip6, prefixLength, prefixLength6 } = endpoint;
  return [
    ...(ip === undefined ? [] : [`${ip}/${prefixLength}`]),
    ...(ip6 === undefined ? [] : [`${ip6}/${prefixLength6}`]),
  ];
}

/** What stands first: a way out, then a high gw-priority, then the name of the network. */
export type Rank = {
  readonly leadsOut: boolean;
  readonly priority: number;
  readonly name: string;
};

export function compareRanks(one: Rank, other: Rank): number {
  if (one.leadsOut !== other.leadsOut) return one.leadsOut ? -1 : 1;
  if (one.priority !== other.priority) return other.priority - one.priority;
  return one.name < other.name ? -1 : one.name > other.name ? 1 : 0;
}

/** Plans for endpoints in their order: the first of each family that leads out has its route. */
export function planEndpoints(
  namespace: string,
  endpoints: readonly { readonly endpoint: Endpoint; readonly leadsOut: boolean }[],
): readonly EndpointPlan[] {
  const first = (has: (endpoint: Endpoint) => boolean) =>
    endpoints.find((one) => one.leadsOut && has(one.endpoint))?.endpoint;
  const four = first(({ ip }) => ip !== undefined);
  const six = first(({ ip6 }) => ip6 !== undefined);
  return endpoints.map(({ endpoint }) => ({
    endpoint,
    namespace,
    isGateway4: endpoint === four,
    isGateway6: endpoint === six,
  }));
}
