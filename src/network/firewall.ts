// Networks and bindings in the words of the firewall (kernel/netfilter): pure.
import type { IpFamily } from '#base/ip-address.ts';
import type { FirewallNetwork, GatewayMode, PublishedPort } from '#kernel/netfilter/state.ts';
import { type BridgeGatewayMode, parseBridge } from './driver/bridge/options.ts';
import type { NetworkRecord } from './engine.ts';
import type { ActiveNetwork, Plugged } from './parts.ts';

const modeOf = (mode: BridgeGatewayMode): GatewayMode =>
  mode === 'nat-unprotected' ? 'nat' : mode;

const unprotected = (modes: readonly BridgeGatewayMode[]): boolean =>
  modes.includes('nat-unprotected');

/** Undefined for networks without a bridge: nothing of theirs passes the host's rules. */
export function firewallNetwork(network: ActiveNetwork): FirewallNetwork | undefined {
  const { record, bridge } = network;
  if (bridge === undefined) return undefined;
  const settings = parseBridge(record);
  const { gatewayMode4, gatewayMode6, icc, masquerade, trusted, host4, host6 } = settings;
  return {
    id: record.id,
    bridge,
    subnets: record.ipam.subnets.map(({ subnet }) => subnet),
    internal: record.internal,
    icc,
    masquerade4: masquerade,
    masquerade6: masquerade,
    ...(host4 === '' ? {} : { snat4: host4 }),
    ...(host6 === '' ? {} : { snat6: host6 }),
    ...(trusted.length === 0 ? {} : { trusted }),
    ...(unprotected([gatewayMode4]) ? { direct4: true } : {}),
    ...(unprotected([gatewayMode6]) ? { direct6: true } : {}),
    gatewayMode4: modeOf(gatewayMode4),
    gatewayMode6: modeOf(gatewayMode6),
  };
}

/** Where the ports of one family lead: an address of the container, behind a bridge. */
export type PortTarget = {
  readonly family: IpFamily;
  readonly ip: string;
  readonly network: string;
  readonly bridge: string;
  readonly mode: GatewayMode;
  /** Where ports without an address are published; "" = everywhere. */
  readonly hostBinding: string;
};

function targetOf(plugged: Plugged, family: IpFamily): PortTarget | undefined {
  // The first that leads out has the default route, and answers must come back the way that the
  // question came: behind another one they would leave with the wrong address.
  const plug = plugged.plugs.find(({ endpoint, network }) => {
    const ip = family === 4 ? endpoint.ip : endpoint.ip6;
    return ip !== undefined && !network.internal && !isIsolated(network, family);
  });
  const ip = family === 4 ? plug?.endpoint.ip : plug?.endpoint.ip6;
  if (plug === undefined || ip === undefined || plug.bridge === undefined) return undefined;
  const settings = parseBridge(plug.network);
  return {
    family,
    ip,
    network: plug.network.id,
    bridge: plug.bridge,
    mode: modeOf(family === 4 ? settings.gatewayMode4 : settings.gatewayMode6),
    hostBinding: settings.hostBinding,
  };
}

function isIsolated(network: NetworkRecord, family: IpFamily): boolean {
  if (network.driver !== 'bridge') return false;
  const { gatewayMode4, gatewayMode6 } = parseBridge(network);
  return (family === 4 ? gatewayMode4 : gatewayMode6) === 'isolated';
}

export type PortTargets = {
  readonly 4: PortTarget | undefined;
  readonly 6: PortTarget | undefined;
};

export const targetsOf = (plugged: Plugged): PortTargets => ({
  4: targetOf(plugged, 4),
  6: targetOf(plugged, 6),
});

type Published = Pick<PublishedPort, 'container' | 'protocol' | 'hostIp' | 'hostPort' | 'port'>;

/** A routed network is reached by the container's own address: no port of the host is used. */
export function publishedPort(port: Published, target: PortTarget): PublishedPort {
  const { ip, network, bridge } = target;
  const listener = isDirect(target) ? { hostIp: ip, hostPort: port.port } : {};
  return { ...port, network, bridge, ip, ...listener };
}

export const isDirect = ({ mode }: PortTarget): boolean => mode === 'routed';
