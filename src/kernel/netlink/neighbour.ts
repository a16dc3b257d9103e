// Neighbours: ARP and NDP entries, proxied addresses, and the forwarding table of bridges and vxlan
// (RTM_NEWNEIGH and friends).
import {
  decodeIp,
  decodeMac,
  encodeIp,
  encodeMac,
  FAMILY_NUMBER,
  type Family,
  familyOf,
} from './ip.ts';
import {
  AF,
  type Answer,
  Attributes,
  attributes,
  bytes,
  type Message,
  NLM_F,
  present,
  RTM,
} from './message.ts';

const HEADER_BYTES = 12;
const NDA = { DST: 1, LLADDR: 2 } as const;
const NUD_PERMANENT = 0x80;
const NTF = { SELF: 0x2, MASTER: 0x4, PROXY: 0x8 } as const;

export type Neighbour =
  /** An address that answers at a MAC. */
  | {
      readonly entry: 'permanent';
      readonly link: number;
      readonly address: string;
      readonly mac: string;
    }
  /** An address that this interface answers for. */
  | { readonly entry: 'proxy'; readonly link: number; readonly address: string }
  /** A MAC behind a port of a bridge, or behind a remote host of a vxlan (`to`). */
  | {
      readonly entry: 'forward';
      readonly link: number;
      readonly mac: string;
      readonly to?: string;
    };

export type NeighbourState = {
  readonly link: number;
  readonly family: Family | 'bridge';
  readonly address?: string;
  readonly mac?: string;
  readonly permanent: boolean;
  readonly proxy: boolean;
  /** NUD_* bits (neighbour.h). */
  readonly state: number;
};

function header(family: number, link: number, state: number, flags: number): Buffer {
  const out = Buffer.alloc(HEADER_BYTES);
  out.writeUInt8(family, 0);
  out.writeInt32LE(link, 4);
  out.writeUInt16LE(state, 8);
  out.writeUInt8(flags, 10);
  return out;
}

function encode(neighbour: Neighbour): Buffer {
  const { link } = neighbour;
  if (neighbour.entry === 'forward') {
    const { to } = neighbour;
    return attributes(
      header(AF.BRIDGE, link, NUD_PERMANENT, to === undefined ? NTF.MASTER : NTF.SELF),
      bytes(NDA.LLADDR, encodeMac(neighbour.mac)),
      bytes(NDA.DST, to === undefined ? undefined : encodeIp(to)),
    );
  }
  const family = FAMILY_NUMBER[familyOf(neighbour.address)];
  const address = bytes(NDA.DST, encodeIp(neighbour.address));
  if (neighbour.entry === 'proxy') return attributes(header(family, link, 0, NTF.PROXY), address);
  const mac = bytes(NDA.LLADDR, encodeMac(neighbour.mac));
  return attributes(header(family, link, NUD_PERMANENT, 0), address, mac);
}

function message(verb: string, type: number, flags: number, neighbour: Neighbour): Message {
  const who = neighbour.entry === 'forward' ? neighbour.mac : neighbour.address;
  return {
    what: `${verb} neighbour ${who}`,
    on: `link ${neighbour.link}`,
    type,
    flags,
    body: encode(neighbour),
  };
}

/** Adds it, or replaces what is known of the same address. */
export function setNeighbour(neighbour: Neighbour): Message {
  return message('set', RTM.NEWNEIGH, NLM_F.CREATE | NLM_F.REPLACE, neighbour);
}

/** Adds one more remote host for a MAC of a vxlan: 00:00:00:00:00:00 is where unknown ones go. */
export function appendForward(neighbour: Extract<Neighbour, { entry: 'forward' }>): Message {
  return message('append', RTM.NEWNEIGH, NLM_F.CREATE | NLM_F.APPEND, neighbour);
}

export function deleteNeighbour(neighbour: Neighbour): Message {
  return message('delete', RTM.DELNEIGH, 0, neighbour);
}

export function dumpNeighbours(family: Family | 'bridge'): Message {
  const number = family === 'bridge' ? AF.BRIDGE : FAMILY_NUMBER[family];
  const body = header(number, 0, 0, 0);
  return { what: 'list neighbours', on: '', type: RTM.GETNEIGH, flags: NLM_F.DUMP, body };
}

export function decodeNeighbour(body: Buffer): NeighbourState | undefined {
  const number = body.readUInt8(0);
  const family = number === AF.INET ? 'inet' : number === AF.INET6 ? 'inet6' : 'bridge';
  if (family === 'bridge' && number !== AF.BRIDGE) return undefined;
  const list = new Attributes(body, HEADER_BYTES);
  const address = list.bytes(NDA.DST);
  const mac = list.bytes(NDA.LLADDR);
  const state = body.readUInt16LE(8);
  return present({
    link: body.readInt32LE(4),
    family,
    address: address === undefined ? undefined : decodeIp(address),
    mac: mac === undefined ? undefined : decodeMac(mac),
    permanent: (state & NUD_PERMANENT) !== 0,
    proxy: (body.readUInt8(10) & NTF.PROXY) !== 0,
    state,
  }) as NeighbourState;
}

export function decodeNeighbours(answers: readonly Answer[]): NeighbourState[] {
  return answers.flatMap(({ type, body }) => {
    const state = type === RTM.NEWNEIGH ? decodeNeighbour(body) : undefined;
    return state === undefined ? [] : [state];
  });
}
