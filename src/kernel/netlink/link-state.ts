// What the kernel says about an interface (RTM_NEWLINK as an answer).
import { IFF, IFLA, IFLA_INFO, macOf } from './link.ts';
import {
  type BridgeOptions,
  type BridgePort,
  decodeBridgeData,
  decodeBridgePort,
  decodeMode,
} from './link-kind.ts';
import { type Answer, Attributes, present, RTM } from './message.ts';

const HEADER_BYTES = 16;

export type LinkStatistics = {
  readonly rxPackets: bigint;
  readonly txPackets: bigint;
  readonly rxBytes: bigint;
  readonly txBytes: bigint;
  readonly rxErrors: bigint;
  readonly txErrors: bigint;
  readonly rxDropped: bigint;
  readonly txDropped: bigint;
};

export type LinkState = {
  readonly index: number;
  readonly name: string;
  /** "veth", "bridge"; undefined for hardware and lo. */
  readonly kind?: string;
  readonly mac?: string;
  readonly mtu: number;
  readonly up: boolean;
  /** Up, and the other end too. */
  readonly carrier: boolean;
  readonly loopback: boolean;
  /** Index of the bridge that it is a port of. */
  readonly master?: number;
  /** Index of a veth's peer or a macvlan's parent, in its own namespace. */
  readonly parent?: number;
  /** The id of that other namespace here; undefined when it is this one. */
  readonly parentNamespaceId?: number;
  readonly txQueueLength?: number;
  readonly alias?: string;
  readonly mode?: string;
  readonly bridge?: BridgeOptions;
  readonly port?: BridgePort;
  readonly statistics?: LinkStatistics;
};

export function decodeLink(body: Buffer): LinkState {
  const flags = body.readUInt32LE(8);
  const list = new Attributes(body, HEADER_BYTES);
  const info = list.nested(IFLA.LINKINFO);
  const kind = info?.text(IFLA_INFO.KIND);
  const data = info?.nested(IFLA_INFO.DATA);
  const slave = info?.text(IFLA_INFO.SLAVE_KIND) === 'bridge';
  const port = slave ? info?.nested(IFLA_INFO.SLAVE_DATA) : list.nested(IFLA.PROTINFO);
  const stats = list.bytes(IFLA.STATS64);
  return present({
    index: body.readInt32LE(4),
    name: list.text(IFLA.IFNAME) ?? '',
    kind,
    mac: macOf(list.bytes(IFLA.ADDRESS)),
    mtu: list.u32(IFLA.MTU) ?? 0,
    up: (flags & IFF.UP) !== 0,
    carrier: list.u8(IFLA.CARRIER) === 1,
    loopback: (flags & IFF.LOOPBACK) !== 0,
    master: list.u32(IFLA.MASTER),
    parent: list.u32(IFLA.LINK),
    parentNamespaceId: list.i32(IFLA.LINK_NETNSID),
    txQueueLength: list.u32(IFLA.TXQLEN),
    alias: list.text(IFLA.IFALIAS),
    mode: data === undefined ? undefined : decodeMode(kind, data),
    bridge: kind === 'bridge' && data !== undefined ? decodeBridgeData(data) : undefined,
    port: port === undefined ? undefined : decodeBridgePort(port),
    statistics: stats === undefined ? undefined : decodeStatistics(stats),
  }) as LinkState;
}

/** The first fields of struct rtnl_link_stats64. */
function decodeStatistics(data: Buffer): LinkStatistics {
  const field = (index: number) => data.readBigUInt64LE(index * 8);
  return {
    rxPackets: field(0),
    txPackets: field(1),
    rxBytes: field(2),
    txBytes: field(3),
    rxErrors: field(4),
    txErrors: field(5),
    rxDropped: field(6),
    txDropped: field(7),
  };
}

export function decodeLinks(answers: readonly Answer[]): LinkState[] {
  return answers.filter(({ type }) => type === RTM.NEWLINK).map(({ body }) => decodeLink(body));
}
