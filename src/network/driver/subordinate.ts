// What macvlan and ipvlan have in common: an interface of the container that lives on one of the
// host's. There is no bridge, no end on the host, no rule of ours: the link's own rules hold, and
// ports need no publishing.
import { deleteLink, setLink } from '#kernel/netlink/link.ts';
import { type EndpointInside, planSubordinate } from '#kernel/netlink/endpoint.ts';
import type { LinkKind } from '#kernel/netlink/link-kind.ts';
import { isNetlinkError, type Netlink, type Step } from '#kernel/netlink/netlink.ts';
import type { Route } from '#kernel/netlink/route.ts';
import { EngineError } from '#base/error.ts';
import { cidrsOf } from '../endpoint.ts';
import type { NetworkRecord } from '../engine.ts';
import { parseMtu } from './bridge/options.ts';
import type { EndpointPlan, NetworkDriver } from './driver.ts';
import { leadsOut, type Parents } from './parent.ts';

const TEMPORARY_ID_DIGITS = 12;

/** What one of the two decides by itself. */
export type SubordinateKind = {
  readonly name: 'macvlan' | 'ipvlan';
  /** The interface that the options ask for. Throws Docker's text for what they may not say. */
  readonly link: (record: NetworkRecord) => Extract<LinkKind, { kind: 'macvlan' | 'ipvlan' }>;
  /** Throws when another network has the same parent and may not. */
  readonly share: (record: NetworkRecord, other: NetworkRecord, parent: string) => void;
  /** Containers reach others by a gateway; false = by the interface itself. */
  readonly gateway: (record: Pick<NetworkRecord, 'options'>) => boolean;
  readonly mac: NetworkDriver['mac'];
};

/** Default routes through the gateway, or, where the kind has none, through the interface. */
function routesOf(plan: EndpointPlan, through: 'gateway' | 'interface' | 'nothing'): Route[] {
  const { endpoint, isGateway4, isGateway6 } = plan;
  const routes: Route[] = [];
  const add = (family: 'inet' | 'inet6', gateway: string): void => {
    if (through === 'interface') routes.push({ to: 'default', family });
    else if (gateway !== '') routes.push({ to: 'default', via: gateway });
  };
  if (through === 'nothing') return routes;
  if (isGateway4 && endpoint.ip !== undefined) add('inet', endpoint.gateway);
  if (isGateway6 && endpoint.ip6 !== undefined) add('inet6', endpoint.gateway6);
  return routes;
}

function insideOf(record: NetworkRecord, plan: EndpointPlan, kind: SubordinateKind) {
  const { endpoint, namespace } = plan;
  const mtu = parseMtu(record.options);
  const out = !record.internal && leadsOut(record);
  const through = out ? (kind.gateway(record) ? 'gateway' : 'interface') : 'nothing';
  return {
    namespace,
    name: endpoint.interface,
    index: endpoint.index,
    // An ipvlan has its parent's MAC, and the kernel refuses another.
    ...(kind.name === 'ipvlan' || endpoint.mac === '' ? {} : { mac: endpoint.mac }),
    ...(mtu === undefined ? {} : { mtu }),
    addresses: cidrsOf(endpoint),
    routes: routesOf(plan, through),
  } satisfies EndpointInside;
}

export function makeSubordinate(
  kind: SubordinateKind,
  deps: { readonly netlink: Netlink; readonly parents: Parents },
): NetworkDriver {
  const { netlink, parents } = deps;
  return {
    name: kind.name,
    addresses: true,
    leadsOut: (record) => !record.internal && leadsOut(record),
    gateway: (record) => !record.internal && leadsOut(record) && kind.gateway(record),
    validate: async (record, others) => {
      parseMtu(record.options);
      const link = kind.link(record);
      const parent = record.options.parent ?? '';
      for (const other of others) {
        if (other.id === record.id || parent === '' || other.options.parent !== parent) continue;
        kind.share(record, other, parent);
      }
      if (!(await parents.has(link))) throw noKind(kind.name);
      await parents.check(record);
    },
    validateWish: () => undefined,
    mac: kind.mac,
    bridge: () => undefined,
    hostInterface: () => undefined,
    activate: (record, { again }) => parents.activate(record, again),
    deactivate: (record) => parents.deactivate(record),
    planAttach: (record, plan) => planAttach(record, plan, kind, parents.index(record)),
    routes: (record, plan) => insideOf(record, plan, kind).routes,
    // They went with their parent.
    planReplug: (record, plan) => planAttach(record, plan, kind, parents.index(record)),
    planDetach: (_record, { namespace, endpoint }) => [
      { namespace, messages: [deleteLink(endpoint.index)] },
    ],
    // It ends with the namespace, but later: until then it would answer for its address.
    planQuiesce: (_record, { namespace, endpoint }) => [
      { namespace, messages: [setLink(endpoint.index, { up: false })] },
    ],
    verify: (record, plan) => verify(netlink, record, plan, kind),
  };
}

function planAttach(
  record: NetworkRecord,
  plan: EndpointPlan,
  kind: SubordinateKind,
  parent: number,
): readonly Step[] {
  const inside = insideOf(record, plan, kind);
  const temporaryName = `cv${plan.endpoint.id.slice(0, TEMPORARY_ID_DIGITS)}`;
  return planSubordinate(inside, { temporaryName, parent, kind: kind.link(record) });
}

async function verify(
  netlink: Netlink,
  record: NetworkRecord,
  plan: EndpointPlan,
  kind: SubordinateKind,
): Promise<boolean> {
  const { namespace, endpoint } = plan;
  try {
    const link = await netlink.link(namespace, endpoint.index);
    if (link === undefined || link.kind !== kind.name || !link.up) return false;
    if (link.mode !== kind.link(record).mode) return false;
    const here = (await netlink.addresses(namespace))
      .filter((one) => one.link === endpoint.index)
      .map(({ address, prefixLength }) => `${address}/${prefixLength}`);
    return cidrsOf(endpoint).every((cidr) => here.includes(cidr));
  } catch (error) {
    if (isNetlinkError(error)) return false;
    throw error;
  }
}

function noKind(name: 'macvlan' | 'ipvlan'): EngineError {
  return new EngineError(
    'invalid_argument',
    `this kernel has no ${name} (CONFIG_${name.toUpperCase()}): load the module ${name}, ` +
      'or use another network driver',
  );
}
