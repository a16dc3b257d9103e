// What a network driver must do; test/root/network-driver.test.ts holds all of them to it. One
// folder a driver; a driver decides with pure functions. It does not perform what makes an
// endpoint: the service puts the steps of all endpoints of a container into one round trip.
import type { Step } from '#kernel/netlink/netlink.ts';
import type { Route } from '#kernel/netlink/route.ts';
import type { Endpoint, EndpointWish, NetworkDriverName, NetworkRecord } from '../engine.ts';

/** An endpoint whose addresses are decided, to be made inside a namespace. */
export type EndpointPlan = {
  readonly endpoint: Endpoint;
  /** Path of the container's network namespace; it may not exist before the steps run. */
  readonly namespace: string;
  /** Which default routes are its own. */
  readonly isGateway4: boolean;
  readonly isGateway6: boolean;
};

export interface NetworkDriver {
  readonly name: NetworkDriverName;
  /** Whether containers get addresses of IPAM, and a gateway is chosen for its subnets. */
  readonly addresses: boolean;
  gateway(record: Pick<NetworkRecord, 'internal' | 'options'>): boolean;
  /** Whether an endpoint may have the default routes. */
  leadsOut(record: NetworkRecord): boolean;
  /**
   * Checks options and subnets, and whether this host can carry them, before anything is stored;
   * texts are Docker's. It makes nothing that stays.
   */
  validate(record: NetworkRecord, others: readonly NetworkRecord[]): void | Promise<void>;
  validateWish(record: NetworkRecord, wish: EndpointWish): void;
  /** Its MAC when the user gives none; undefined = the kernel's own (ipvlan has its parent's). */
  mac(record: NetworkRecord, ip: string | undefined): string | undefined;
  /** Name of the network's bridge; undefined for drivers without. */
  bridge(record: NetworkRecord): string | undefined;
  /** Name of the host's end for an endpoint id; undefined = there is none. */
  hostInterface(endpointId: string): string | undefined;
  /**
   * Makes what the network needs on the host (a bridge, sysctls) if it is not there, and remembers
   * the indexes that planAttach() needs. `again` = somebody took it away: look, do not remember.
   * Answers whether it had to make anything.
   */
  activate(record: NetworkRecord, options: { readonly again: boolean }): Promise<boolean>;
  /** Takes it away; success if it is not there. */
  deactivate(record: NetworkRecord): Promise<void>;
  /** The default routes that are this endpoint's, also in what planAttach() makes. */
  routes(record: NetworkRecord, plan: EndpointPlan): readonly Route[];
  /** The network was activated. The steps come behind netns_create in one round trip. */
  planAttach(record: NetworkRecord, plan: EndpointPlan): readonly Step[];
  /** Puts what is out of the network back in, where activate() had to make the network anew. */
  planReplug(record: NetworkRecord, plan: EndpointPlan): readonly Step[];
  /** Of a namespace that lives on. ENODEV means it is gone already. */
  planDetach(record: NetworkRecord, plan: EndpointPlan): readonly Step[];
  /** Before the namespace is deleted: nothing may pass any more. ENODEV as above. */
  planQuiesce(record: NetworkRecord, plan: EndpointPlan): readonly Step[];
  /** Whether the endpoint is still what the record says; false = detach and attach it again. */
  verify(record: NetworkRecord, plan: EndpointPlan): Promise<boolean>;
}
