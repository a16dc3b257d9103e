// What each kind of interface has of its own: IFLA_INFO_DATA, and a bridge port's flags.
import { encodeIp, familyOf } from './ip.ts';
import type { VethPeer } from './link.ts';
import { type Attribute, type Attributes, be16, bytes, present, u8, u16, u32 } from './message.ts';

const IFLA_BR = {
  FORWARD_DELAY: 1,
  AGEING_TIME: 4,
  STP_STATE: 5,
  VLAN_FILTERING: 7,
  GROUP_FWD_MASK: 9,
  MCAST_SNOOPING: 23,
  NF_CALL_IPTABLES: 36,
  NF_CALL_IP6TABLES: 37,
} as const;

const IFLA_BRPORT = {
  STATE: 1,
  MODE: 4, // hairpin
  GUARD: 5, // drop its BPDUs
  PROTECT: 6, // never the root port
  LEARNING: 8,
  UNICAST_FLOOD: 9,
  MCAST_FLOOD: 27,
  BCAST_FLOOD: 30,
  NEIGH_SUPPRESS: 32,
  ISOLATED: 33,
} as const;

const IFLA_MACVLAN = { MODE: 1, FLAGS: 2 } as const;
export const MACVLAN_MODE = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const;

const IFLA_IPVLAN = { MODE: 1, FLAGS: 2 } as const;
export const IPVLAN_MODE = { l2: 0, l3: 1, l3s: 2 } as const;
export const IPVLAN_FLAG = { bridge: 0, private: 1, vepa: 2 } as const;

const IFLA_VLAN_ID = 1;

const IFLA_VXLAN = {
  ID: 1,
  GROUP: 2,
  LINK: 3,
  LOCAL: 4,
  TTL: 5,
  LEARNING: 7,
  AGEING: 8,
  PROXY: 11,
  L2MISS: 13,
  L3MISS: 14,
  PORT: 15,
  GROUP6: 16,
  LOCAL6: 17,
} as const;

/** Times are in hundredths of a second, as the kernel's clock_t. */
export type BridgeOptions = {
  readonly stp?: boolean;
  readonly forwardDelay?: number;
  readonly ageingTime?: number;
  readonly vlanFiltering?: boolean;
  readonly groupForwardMask?: number;
  readonly multicastSnooping?: boolean;
  /** Its bridged frames pass iptables, whatever bridge-nf-call-iptables says. */
  readonly nfCallIptables?: boolean;
  readonly nfCallIp6tables?: boolean;
};

export type BridgePort = {
  /** May send a frame back where it came from: a container that reaches itself. */
  readonly hairpin?: boolean;
  /** Speaks to ports that are not isolated only. */
  readonly isolated?: boolean;
  readonly learning?: boolean;
  readonly unicastFlood?: boolean;
  readonly multicastFlood?: boolean;
  readonly broadcastFlood?: boolean;
  readonly neighbourSuppress?: boolean;
  readonly bpduGuard?: boolean;
  readonly rootBlock?: boolean;
};

export type VxlanOptions = {
  readonly id: number;
  /** UDP port; the kernel's own default is not IANA's 4789. */
  readonly port: number;
  readonly local?: string;
  /** A multicast group, or the one remote host. */
  readonly group?: string;
  /** Index of the interface that the group is on. */
  readonly underlay?: number;
  readonly ttl?: number;
  readonly learning?: boolean;
  readonly ageing?: number;
  readonly proxy?: boolean;
  readonly l2miss?: boolean;
  readonly l3miss?: boolean;
};

export type LinkKind =
  | { readonly kind: 'veth'; readonly peer: VethPeer }
  | { readonly kind: 'bridge'; readonly bridge?: BridgeOptions }
  | { readonly kind: 'macvlan'; readonly mode: keyof typeof MACVLAN_MODE }
  | {
      readonly kind: 'ipvlan';
      readonly mode: keyof typeof IPVLAN_MODE;
      readonly flag?: keyof typeof IPVLAN_FLAG;
    }
  | { readonly kind: 'vlan'; readonly id: number }
  | { readonly kind: 'vxlan'; readonly vxlan: VxlanOptions }
  | { readonly kind: 'ifb' }
  | { readonly kind: 'dummy' };

export function encodeBridgeData(options: BridgeOptions): Attribute[] {
  const { stp } = options;
  return [
    u32(IFLA_BR.FORWARD_DELAY, options.forwardDelay),
    u32(IFLA_BR.AGEING_TIME, options.ageingTime),
    u32(IFLA_BR.STP_STATE, stp === undefined ? undefined : Number(stp)),
    u8(IFLA_BR.VLAN_FILTERING, options.vlanFiltering),
    u16(IFLA_BR.GROUP_FWD_MASK, options.groupForwardMask),
    u8(IFLA_BR.MCAST_SNOOPING, options.multicastSnooping),
    u8(IFLA_BR.NF_CALL_IPTABLES, options.nfCallIptables),
    u8(IFLA_BR.NF_CALL_IP6TABLES, options.nfCallIp6tables),
  ];
}

export function decodeBridgeData(data: Attributes): BridgeOptions {
  const stp = data.u32(IFLA_BR.STP_STATE);
  return present({
    stp: stp === undefined ? undefined : stp !== 0,
    forwardDelay: data.u32(IFLA_BR.FORWARD_DELAY),
    ageingTime: data.u32(IFLA_BR.AGEING_TIME),
    vlanFiltering: data.bool(IFLA_BR.VLAN_FILTERING),
    groupForwardMask: data.u16(IFLA_BR.GROUP_FWD_MASK),
    multicastSnooping: data.bool(IFLA_BR.MCAST_SNOOPING),
    nfCallIptables: data.bool(IFLA_BR.NF_CALL_IPTABLES),
    nfCallIp6tables: data.bool(IFLA_BR.NF_CALL_IP6TABLES),
  });
}

export function encodeBridgePort(port: BridgePort): Attribute[] {
  return [
    u8(IFLA_BRPORT.MODE, port.hairpin),
    u8(IFLA_BRPORT.GUARD, port.bpduGuard),
    u8(IFLA_BRPORT.PROTECT, port.rootBlock),
    u8(IFLA_BRPORT.LEARNING, port.learning),
    u8(IFLA_BRPORT.UNICAST_FLOOD, port.unicastFlood),
    u8(IFLA_BRPORT.MCAST_FLOOD, port.multicastFlood),
    u8(IFLA_BRPORT.BCAST_FLOOD, port.broadcastFlood),
    u8(IFLA_BRPORT.NEIGH_SUPPRESS, port.neighbourSuppress),
    u8(IFLA_BRPORT.ISOLATED, port.isolated),
  ];
}

export function decodeBridgePort(data: Attributes): BridgePort {
  return present({
    hairpin: data.bool(IFLA_BRPORT.MODE),
    bpduGuard: data.bool(IFLA_BRPORT.GUARD),
    rootBlock: data.bool(IFLA_BRPORT.PROTECT),
    learning: data.bool(IFLA_BRPORT.LEARNING),
    unicastFlood: data.bool(IFLA_BRPORT.UNICAST_FLOOD),
    multicastFlood: data.bool(IFLA_BRPORT.MCAST_FLOOD),
    broadcastFlood: data.bool(IFLA_BRPORT.BCAST_FLOOD),
    neighbourSuppress: data.bool(IFLA_BRPORT.NEIGH_SUPPRESS),
    isolated: data.bool(IFLA_BRPORT.ISOLATED),
  });
}

/** An address under the attribute of its family. */
function address(type4: number, type6: number, value: string | undefined): Attribute {
  if (value === undefined) return undefined;
  return bytes(familyOf(value) === 'inet' ? type4 : type6, encodeIp(value));
}

function encodeVxlan(options: VxlanOptions): Attribute[] {
  return [
    u32(IFLA_VXLAN.ID, options.id),
    address(IFLA_VXLAN.GROUP, IFLA_VXLAN.GROUP6, options.group),
    u32(IFLA_VXLAN.LINK, options.underlay),
    address(IFLA_VXLAN.LOCAL, IFLA_VXLAN.LOCAL6, options.local),
    u8(IFLA_VXLAN.TTL, options.ttl),
    u8(IFLA_VXLAN.LEARNING, options.learning),
    u32(IFLA_VXLAN.AGEING, options.ageing),
    u8(IFLA_VXLAN.PROXY, options.proxy),
    u8(IFLA_VXLAN.L2MISS, options.l2miss),
    u8(IFLA_VXLAN.L3MISS, options.l3miss),
    be16(IFLA_VXLAN.PORT, options.port),
  ];
}

/** IFLA_INFO_DATA of all kinds but veth, whose peer is a whole interface (link.ts). */
export function encodeKind(kind: Exclude<LinkKind, { kind: 'veth' }>): Attribute[] {
  switch (kind.kind) {
    case 'bridge':
      return encodeBridgeData(kind.bridge ?? {});
    case 'macvlan':
      return [u32(IFLA_MACVLAN.MODE, MACVLAN_MODE[kind.mode])];
    case 'ipvlan':
      return [
        u16(IFLA_IPVLAN.MODE, IPVLAN_MODE[kind.mode]),
        u16(IFLA_IPVLAN.FLAGS, kind.flag === undefined ? undefined : IPVLAN_FLAG[kind.flag]),
      ];
    case 'vlan':
      return [u16(IFLA_VLAN_ID, kind.id)];
    case 'vxlan':
      return encodeVxlan(kind.vxlan);
    case 'ifb':
    case 'dummy':
      return [];
    default:
      return kind satisfies never;
  }
}

/** The mode of a macvlan or ipvlan, as its driver names it. */
export function decodeMode(kind: string | undefined, data: Attributes): string | undefined {
  if (kind === 'macvlan') return nameOf(MACVLAN_MODE, data.u32(IFLA_MACVLAN.MODE));
  if (kind === 'ipvlan') return nameOf(IPVLAN_MODE, data.u16(IFLA_IPVLAN.MODE));
  return undefined;
}

export function nameOf(table: Readonly<Record<string, number>>, value: number | undefined) {
  return Object.keys(table).find((name) => table[name] === value);
}
