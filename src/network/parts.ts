// What the service of networks leaves to others, as narrow ports: who publishes (port/ and
// firewall.ts), who answers names (names/), who limits rates (rate.ts). The service calls them
// under the lock of the container, so no two calls for one container overlap; calls for different
// containers do.
import type { LinkedPort } from '#kernel/netfilter/state.ts';
import type {
  Endpoint,
  NetworkExplanation,
  NetworkRate,
  NetworkRecord,
  PortBinding,
  PortTraffic,
  PortWish,
  Sandbox,
} from './engine.ts';

/** An endpoint and where it is plugged in. */
export type Plug = {
  readonly endpoint: Endpoint;
  readonly network: NetworkRecord;
  /** The bridge that the host's end is a port of; undefined for drivers without. */
  readonly bridge: string | undefined;
};

/**
 * A sandbox with one plug for each endpoint, in the same order: the first has the default route.
 */
export type Plugged = { readonly sandbox: Sandbox; readonly plugs: readonly Plug[] };

/** A network that is in the kernel, and its bridge (undefined for drivers without). */
export type ActiveNetwork = {
  readonly record: NetworkRecord;
  readonly bridge: string | undefined;
};

export interface PortPart {
  /**
   * The bridge exists: its rules are in the kernel when this resolves. Called before the network's
   * first endpoint, and again whenever the bridge had to be made anew; cheap when nothing changed.
   */
  networkUp(network: ActiveNetwork): Promise<void>;
  /** No endpoint is left and the bridge goes; success if it was never up. */
  networkDown(network: ActiveNetwork): Promise<void>;
  /**
   * Reserves ports of the host and leads them to the sandbox, all or nothing; `sandbox.ports` is
   * empty. Runs while the endpoints are being made: their addresses are final, their links may not
   * be there yet. Without wishes it costs nothing and the firewall is not touched.
   */
  open(target: Plugged, wishes: readonly PortWish[]): Promise<readonly PortBinding[]>;
  /** Replaces what is open by links from or to the container. Without any it costs nothing. */
  link(containerId: string, links: readonly LinkedPort[]): Promise<void>;
  /** Gives every port of the container back; success if there is none. */
  close(containerId: string): Promise<void>;
  /** Withdrawals first, in one step, all or nothing; answers all bindings of the container. */
  change(
    target: Plugged,
    change: { readonly add: readonly PortWish[]; readonly remove: readonly PortBinding[] },
  ): Promise<readonly PortBinding[]>;
  /** Endpoints came or went: leads the same host ports to where the default route is now. */
  move(target: Plugged): Promise<readonly PortBinding[]>;
  /** Of what open(), change() and move() were asked: what leads nowhere now. */
  waiting(containerId: string): readonly PortWish[];
  traffic(containerId: string): Promise<readonly PortTraffic[]>;
  /**
   * Once, at the daemon's start, before any other call: takes over what these hold, and brings the
   * rules in line, touching nothing that is right. Networks without endpoints are not listed.
   */
  recover(
    networks: readonly ActiveNetwork[],
    targets: readonly Plugged[],
    links: readonly LinkedPort[],
  ): Promise<void>;
}

export interface NamePart {
  /** The same as NetworkEngine's. */
  plainResolvConf(dns: Sandbox['dns'], sharesHost: boolean): string;
  /** The text of /etc/resolv.conf of a container that is connected like this. */
  resolvConf(target: Plugged): string;
  /**
   * Replaces what the sandbox answers to and asks: endpoints, names, links, upstream servers. Its
   * namespace exists. Listens on 127.0.0.11 inside where a network is user-defined, and no longer
   * where none is. Without user-defined networks it costs no round trip.
   */
  set(target: Plugged): Promise<void>;
  /** Before the namespace is deleted; success if there is none. */
  remove(containerId: string): Promise<void>;
  /** Once, at the daemon's start: takes over what a relay still answers for, forgets the others. */
  recover(targets: readonly Plugged[]): Promise<void>;
}

export interface RatePart {
  /**
   * Limits one endpoint whose links exist, or changes its limit; undefined = no limit. `namespace`
   * is the container's: a driver without an end on the host is limited inside.
   */
  apply(namespace: string, plug: Plug, rate: NetworkRate | undefined): Promise<void>;
  /**
   * The endpoint goes away: removes what does not go with its links (the ifb); success if there is
   * none. Called only for sandboxes with a rate.
   */
  remove(namespace: string, plug: Plug): Promise<void>;
}

export interface ExplainPart {
  /** Everything of a network in the order that a packet meets it; `targets` are its sandboxes. */
  explain(network: ActiveNetwork, targets: readonly Plugged[]): Promise<NetworkExplanation>;
}
