// Connections that the kernel remembers (linux/netfilter/nfnetlink_conntrack.h). Rules of
// translation are asked for the first packet of a connection only, and udp has no end: a client
// that keeps sending stays where it was led before a port was published, moved or withdrawn. So
// what is known of such a port is forgotten. One message a port; the kernel finds the flows (since
// Linux 5.8; before, it refuses the filter).
import { type IpFamily, parseIp } from '#base/ip-address.ts';
import { isEngineError } from '#base/error.ts';
import { OpError } from '../native/encode.ts';
import type { Op } from '../native/op.ts';
import {
  AF,
  type Attribute,
  attributes,
  be16,
  bytes,
  encodeMessages,
  type Message,
  nested,
  u8,
  u32,
} from '../netlink/message.ts';
import { NETLINK_NETFILTER } from './nft-message.ts';
import type { NftTarget } from './nft-socket.ts';
import { familyOf, isAnyHost, type PublishedPort } from './state.ts';

const SUBSYSTEM = 1;
const CT_DELETE = 2;
const CTA = { TUPLE_ORIG: 1, TUPLE_REPLY: 2, STATUS: 3, FILTER: 25, STATUS_MASK: 26 } as const;
const TUPLE = { IP: 1, PROTO: 2 } as const;
const ADDRESS = { SRC: { 4: 1, 6: 3 }, DST: { 4: 2, 6: 4 } } as const;
const PROTO = { NUM: 1, SRC_PORT: 2, DST_PORT: 3 } as const;
const FILTER = { ORIG: 1, REPLY: 2 } as const;
/** Which parts of a tuple the filter compares: enum ctattr_filter of the kernel. */
const COMPARES = { IP_SRC: 1, IP_DST: 2, NUM: 8, SRC_PORT: 16, DST_PORT: 32 } as const;
const IPS_NAT = 0x30; // IPS_SRC_NAT | IPS_DST_NAT
const UDP = 17;

function forget(family: IpFamily, ...list: readonly Attribute[]): Message {
  const header = Buffer.from([family === 4 ? AF.INET : AF.INET6, 0, 0, 0]);
  const body = attributes(header, ...list);
  return { what: 'forget flows', on: '', type: (SUBSYSTEM << 8) | CT_DELETE, flags: 0, body };
}

function addressOf(text: string): Buffer {
  const { family, value } = parseIp(text);
  return Buffer.from(value.toString(16).padStart(family === 4 ? 8 : 32, '0'), 'hex');
}

function be32(type: number, value: number): Attribute {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return bytes(type, out);
}

/** Flows to the port of the host that nobody translated: what a published port now means. */
export function forgetToHost(port: PublishedPort): Message {
  const family = familyOf(port.hostIp);
  const one = isAnyHost(port) ? undefined : addressOf(port.hostIp);
  const compared = COMPARES.NUM | COMPARES.DST_PORT | (one === undefined ? 0 : COMPARES.IP_DST);
  return forget(
    family,
    nested(
      CTA.TUPLE_ORIG,
      nested(TUPLE.IP, bytes(ADDRESS.DST[family], one)),
      nested(TUPLE.PROTO, u8(PROTO.NUM, UDP), be16(PROTO.DST_PORT, port.hostPort)),
    ),
    nested(CTA.FILTER, u32(FILTER.ORIG, compared), u32(FILTER.REPLY, 0)),
    be32(CTA.STATUS, 0),
    be32(CTA.STATUS_MASK, IPS_NAT),
  );
}

/** Flows that end at the container's port. */
export function forgetToContainer(port: PublishedPort): Message {
  const family = familyOf(port.ip);
  return forget(
    family,
    nested(
      CTA.TUPLE_REPLY,
      nested(TUPLE.IP, bytes(ADDRESS.SRC[family], addressOf(port.ip))),
      nested(TUPLE.PROTO, u8(PROTO.NUM, UDP), be16(PROTO.SRC_PORT, port.port)),
    ),
    nested(
      CTA.FILTER,
      u32(FILTER.ORIG, 0),
      u32(FILTER.REPLY, COMPARES.NUM | COMPARES.SRC_PORT | COMPARES.IP_SRC),
    ),
  );
}

/**
 * After the rules changed. Where the kernel cannot, a client that keeps sending is led to the new
 * place only after a pause (nf_conntrack_udp_timeout).
 */
export async function forgetFlows(
  { agent, namespace }: NftTarget,
  ports: { readonly gone: readonly PublishedPort[]; readonly come: readonly PublishedPort[] },
): Promise<void> {
  const isUdp = ({ protocol }: PublishedPort): boolean => protocol === 'udp';
  const forgotten = [
    ...ports.gone.filter(isUdp).map(forgetToContainer),
    ...ports.come.filter(isUdp).map(forgetToHost),
  ];
  if (forgotten.length === 0) return;
  const messages = encodeMessages(forgotten);
  const protocol = NETLINK_NETFILTER;
  const op: Op = { op: 'netlink', namespace, namespaces: [], protocol, messages };
  try {
    await agent.perform([op]);
  } catch (error) {
    // The ports are as they should be: also an agent that died takes nothing of that back.
    if (!(error instanceof OpError) && !isEngineError(error, 'internal')) throw error;
  }
}
