// Networks as the Engine API shows them.
import type { EndpointConfig, PortMap, StringMap, Strings } from './container-config.ts';

export type EndpointSettings = {
  readonly IPAMConfig: {
    readonly IPv4Address?: string;
    readonly IPv6Address?: string;
    readonly LinkLocalIPs?: Strings;
  } | null;
  readonly Links: Strings | null;
  readonly Aliases: Strings | null;
  readonly MacAddress: string;
  readonly DriverOpts: StringMap | null;
  readonly GwPriority: number;
  readonly NetworkID: string;
  readonly EndpointID: string;
  readonly Gateway: string;
  readonly IPAddress: string;
  readonly IPPrefixLen: number;
  readonly IPv6Gateway: string;
  readonly GlobalIPv6Address: string;
  readonly GlobalIPv6PrefixLen: number;
  readonly DNSNames: Strings | null;
};

export type IpamConfig = {
  readonly Subnet?: string;
  readonly IPRange?: string;
  readonly Gateway?: string;
  readonly AuxiliaryAddresses?: StringMap;
};

export type Ipam = {
  readonly Driver: string;
  readonly Options: StringMap | null;
  readonly Config: readonly IpamConfig[] | null;
};

export type NetworkInspect = {
  readonly Name: string;
  readonly Id: string;
  readonly Created: string;
  readonly Scope: string;
  readonly Driver: string;
  readonly EnableIPv4: boolean;
  readonly EnableIPv6: boolean;
  readonly IPAM: Ipam;
  readonly Internal: boolean;
  readonly Attachable: boolean;
  readonly Ingress: boolean;
  readonly ConfigFrom: { readonly Network: string };
  readonly ConfigOnly: boolean;
  readonly Containers: Readonly<Record<string, NetworkContainer>>;
  readonly Options: StringMap;
  readonly Labels: StringMap;
};

export type NetworkContainer = {
  readonly Name: string;
  readonly EndpointID: string;
  readonly MacAddress: string;
  readonly IPv4Address: string;
  readonly IPv6Address: string;
};

/** Body of `POST /networks/create`; only the name is needed. */
export type NetworkCreateBody = {
  readonly Name: string;
  readonly Driver?: string;
  readonly Scope?: string;
  readonly EnableIPv4?: boolean;
  readonly EnableIPv6?: boolean;
  readonly IPAM?: Ipam | null;
  readonly Internal?: boolean;
  readonly Attachable?: boolean;
  readonly Ingress?: boolean;
  readonly ConfigOnly?: boolean;
  readonly ConfigFrom?: { readonly Network: string } | null;
  readonly Options?: StringMap | null;
  readonly Labels?: StringMap | null;
};

export type NetworkCreateReply = { readonly Id: string; readonly Warning: string };

/** Body of `POST /networks/{id}/connect`. */
export type NetworkConnectBody = {
  readonly Container: string;
  readonly EndpointConfig?: EndpointConfig | null;
};

/** Body of `POST /networks/{id}/disconnect`. */
export type NetworkDisconnectBody = { readonly Container: string; readonly Force: boolean };

export type NetworkPruneReply = { readonly NetworksDeleted: Strings | null };

/**
 * Ours, body of `POST /coracle/containers/{id}/ports`: an empty list withdraws every binding of the
 * port, an empty HostIp or HostPort means each.
 */
export type PortChangeBody = { readonly Add?: PortMap; readonly Remove?: PortMap };

export type PortChangeReply = { readonly Ports: PortMap };

/** Ours, one line of `GET /coracle/containers/{id}/ports`; the first fields are those of Port. */
export type PortTraffic = {
  readonly IP: string;
  readonly PrivatePort: number;
  readonly PublicPort: number;
  readonly Type: string;
  readonly Connections: number;
  /** null where the firewall counts only connections. */
  readonly Packets: number | null;
  readonly Bytes: number | null;
};

/** Ours, reply of `GET /coracle/networks/{id}/explain`. */
export type NetworkExplainReply = {
  readonly Id: string;
  readonly Name: string;
  readonly Driver: string;
  readonly Groups: readonly NetworkExplainGroup[];
};

export type NetworkExplainGroup = {
  readonly Name: string;
  readonly Steps: readonly NetworkExplainStep[];
};

export type NetworkExplainStep = {
  /** "bridge", "veth pair", "address", "route", "rule", ... */
  readonly Kind: string;
  /** As a tool of the field would print it. */
  readonly Text: string;
  readonly Why: string;
  /** null where nothing counts. */
  readonly Packets: number | null;
  readonly Bytes: number | null;
};
