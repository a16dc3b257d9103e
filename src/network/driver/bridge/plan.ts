// The bridge of a network and its endpoints as messages. Pure: what the kernel must be asked first
// (the bridge's index, its addresses) is an argument.
import type { Op } from '#kernel/native/op.ts';
import { addAddress, deleteAddress } from '#kernel/netlink/address.ts';
import { type EndpointInside, planVeth, type VethOutside } from '#kernel/netlink/endpoint.ts';
import { addLink, getLink, setBridgePort, setLink } from '#kernel/netlink/link.ts';
import type { BridgePort } from '#kernel/netlink/link-kind.ts';
import type { Batch, Step } from '#kernel/netlink/netlink.ts';
import type { Route } from '#kernel/netlink/route.ts';
import { cidrsOf } from '../../endpoint.ts';
import type { Endpoint, NetworkRecord } from '../../engine.ts';
import { familyOf, type Subnet } from '../../ipam/subnet.ts';
import type { EndpointPlan } from '../driver.ts';
import type { BridgeSettings } from './options.ts';

/** Of what we made ourselves, so that nobody else's bridge is ever removed, also after a crash. */
export const aliasOf = ({ id }: Pick<NetworkRecord, 'id'>): string => ALIAS_PREFIX + id;
export const ALIAS_PREFIX = 'coracle network ';

const ENDPOINT_ID_DIGITS = 12;
export const hostInterfaceOf = (endpointId: string): string =>
  `cv${endpointId.slice(0, ENDPOINT_ID_DIGITS)}`;

/** A bridge of its own MAC: else it has its lowest port's, which comes and goes with containers. */
export function planBridge(
  record: NetworkRecord,
  settings: BridgeSettings,
  mac: string,
): Batch & { readonly namespace: '' } {
  const { bridge: name, mtu } = settings;
  return {
    namespace: '',
    messages: [
      addLink({
        name,
        mac,
        ...(mtu === undefined ? {} : { mtu }),
        // Without a delay, and without STP: a port forwards at once.
        kind: { kind: 'bridge', bridge: { forwardDelay: 0, stp: false } },
      }),
      setLink(name, { alias: aliasOf(record) }),
      getLink(name),
    ],
  };
}

/** The host's own addresses on the bridge: the gateways. */
export function addressesOf(record: NetworkRecord, settings: BridgeSettings): readonly string[] {
  return record.ipam.subnets.flatMap(({ subnet, gateway }: Subnet) => {
    if (gateway === undefined) return [];
    const family = familyOf(gateway);
    const mode = family === 4 ? settings.gatewayMode4 : settings.gatewayMode6;
    if (mode === 'isolated' || (family === 4 && settings.inhibit4)) return [];
    return [`${gateway}/${subnet.slice(subnet.indexOf('/') + 1)}`];
  });
}

const sysctl = (key: string, value: string): Op => ({
  op: 'netns_sysctl',
  namespace: '',
  key,
  value,
});

/**
 * The ports of a bridge without icc are isolated, so that no frame goes from one to another. Where
 * links may open a way, the bridge answers for each neighbour (a private VLAN, RFC 3069), so that
 * packets come up to the rules and go down again; at once, and not after a random pause.
 */
const linkSysctls = ({ bridge, icc, isDefault }: BridgeSettings): readonly Op[] =>
  icc || !isDefault
    ? []
    : [
        sysctl(`net/ipv4/conf/${bridge}/proxy_arp_pvlan`, '1'),
        sysctl(`net/ipv4/neigh/${bridge}/proxy_delay`, '0'),
      ];

/** Settings and addresses of a bridge that exists; `present` are the addresses it has. */
export function planSettings(
  record: NetworkRecord,
  settings: BridgeSettings,
  link: {
    readonly index: number;
    /** Only then are addresses removed that are not ours. */
    readonly isOurs: boolean;
    readonly present: readonly string[];
    readonly hostHasIpv6: boolean;
  },
): readonly Step[] {
  const { bridge } = settings;
  const { index } = link;
  const wanted = addressesOf(record, settings);
  const stale = link.isOurs ? link.present.filter((cidr) => !wanted.includes(cidr)) : [];
  const missing = wanted.filter((cidr) => !link.present.includes(cidr));
  const ipv6 = !link.hostHasIpv6
    ? []
    : [
        sysctl(`net/ipv6/conf/${bridge}/disable_ipv6`, record.ipv6 ? '0' : '1'),
        // A container is no router: it could lead the host's own traffic through itself.
        sysctl(`net/ipv6/conf/${bridge}/accept_ra`, '0'),
        // Nobody else has its addresses, and while its link-local one is tried for a second no
        // neighbour can be asked for: what comes for the first container would be lost.
        sysctl(`net/ipv6/conf/${bridge}/accept_dad`, '0'),
      ];
  return [
    // So that what comes from 127.0.0.1 of the host can be led to a container (ip-sysctl.rst); that
    // nothing with such a source comes in from elsewhere is the firewall's part.
    sysctl(`net/ipv4/conf/${bridge}/route_localnet`, '1'),
    ...linkSysctls(settings),
    ...ipv6,
    {
      namespace: '',
      messages: [
        ...stale.map((cidr) => deleteAddress({ link: index, cidr })),
        ...missing.map((cidr) => addAddress({ link: index, cidr, noDad: true })),
        setLink(index, { up: true }),
      ],
    },
  ];
}

/** The default routes that are this endpoint's. */
export function defaultRoutes(plan: EndpointPlan): readonly Route[] {
  const { endpoint, isGateway4, isGateway6 } = plan;
  return [
    ...(isGateway4 && endpoint.gateway !== '' ? [{ to: 'default', via: endpoint.gateway }] : []),
    ...(isGateway6 && endpoint.gateway6 !== '' ? [{ to: 'default', via: endpoint.gateway6 }] : []),
  ];
}

const portOf = ({ icc }: BridgeSettings): BridgePort => ({ hairpin: true, isolated: !icc });

export function planEndpoint(
  plan: EndpointPlan,
  settings: BridgeSettings,
  bridge: number,
): readonly Step[] {
  const { endpoint, namespace } = plan;
  const { mtu } = settings;
  const inside: EndpointInside = {
    namespace,
    name: endpoint.interface,
    index: endpoint.index,
    mac: endpoint.mac,
    ...(mtu === undefined ? {} : { mtu }),
    addresses: cidrsOf(endpoint),
    routes: defaultRoutes(plan),
  };
  const outside: VethOutside = {
    name: hostInterfaceOf(endpoint.id),
    bridge,
    port: portOf(settings),
  };
  return planVeth(inside, outside);
}

/** The host's end into a bridge that was made anew. */
export function planReplug(
  endpoint: Endpoint,
  settings: BridgeSettings,
  bridge: number,
): readonly Step[] {
  const name = hostInterfaceOf(endpoint.id);
  return [
    {
      namespace: '',
      messages: [
        setLink(name, { master: bridge }),
        setBridgePort(name, portOf(settings)),
        setLink(name, { up: true }),
      ],
    },
  ];
}
