// The port that container/ and api/ drive: networks, and the sandboxes that containers have on
// them, in domain types. network/service.ts implements it; nothing here knows HTTP or Docker's
// JSON.
import type { Subnet, SubnetRequest } from './ipam/subnet.ts';

export type NetworkDriverName = 'bridge' | 'host' | 'null' | 'macvlan' | 'ipvlan';

export type NetworkRequest = {
  readonly name: string;
  /** "" = bridge. */
  readonly driver: string;
  /** undefined = the driver's default: IPv4 yes, IPv6 as asked by the daemon's configuration. */
  readonly ipv4: boolean | undefined;
  readonly ipv6: boolean | undefined;
  readonly internal: boolean;
  readonly attachable: boolean;
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** "" = where the driver is at home. */
  readonly scope: string;
  /** No network of a driver: others may take its settings. */
  readonly configOnly: boolean;
  /** Name of the network that lends its settings; "" = it has its own. */
  readonly configFrom: string;
  readonly ipam: {
    /** "" or "default"; "null" gives no addresses. */
    readonly driver: string;
    readonly options: Readonly<Record<string, string>>;
    readonly requests: readonly SubnetRequest[];
  };
};

/** A network as stored in `<data>/networks/<id>.json`. */
export type NetworkRecord = {
  readonly version: 1;
  /** 64 hex digits. */
  readonly id: string;
  readonly name: string;
  readonly createdAt: bigint;
  readonly driver: NetworkDriverName;
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  readonly internal: boolean;
  readonly attachable: boolean;
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly ipam: {
    readonly driver: string;
    readonly options: Readonly<Record<string, string>>;
    readonly subnets: readonly Subnet[];
  };
  /** Only of one that lends its settings (--config-only): the subnets that it was asked for. */
  readonly lends?: readonly SubnetRequest[];
  /** Name of the network that it has its settings from (--config-from). */
  readonly configFrom?: string;
};

/** What a container wishes of one network: kept in its spec, resolved anew at each start. */
export type EndpointWish = {
  /** Name or id of the network, as the user gave it. */
  readonly network: string;
  readonly aliases: readonly string[];
  /** "container:alias" */
  readonly links: readonly string[];
  readonly ip: string | undefined;
  readonly ip6: string | undefined;
  readonly linkLocalIps: readonly string[];
  readonly mac: string | undefined;
  readonly driverOpts: Readonly<Record<string, string>>;
  /** The endpoint with the highest has the default route; of equals, the first by network name. */
  readonly gwPriority: number;
};

export type PortProtocol = 'tcp' | 'udp' | 'sctp';

/** One `-p`: ranges are already taken apart, but for a range of the host to choose from. */
export type PortWish = {
  readonly port: number;
  readonly protocol: PortProtocol;
  /** "" = every address of the host, of both families. */
  readonly hostIp: string;
  /** undefined = any free port; first != last = any free one of the range. */
  readonly hostPort: { readonly first: number; readonly last: number } | undefined;
};

export type PortBinding = {
  readonly port: number;
  readonly protocol: PortProtocol;
  /** "0.0.0.0", "::" or an address of the host. */
  readonly hostIp: string;
  readonly hostPort: number;
};

/** Limits of a container's own interfaces, bits a second; undefined = none. */
export type NetworkRate = {
  /** Towards the container. */
  readonly in: { readonly bitsPerSecond: number; readonly burstBytes?: number } | undefined;
  /** From the container. */
  readonly out: { readonly bitsPerSecond: number; readonly burstBytes?: number } | undefined;
};

export type ContainerLinks = {
  /** Ids of the containers that this one may ask. */
  readonly to: readonly string[];
  /** What who is linked to this one may ask for: "80/tcp", "8000-8010/udp". */
  readonly exposed: readonly string[];
};

export type SandboxRequest = {
  readonly containerId: string;
  /** Without the slash. */
  readonly containerName: string;
  readonly hostname: string;
  /**
   * undefined = a new namespace, pinned; a path = the namespace of a process that is made already
   * (a container with a user namespace must own its network namespace), which is pinned too.
   */
  readonly adopt: string | undefined;
  /** Nobody is told of it before show(). */
  readonly hidden?: boolean;
  /** Empty = only lo. None of them is host or container:ID, which have no sandbox of their own. */
  readonly endpoints: readonly EndpointWish[];
  readonly ports: readonly PortWish[];
  /** Links of the default bridge, which open ports where its containers may not talk. */
  readonly links: ContainerLinks;
  readonly rate: NetworkRate | undefined;
  /** undefined = the daemon's defaults or the host's. */
  readonly dns: {
    readonly servers: readonly string[] | undefined;
    readonly search: readonly string[] | undefined;
    readonly options: readonly string[] | undefined;
  };
};

/** One connection of a container to a network. */
export type Endpoint = {
  /** 64 hex digits. */
  readonly id: string;
  readonly networkId: string;
  readonly networkName: string;
  readonly driver: NetworkDriverName;
  /** "eth0" */
  readonly interface: string;
  /** Its index inside, see FIRST_INDEX of kernel/netlink. */
  readonly index: number;
  /** The host's end of a veth pair; undefined for drivers without. */
  readonly hostInterface: string | undefined;
  readonly mac: string;
  readonly ip: string | undefined;
  readonly prefixLength: number;
  /** "" on an internal network, or where the driver has none. */
  readonly gateway: string;
  readonly ip6: string | undefined;
  readonly prefixLength6: number;
  readonly gateway6: string;
  readonly wish: EndpointWish;
  /** What the embedded DNS answers to on this network: name, aliases, short id, host name. */
  readonly dnsNames: readonly string[];
};

/** The network namespace of a container, and all that it has there: `<exec>/net/<32 hex>.json`. */
export type Sandbox = {
  readonly version: 1;
  readonly containerId: string;
  readonly containerName: string;
  readonly hostname: string;
  /** Where the namespace is pinned. */
  readonly path: string;
  /** The first has the default route. */
  readonly endpoints: readonly Endpoint[];
  readonly ports: readonly PortBinding[];
  /** Ports that are published as soon as it is on a network that they can lead to. */
  readonly waiting: readonly PortWish[];
  readonly links: ContainerLinks;
  readonly rate: NetworkRate | undefined;
  readonly dns: SandboxRequest['dns'];
  /** The text of its /etc/resolv.conf. */
  readonly resolvConf: string;
};

export type NetworkView = {
  readonly record: NetworkRecord;
  /** null, host, and the default bridge: cannot be removed. */
  readonly predefined: boolean;
  /** Endpoints of running containers. */
  readonly endpoints: readonly (Endpoint & {
    readonly containerId: string;
    readonly containerName: string;
  })[];
};

/** Traffic of one published port since it was published. */
export type PortTraffic = PortBinding & {
  readonly connections: bigint;
  readonly packets: bigint | undefined;
  readonly bytes: bigint | undefined;
};

/** One line of what is in the way of a packet, in order, for `network explain`. */
export type NetworkStep = {
  /** "bridge", "veth pair", "address", "route", "rule", ... */
  readonly kind: string;
  /** As a tool of the field would print it. */
  readonly text: string;
  readonly why: string;
  readonly packets: bigint | undefined;
  readonly bytes: bigint | undefined;
};

export type NetworkExplanation = {
  readonly id: string;
  readonly name: string;
  readonly driver: NetworkDriverName;
  readonly groups: readonly { readonly name: string; readonly steps: readonly NetworkStep[] }[];
};

/** One step of how a sandbox was made, in order. */
export type AccountStep = {
  readonly op: string;
  readonly text: string;
  readonly why: string;
  readonly where: string;
  /** null: not taken, or counted with the step before. */
  readonly nanoseconds: number | null;
};

export interface NetworkEngine {
  /** Texts and codes are Docker's: `network with name X already exists` (conflict) and so on. */
  create(
    request: NetworkRequest,
  ): Promise<{ readonly id: string; readonly warnings: readonly string[] }>;
  /** By id, unique prefix of an id, or name. Refused while containers are connected. */
  remove(ref: string): Promise<void>;
  /** Removes what is wanted of the networks that nobody uses; answers their names. */
  prune(wanted: (view: NetworkView) => boolean): Promise<readonly string[]>;
  /** With who is on each: costs as much as there are endpoints. */
  list(): readonly NetworkView[];
  /** Throws not_found `network X not found`; costs as much as there are endpoints. */
  inspect(ref: string): NetworkView;
  records(): readonly NetworkRecord[];
  /** As inspect(), without who is on it. */
  record(ref: string): NetworkRecord;
  /** Bridge, veth pairs, addresses, routes and rules with live counters, as a packet meets them. */
  explain(ref: string): Promise<NetworkExplanation>;

  /**
   * Before the process of a container: namespace, endpoints, ports and names, all or nothing.
   * `sandbox.path` is then a namespace to join. A sandbox that an earlier run left is closed first.
   */
  open(request: SandboxRequest): Promise<Sandbox>;
  /** A hidden one is seen from now on; nothing for any other. */
  show(containerId: string): void;
  /** After the process ended: gives everything back. Success if there is none. */
  close(containerId: string): Promise<void>;
  sandbox(containerId: string): Sandbox | undefined;
  /** How the sandbox was made, `adopt` as in open(); undefined when there is none. */
  account(containerId: string, adopt: string | undefined): readonly AccountStep[] | undefined;
  /** Where the namespace of a container is pinned, or will be; known before open() has made it. */
  path(containerId: string): string;
  /**
   * Live connect; `conflict` when it is connected already, `endpoint with name X already exists in
   * network Y`.
   */
  connect(containerId: string, wish: EndpointWish): Promise<Sandbox>;
  disconnect(containerId: string, networkRef: string): Promise<Sandbox>;
  /** Publishes and withdraws on a running container in one step; withdrawals first. */
  changePorts(
    containerId: string,
    change: { readonly add: readonly PortWish[]; readonly remove: readonly PortBinding[] },
  ): Promise<Sandbox>;
  setRate(containerId: string, rate: NetworkRate | undefined): Promise<Sandbox>;
  /** The containers that it is linked to, from now on. */
  relink(containerId: string, to: readonly string[]): Promise<void>;
  /** The names that DNS answers follow. */
  rename(containerId: string, name: string): Promise<void>;
  traffic(containerId: string): Promise<readonly PortTraffic[]>;
  /**
   * At the daemon's start, when it is known what runs: keeps the sandboxes of these containers
   * (repairs what is missing), closes all others, and brings the rules in line.
   */
  recover(running: ReadonlySet<string>): Promise<void>;
  /** The text of /etc/resolv.conf of a container without a sandbox: mode none, or the host's. */
  plainResolvConf(dns: SandboxRequest['dns'], sharesHost: boolean): string;
  /** The addresses that `--add-host x:host-gateway` means. */
  hostGateways(): readonly string[];
}
