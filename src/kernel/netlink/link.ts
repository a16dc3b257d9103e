// Interfaces: add, set, delete, look at (RTM_NEWLINK and friends). What a kind of interface has of
// its own is in link-kind.ts; what the kernel says about one is in link-state.ts.
import { decodeMac, encodeMac } from './ip.ts';
import {
  type BridgePort,
  encodeBridgePort,
  encodeBridgeData,
  encodeKind,
  type LinkKind,
} from './link-kind.ts';
import {
  AF,
  type Attribute,
  attributes,
  bytes,
  interfaceName,
  type Message,
  nested,
  nestedIfAny,
  NLM_F,
  RTM,
  text,
  u8,
  u32,
} from './message.ts';

export const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  LINK: 5,
  MASTER: 10,
  PROTINFO: 12,
  TXQLEN: 13,
  OPERSTATE: 16,
  LINKINFO: 18,
  IFALIAS: 20,
  STATS64: 23,
  AF_SPEC: 26,
  NET_NS_FD: 28,
  EXT_MASK: 29,
  CARRIER: 33,
  LINK_NETNSID: 37,
  NEW_IFINDEX: 49,
} as const;

export const IFLA_INFO = { KIND: 1, DATA: 2, SLAVE_KIND: 4, SLAVE_DATA: 5 } as const;
const VETH_INFO_PEER = 1;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const ADDR_GEN_MODE = { eui64: 0, none: 1 } as const;

export const IFF = { UP: 0x1, LOOPBACK: 0x8, PROMISC: 0x100, LOWER_UP: 0x1_0000 } as const;
/** rtnetlink.h: leave the statistics out of a dump, which are half of it. */
const RTEXT_FILTER_SKIP_STATS = 8;
/** The first descriptor of the agent's list of namespaces (NAMESPACE_FD in native/net.c). */
const NAMESPACE_FD = 200;

/** What any interface may be told; undefined stays as it is. */
export type LinkSettings = {
  readonly up?: boolean;
  readonly mac?: string;
  readonly mtu?: number;
  /** Index of the bridge it is a port of; 0 takes it out. */
  readonly master?: number;
  readonly txQueueLength?: number;
  readonly alias?: string;
  /** "none" keeps the kernel from giving it a fe80:: address; of use before it goes up. */
  readonly linkLocal?: keyof typeof ADDR_GEN_MODE;
  /** Position in the `namespaces` of the exchange: where it is made, or moved to. */
  readonly namespace?: number;
};

/** One end of a veth pair, or any other interface, that is to be made. */
export type LinkEnd = Omit<LinkSettings, 'linkLocal' | 'alias'> & {
  readonly name: string;
  /**
   * Wished index. Known beforehand, so that addresses and routes fit in the same round trip. For an
   * end in another namespace than the socket's it needs a free number there (EEXIST otherwise).
   */
  readonly index?: number;
};

/**
 * The other end of a veth pair. It cannot go up in the message that makes it: the kernel opens it
 * before it ties the two (ENOTCONN). Nor does the kernel read a master for it, or an index unless
 * the first end has one too (veth_newlink()).
 */
export type VethPeer = Omit<LinkEnd, 'up' | 'master'>;

export type NewLink = LinkEnd & {
  readonly kind: LinkKind;
  /** Index of the interface below: macvlan, ipvlan, vlan. */
  readonly parent?: number;
};

/** An interface by its name or by its index in the namespace of the exchange. */
export type LinkReference = string | number;

/** struct ifinfomsg. */
export function encodeLinkHeader(index: number, up: boolean | undefined, family = 0): Buffer {
  const out = Buffer.alloc(16);
  out.writeUInt8(family, 0);
  out.writeInt32LE(index, 4);
  if (up !== undefined) {
    out.writeUInt32LE(up ? IFF.UP : 0, 8);
    out.writeUInt32LE(IFF.UP, 12); // ifi_change: only this flag
  }
  return out;
}

function settings(link: Partial<LinkSettings> & { readonly name?: string }): Attribute[] {
  const { mac, mtu, master, txQueueLength, namespace } = link;
  return [
    interfaceName(IFLA.IFNAME, link.name),
    bytes(IFLA.ADDRESS, mac === undefined ? undefined : encodeMac(mac)),
    u32(IFLA.MTU, mtu),
    u32(IFLA.TXQLEN, txQueueLength),
    u32(IFLA.NET_NS_FD, namespace === undefined ? undefined : NAMESPACE_FD + namespace),
    u32(IFLA.MASTER, master),
  ];
}

function encodeEnd(link: LinkEnd): Buffer {
  return attributes(encodeLinkHeader(link.index ?? 0, link.up), ...settings(link));
}

/** Makes an interface. For a veth pair, the peer is made where its own `namespace` says. */
export function addLink(link: NewLink): Message {
  const { kind } = link;
  const data =
    kind.kind === 'veth'
      ? nested(IFLA_INFO.DATA, bytes(VETH_INFO_PEER | 0x8000, encodeEnd(kind.peer)))
      : nestedIfAny(IFLA_INFO.DATA, ...encodeKind(kind));
  return {
    what: `add ${kind.kind}`,
    on: link.name,
    type: RTM.NEWLINK,
    flags: NLM_F.CREATE | NLM_F.EXCL,
    body: attributes(
      encodeEnd(link),
      u32(IFLA.LINK, link.parent),
      nested(IFLA.LINKINFO, text(IFLA_INFO.KIND, kind.kind), data),
    ),
  };
}

function named(link: LinkReference): { readonly name?: string; readonly index: number } {
  return typeof link === 'string' ? { name: link, index: 0 } : { index: link };
}

/** Changes an interface. Its name is changed by renameLink(), its namespace by moveLink(). */
export function setLink(link: LinkReference, change: LinkSettings): Message {
  const { index, name } = named(link);
  const { linkLocal, alias } = change;
  const inet6 =
    linkLocal === undefined
      ? undefined
      : nested(
          IFLA.AF_SPEC,
          nested(AF.INET6, u8(IFLA_INET6_ADDR_GEN_MODE, ADDR_GEN_MODE[linkLocal])),
        );
  return {
    what: 'set link',
    on: String(link),
    type: RTM.NEWLINK,
    flags: 0,
    body: attributes(
      encodeLinkHeader(index, change.up),
      ...settings({ ...change, ...(name === undefined ? {} : { name }) }),
      text(IFLA.IFALIAS, alias),
      inet6,
    ),
  };
}

/** Gives an interface another name; since Linux 6.1 it may be up meanwhile. */
export function renameLink(index: number, name: string): Message {
  return {
    what: `rename link to ${name}`,
    on: String(index),
    type: RTM.NEWLINK,
    flags: 0,
    body: attributes(encodeLinkHeader(index, undefined), interfaceName(IFLA.IFNAME, name)),
  };
}

/** Moves an interface to a namespace of the exchange, there with this index (since Linux 5.13). */
export function moveLink(link: LinkReference, to: { namespace: number; index?: number }): Message {
  const { index, name } = named(link);
  return {
    what: 'move link',
    on: String(link),
    type: RTM.NEWLINK,
    flags: 0,
    body: attributes(
      encodeLinkHeader(index, undefined),
      ...settings(name === undefined ? to : { ...to, name }),
      u32(IFLA.NEW_IFINDEX, to.index),
    ),
  };
}

/** Options of an existing bridge. */
export function setBridge(
  link: LinkReference,
  options: Parameters<typeof encodeBridgeData>[0],
): Message {
  const kind = text(IFLA_INFO.KIND, 'bridge');
  return setInfo('set bridge', link, kind, nested(IFLA_INFO.DATA, ...encodeBridgeData(options)));
}

/**
 * Flags of a bridge's port, by name or index, so that they fit in the batch that makes the port.
 */
export function setBridgePort(link: LinkReference, port: BridgePort): Message {
  const kind = text(IFLA_INFO.SLAVE_KIND, 'bridge');
  const data = nested(IFLA_INFO.SLAVE_DATA, ...encodeBridgePort(port));
  return setInfo('set bridge port', link, kind, data);
}

function setInfo(what: string, link: LinkReference, ...info: readonly Attribute[]): Message {
  const { index, name } = named(link);
  return {
    what,
    on: String(link),
    type: RTM.NEWLINK,
    flags: 0,
    body: attributes(
      encodeLinkHeader(index, undefined),
      interfaceName(IFLA.IFNAME, name),
      nested(IFLA.LINKINFO, ...info),
    ),
  };
}

/** The same by RTM_SETLINK of AF_BRIDGE with IFLA_PROTINFO, as bridge(8) does it; by index only. */
export function setBridgePortByIndex(index: number, port: BridgePort): Message {
  return {
    what: 'set bridge port',
    on: String(index),
    type: RTM.SETLINK,
    flags: 0,
    body: attributes(
      encodeLinkHeader(index, undefined, AF.BRIDGE),
      nested(IFLA.PROTINFO, ...encodeBridgePort(port)),
    ),
  };
}

export function deleteLink(link: LinkReference): Message {
  const { index, name } = named(link);
  return {
    what: 'delete link',
    on: String(link),
    type: RTM.DELLINK,
    flags: 0,
    body: attributes(encodeLinkHeader(index, undefined), interfaceName(IFLA.IFNAME, name)),
  };
}

/** One interface, with its statistics; ENODEV when there is none. */
export function getLink(link: LinkReference): Message {
  const { index, name } = named(link);
  return {
    what: 'get link',
    on: String(link),
    type: RTM.GETLINK,
    flags: 0,
    body: attributes(encodeLinkHeader(index, undefined), interfaceName(IFLA.IFNAME, name)),
  };
}

/** All interfaces; statistics would double the answer, so they are asked for. */
export function dumpLinks(options: { readonly statistics?: boolean } = {}): Message {
  const mask = options.statistics ? undefined : RTEXT_FILTER_SKIP_STATS;
  return {
    what: 'list links',
    on: '',
    type: RTM.GETLINK,
    flags: NLM_F.DUMP,
    body: attributes(encodeLinkHeader(0, undefined), u32(IFLA.EXT_MASK, mask)),
  };
}

/** What RTM_NEWLINK's attribute says as text, or undefined for an interface without a MAC. */
export function macOf(data: Uint8Array | undefined): string | undefined {
  return data === undefined || data.length !== 6 ? undefined : decodeMac(data);
}
