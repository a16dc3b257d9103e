// What a network driver must do; test/root/network-driver.test.ts holds all of them to it. One
// folder a driver; a driver decides with pure functions and performs with one round trip.
import type { Endpoint, EndpointWish, NetworkDriverName, NetworkRecord } from '../engine.ts';

/** An endpoint whose addresses are decided, to be made inside a namespace. */
export type EndpointPlan = {
  readonly endpoint: Endpoint;
  /** Path of the container's network namespace. */
  readonly namespace: string;
  /** It has the default routes. */
  readonly isGateway: boolean;
};

export interface NetworkDriver {
  readonly name: NetworkDriverName;
  /** Checks options and subnets before anything is stored; texts are Docker's. */
  validate(record: NetworkRecord, others: readonly NetworkRecord[]): void;
  validateWish(record: NetworkRecord, wish: EndpointWish): void;
  /** Whether containers get addresses of IPAM. */
  readonly addresses: boolean;
  /**
   * Makes what the network needs on the host (a bridge, sysctls) if it is not there; cheap when it
   * is. Called before the first endpoint and after somebody took it away.
   */
  activate(record: NetworkRecord): Promise<void>;
  /** Takes it away; success if it is not there. */
  deactivate(record: NetworkRecord): Promise<void>;
  /** Name of the host's end for an endpoint id; undefined = there is none. */
  hostInterface(endpointId: string): string | undefined;
  attach(record: NetworkRecord, plan: EndpointPlan): Promise<void>;
  /** Of a namespace that lives on; one that is deleted next takes its endpoints along. */
  detach(record: NetworkRecord, plan: EndpointPlan): Promise<void>;
  /** Before the namespace is deleted: nothing may pass any more. */
  quiesce(record: NetworkRecord, endpoint: Endpoint): Promise<void>;
  /** Whether the endpoint is still what the record says; false = attach it again. */
  verify(record: NetworkRecord, plan: EndpointPlan): Promise<boolean>;
}
