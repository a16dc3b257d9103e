// What the firewall must let through, as plain data: the contract between network/ and the two back
// ends. It names bridges, subnets and published ports; how packets are matched is not here.
// Everything that becomes part of a rule's text is checked here once, so that no name can smuggle a
// second rule in.
import { EngineError } from '#base/error.ts';
import {
  formatCidr,
  formatIp,
  type IpFamily,
  isUnspecified,
  networkOf,
  parseCidr,
  parseIp,
} from '#base/ip-address.ts';

/** `nat`: out by masquerade, in by DNAT. `routed`: no translation. `isolated`: no way out. */
export type GatewayMode = 'nat' | 'routed' | 'isolated';
export type PortProtocol = 'tcp' | 'udp' | 'sctp';

export type FirewallNetwork = {
  readonly id: string;
  readonly bridge: string;
  /** IPv4 and IPv6, CIDR. */
  readonly subnets: readonly string[];
  /** Neither out nor in. */
  readonly internal: boolean;
  /** Containers of the network may talk to each other. */
  readonly icc: boolean;
  readonly masquerade4: boolean;
  readonly masquerade6: boolean;
  /** Source address instead of the outgoing interface's. */
  readonly snat4?: string;
  readonly snat6?: string;
  /** Host interfaces whose neighbours may reach published ports by the container's address. */
  readonly trusted?: readonly string[];
  readonly gatewayMode4: GatewayMode;
  readonly gatewayMode6: GatewayMode;
  /** Whoever routes to the bridge reaches every port of its containers, published or not. */
  readonly direct4?: boolean;
  readonly direct6?: boolean;
};

export type PublishedPort = {
  readonly container: string;
  readonly network: string;
  readonly bridge: string;
  readonly protocol: PortProtocol;
  /** 0.0.0.0, :: or an address of the host; of the same family as `ip`. */
  readonly hostIp: string;
  readonly hostPort: number;
  readonly ip: string;
  readonly port: number;
};

/** One port that a container may ask another for, where neighbours may not talk: `--link`. */
export type LinkedPort = {
  /** Ids of the containers. */
  readonly asking: string;
  readonly asked: string;
  readonly network: string;
  readonly bridge: string;
  readonly protocol: PortProtocol;
  /** IPv4: nothing else is linked. */
  readonly from: string;
  readonly to: string;
  readonly port: number;
};

export type FirewallState = {
  readonly networks: readonly FirewallNetwork[];
  readonly ports: readonly PublishedPort[];
  readonly links?: readonly LinkedPort[];
};

export const EMPTY_STATE: FirewallState = { networks: [], ports: [] };

/** Traffic of one published port since its rule was made. */
export type PortCounters = {
  readonly port: PublishedPort;
  /** Connections (for udp: flows) that were translated to the container. */
  readonly connections: bigint;
  /** Both directions, of the container's port; only nftables counts them. */
  readonly packets?: bigint;
  readonly bytes?: bigint;
};

export const NETWORKS_MAX = 4096;
export const PORTS_MAX = 65_536;
export const LINKS_MAX = 65_536;

// dev_valid_name() in net/core/dev.c allows more; quotes, blanks and a trailing "+" (iptables'
// wildcard) are what must not reach a rule.
const INTERFACE = /^(?!\.\.?$)[A-Za-z0-9_.:@-]{1,15}$/;
/** Also a valid chain prefix when upper-cased: XT_EXTENSION_MAXNAMELEN leaves 28 characters. */
const TABLE = /^[A-Za-z][A-Za-z0-9_]{0,14}$/;
const PROTOCOLS: readonly string[] = ['tcp', 'udp', 'sctp'] satisfies readonly PortProtocol[];

function refuse(message: string): never {
  throw new EngineError('invalid_argument', message);
}

/** Checks the name of the table (--firewall-table), also the source of the chains' prefix. */
export function parseTableName(text: string): string {
  if (!TABLE.test(text)) {
    refuse(`invalid firewall table ${JSON.stringify(text)}: up to 15 letters, digits and "_"`);
  }
  return text;
}

function checkInterface(name: string): void {
  if (!INTERFACE.test(name)) refuse(`invalid interface name ${JSON.stringify(name)}`);
}

function checkPortNumber(port: number): void {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) refuse(`invalid port ${port}`);
}

/** Checks every field and writes addresses canonically; `snat` of the wrong family is refused. */
export function normaliseNetwork(network: FirewallNetwork): FirewallNetwork {
  checkInterface(network.bridge);
  for (const name of network.trusted ?? []) checkInterface(name);
  const source = (text: string | undefined, family: IpFamily): string | undefined => {
    if (text === undefined || text === '') return undefined;
    const address = parseIp(text);
    if (address.family !== family) refuse(`${text} cannot be an IPv${family} source address`);
    return formatIp(address);
  };
  const { snat4: given4, snat6: given6, ...rest } = network;
  const snat4 = source(given4, 4);
  const snat6 = source(given6, 6);
  return {
    ...rest,
    subnets: network.subnets.map((subnet) => formatCidr(networkOf(parseCidr(subnet)))),
    ...(snat4 === undefined ? {} : { snat4 }),
    ...(snat6 === undefined ? {} : { snat6 }),
  };
}

export function normalisePort(port: PublishedPort): PublishedPort {
  checkInterface(port.bridge);
  if (!PROTOCOLS.includes(port.protocol)) refuse(`invalid protocol ${port.protocol}`);
  checkPortNumber(port.hostPort);
  checkPortNumber(port.port);
  const host = parseIp(port.hostIp);
  const inside = parseIp(port.ip);
  // Netfilter translates within a family only; dockerd's userland proxy would copy bytes instead.
  if (host.family !== inside.family) {
    refuse(`cannot publish ${port.hostIp} to ${port.ip}: the address families differ`);
  }
  // The kernel drops ::1 on any interface but lo (RFC 4291, 2.5.3), so no rule can lead it away.
  if (host.family === 6 && host.value === 1n) {
    refuse('cannot publish on ::1 by netfilter: the kernel never lets it leave lo');
  }
  return { ...port, hostIp: formatIp(host), ip: formatIp(inside) };
}

export function normaliseLink(link: LinkedPort): LinkedPort {
  checkInterface(link.bridge);
  if (!PROTOCOLS.includes(link.protocol)) refuse(`invalid protocol ${link.protocol}`);
  checkPortNumber(link.port);
  const address = (text: string): string => {
    const ip = parseIp(text);
    if (ip.family !== 4) refuse(`${text} cannot be linked: it is not IPv4`);
    return formatIp(ip);
  };
  return { ...link, from: address(link.from), to: address(link.to) };
}

export const familyOf = (text: string): IpFamily => (text.includes(':') ? 6 : 4);
export const isAnyHost = (port: PublishedPort): boolean => isUnspecified(parseIp(port.hostIp));

export const modeOf = (network: FirewallNetwork, family: IpFamily): GatewayMode =>
  family === 4 ? network.gatewayMode4 : network.gatewayMode6;

/** Neither out nor in: asked for, or without a gateway to go through. */
export const isClosed = (network: FirewallNetwork): boolean =>
  network.internal || (network.gatewayMode4 === 'isolated' && network.gatewayMode6 === 'isolated');

export const masquerades = (network: FirewallNetwork, family: IpFamily): boolean =>
  !isClosed(network) &&
  modeOf(network, family) === 'nat' &&
  (family === 4 ? network.masquerade4 : network.masquerade6);

/** One listener of the host: two published ports with the same key would be in conflict. */
export const portKey = (port: PublishedPort): string =>
  `${port.protocol} ${port.hostIp} ${port.hostPort}`;

export const linkKey = ({ bridge, from, to, protocol, port }: LinkedPort): string =>
  `${bridge} ${from} ${to} ${protocol} ${port}`;
