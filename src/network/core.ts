// What the verbs of this folder share: the stores, the leases, who holds which network, and the
// parts that others own. Each verb is a function in a file of its own that takes this.
import type { KeyedLock } from '#base/keyed-lock.ts';
import type { UndoReport } from '#base/undo.ts';
import type { NetworkAction, Publisher } from '#event/event.ts';
import type { Netlink } from '#kernel/netlink/netlink.ts';
import type { AccountTimes } from './account.ts';
import type { Activity } from './activity.ts';
import type { EndpointPlan } from './driver/driver.ts';
import type { NetworkDrivers } from './driver/drivers.ts';
import { compareRanks, planEndpoints } from './endpoint.ts';
import type { Endpoint, NetworkRecord, Sandbox } from './engine.ts';
import type { AddressPool } from './ipam/pool.ts';
import type { Leases } from './lease.ts';
import type { NetworkStore } from './network-store.ts';
import type { ExplainPart, NamePart, Plug, Plugged, PortPart, RatePart } from './parts.ts';
import type { SandboxStore } from './sandbox-store.ts';

/** By driver: options of new networks that do not say them (`default-network-opts`). */
export type DefaultOptions = Readonly<Record<string, Readonly<Record<string, string>>>>;

export type Core = {
  readonly networks: NetworkStore;
  readonly sandboxes: SandboxStore;
  /** By container id: sandboxes of which nobody is told yet. */
  readonly hidden: Set<string>;
  readonly leases: Leases;
  readonly activity: Activity;
  /** By container id: what this daemon has made. */
  readonly times: Map<string, AccountTimes>;
  readonly drivers: NetworkDrivers;
  readonly netlink: Netlink;
  readonly ports: PortPart;
  readonly names: NamePart;
  readonly rates: RatePart;
  readonly explainer: ExplainPart;
  readonly events: Publisher;
  /** By container id; and "networks" for making and removing networks. */
  readonly locks: KeyedLock;
  readonly pools: readonly AddressPool[];
  readonly defaultOptions: DefaultOptions;
  readonly hostHasIpv6: boolean;
  readonly report: UndoReport;
};

/** An endpoint with all that belongs to it. */
export type Socketed = Plug & { readonly plan: EndpointPlan };

/**
 * The endpoints of a sandbox with their networks. One whose network's record could not be read is
 * left out: nothing can be known about it, and it goes with its namespace.
 */
export function socketsOf(core: Core, sandbox: Sandbox): readonly Socketed[] {
  const known = sandbox.endpoints.flatMap((endpoint) => {
    const network = core.networks.byId(endpoint.networkId);
    if (network === undefined) return [];
    const driver = core.drivers[network.driver];
    const leadsOut = driver.leadsOut(network);
    return [{ endpoint, network, bridge: driver.bridge(network), leadsOut }];
  });
  const plans = planEndpoints(sandbox.path, known);
  return known.flatMap((one, index) => {
    const plan = plans[index];
    return plan === undefined ? [] : [{ ...one, plan }];
  });
}

export function pluggedOf(core: Core, sandbox: Sandbox): Plugged {
  return { sandbox, plugs: socketsOf(core, sandbox) };
}

/** The order of endpoints in a sandbox. */
export function sortEndpoints(core: Core, endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const rank = ({ networkId, networkName, wish }: Endpoint) => {
    const network = core.networks.byId(networkId);
    const leadsOut = network !== undefined && core.drivers[network.driver].leadsOut(network);
    return { leadsOut, priority: wish.gwPriority, name: networkName };
  };
  return endpoints.toSorted((one, other) => compareRanks(rank(one), rank(other)));
}

export function announce(
  core: Core,
  action: NetworkAction,
  network: Pick<NetworkRecord, 'id' | 'name' | 'driver'>,
  containerId?: string,
): void {
  const container = containerId === undefined ? {} : { container: containerId };
  const attributes = { ...container, name: network.name, type: network.driver };
  core.events.publish({ type: 'network', action, actor: { id: network.id, attributes } });
}
