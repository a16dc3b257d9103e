// Addresses of interfaces (RTM_NEWADDR and friends).
import { decodeIp, encodeIp, FAMILY_NUMBER, type Family, parsePrefix } from './ip.ts';
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
  u32,
} from './message.ts';

const HEADER_BYTES = 8;
const IFA = { ADDRESS: 1, LOCAL: 2, BROADCAST: 4, FLAGS: 8 } as const;
const IFA_F = { NODAD: 0x2, TENTATIVE: 0x40, NOPREFIXROUTE: 0x200 } as const;
const DADFAILED = 0x8;

export type Address = {
  /** Index of its interface. */
  readonly link: number;
  /** "172.17.0.2/16" */
  readonly cidr: string;
  readonly broadcast?: string;
  /**
   * IPv6 without duplicate address detection, which would keep it from use for a second. We give
   * each address once, so there is nothing to detect.
   */
  readonly noDad?: boolean;
  /** No route to the subnet comes with it. */
  readonly noPrefixRoute?: boolean;
};

export type AddressState = {
  readonly link: number;
  readonly family: Family;
  readonly address: string;
  readonly prefixLength: number;
  readonly scope: 'global' | 'site' | 'link' | 'host';
  readonly broadcast?: string;
  /** Duplicate address detection is not done, or has failed. */
  readonly tentative: boolean;
  readonly duplicate: boolean;
};

const SCOPE = { 0: 'global', 200: 'site', 253: 'link', 254: 'host' } as const;

function encode(address: Address): Buffer {
  const { family, address: ip, length } = parsePrefix(address.cidr);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(FAMILY_NUMBER[family], 0);
  header.writeUInt8(length, 1);
  header.writeUInt8(0, 3); // RT_SCOPE_UNIVERSE
  header.writeUInt32LE(address.link, 4);
  const flags =
    (address.noDad && family === 'inet6' ? IFA_F.NODAD : 0) |
    (address.noPrefixRoute ? IFA_F.NOPREFIXROUTE : 0);
  const data = encodeIp(ip);
  const { broadcast } = address;
  return attributes(
    header,
    bytes(IFA.LOCAL, data),
    bytes(IFA.ADDRESS, data),
    bytes(IFA.BROADCAST, broadcast === undefined ? undefined : encodeIp(broadcast)),
    u32(IFA.FLAGS, flags),
  );
}

export function addAddress(address: Address): Message {
  return {
    what: `add address ${address.cidr}`,
    on: `link ${address.link}`,
    type: RTM.NEWADDR,
    flags: NLM_F.CREATE | NLM_F.EXCL,
    body: encode(address),
  };
}

export function deleteAddress(address: Pick<Address, 'link' | 'cidr'>): Message {
  return {
    what: `delete address ${address.cidr}`,
    on: `link ${address.link}`,
    type: RTM.DELADDR,
    flags: 0,
    body: encode(address),
  };
}

export function dumpAddresses(family?: Family): Message {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(family === undefined ? AF.UNSPEC : FAMILY_NUMBER[family], 0);
  return { what: 'list addresses', on: '', type: RTM.GETADDR, flags: NLM_F.DUMP, body: header };
}

export function decodeAddress(body: Buffer): AddressState | undefined {
  const number = body.readUInt8(0);
  if (number !== AF.INET && number !== AF.INET6) return undefined;
  const list = new Attributes(body, HEADER_BYTES);
  // IPv4's IFA_ADDRESS is the peer's on a point-to-point link; IPv6 has IFA_LOCAL only there.
  const data = list.bytes(IFA.LOCAL) ?? list.bytes(IFA.ADDRESS);
  if (data === undefined) return undefined;
  const flags = list.u32(IFA.FLAGS) ?? body.readUInt8(2);
  const broadcast = list.bytes(IFA.BROADCAST);
  return present({
    link: body.readUInt32LE(4),
    family: number === AF.INET ? 'inet' : 'inet6',
    address: decodeIp(data),
    prefixLength: body.readUInt8(1),
    scope: SCOPE[body.readUInt8(3) as keyof typeof SCOPE] ?? 'global',
    broadcast: broadcast === undefined ? undefined : decodeIp(broadcast),
    tentative: (flags & IFA_F.TENTATIVE) !== 0,
    duplicate: (flags & DADFAILED) !== 0,
  }) as AddressState;
}

export function decodeAddresses(answers: readonly Answer[]): AddressState[] {
  return answers.flatMap(({ type, body }) => {
    const state = type === RTM.NEWADDR ? decodeAddress(body) : undefined;
    return state === undefined ? [] : [state];
  });
}
