// nf_tables' own messages (linux/netfilter/nf_tables.h): elements of sets, as bytes. `nft` says the
// same to the kernel, but starting it costs far more than the change. Data in, bytes out.
import { bitsOf, firstOf, formatIp, lastOf, parseCidr, parseIp } from '#base/ip-address.ts';
import {
  type Answer,
  type Attribute,
  Attributes,
  attributes,
  bytes,
  type Message,
  nested,
  NLM_F,
  text,
} from '../netlink/message.ts';
import type { Element, ElementChange } from './element.ts';
import type { ReadChain, ReadElement } from './nft-read.ts';
import { SETS } from './nft-schema.ts';

export const NETLINK_NETFILTER = 12;
const SUBSYSTEM = 10;
const BATCH = { BEGIN: 16, END: 17 } as const;
const NFT_MSG = {
  GETCHAIN: 4,
  GETRULE: 7,
  GETSET: 10,
  NEWSETELEM: 12,
  GETSETELEM: 13,
  DELSETELEM: 14,
  GETGEN: 16,
} as const;
/** What follows the name of a table in nft, by number (NFPROTO_*). */
const FAMILIES: Readonly<Record<number, string>> = {
  1: 'inet',
  2: 'ip',
  3: 'arp',
  5: 'netdev',
  7: 'bridge',
  10: 'ip6',
};
const NFPROTO_INET = 1;
const HOOKS = ['prerouting', 'input', 'forward', 'output', 'postrouting'] as const;

// Attributes by place: NFTA_TABLE, NFTA_SET_ELEM_LIST, NFTA_SET_ELEM, NFTA_DATA and so on.
const OF_LIST = { TABLE: 1, SET: 2, ELEMENTS: 3 } as const;
const LIST_ELEM = 1;
const OF_ELEMENT = { KEY: 1, DATA: 2, FLAGS: 3, EXPR: 7, KEY_END: 10 } as const;
const DATA_VALUE = 1;
const SET_NAME = 2;
const OF_EXPR = { NAME: 1, DATA: 2 } as const;
const OF_COUNTER = { BYTES: 1, PACKETS: 2 } as const;
const OF_CHAIN = { TABLE: 1, NAME: 3, HOOK: 4, POLICY: 5 } as const;
const OF_RULE = { TABLE: 1, CHAIN: 2 } as const;
const HOOK_NUMBER = 1;
const GENERATION_ID = 1;
const INTERVAL_END = 1;

/** An attribute is at most 64 KiB; an element takes about 100 bytes. */
const ELEMENTS_PER_MESSAGE_MAX = 300;

type PartType = 'ifname' | 'ipv4_addr' | 'ipv6_addr' | 'inet_proto' | 'inet_service';
type SetType = {
  readonly key: readonly PartType[];
  readonly value: readonly PartType[];
  readonly interval: boolean;
};

const PART_BYTES = { ifname: 16, ipv4_addr: 4, ipv6_addr: 16, inet_proto: 4, inet_service: 4 };
const PROTOCOLS: Readonly<Record<string, number>> = { tcp: 6, udp: 17, sctp: 132 };
const PROTOCOL_NAMES: Readonly<Record<number, string>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' };

const parts = (list: string | undefined): readonly PartType[] =>
  list === undefined ? [] : (list.split(' . ') as PartType[]);

/** From the schema's own text, so that the two cannot differ. */
const TYPES: ReadonlyMap<string, SetType> = new Map(
  SETS.map(({ name, body }) => {
    const match = /^type ([^:;]+?)(?: : ([^;]+))?;/.exec(body);
    const interval = body.includes('flags interval');
    return [name, { key: parts(match?.[1]), value: parts(match?.[2]), interval }];
  }),
);

const typeOf = (set: string): SetType => TYPES.get(set) ?? { key: [], value: [], interval: false };

function addressBytes(value: bigint, size: number): Buffer {
  return Buffer.from(value.toString(16).padStart(size * 2, '0'), 'hex');
}

/** One part of a key, filled up to whole registers of 32 bits. */
function partBytes(part: string, type: PartType, edge: 'first' | 'last'): Buffer {
  const out = Buffer.alloc(PART_BYTES[type]);
  if (type === 'ifname') out.write(part.slice(1, -1));
  else if (type === 'inet_proto') out.writeUInt8(PROTOCOLS[part] ?? Number(part));
  else if (type === 'inet_service') out.writeUInt16BE(Number(part));
  else if (!part.includes('/')) return addressBytes(parseIp(part).value, out.length);
  else {
    const prefix = parseCidr(part);
    return addressBytes(edge === 'first' ? firstOf(prefix) : lastOf(prefix), out.length);
  }
  return out;
}

function keyBytes(key: string, types: readonly PartType[], edge: 'first' | 'last'): Buffer {
  const found = key.split(' . ');
  return Buffer.concat(types.map((type, index) => partBytes(found[index] ?? '', type, edge)));
}

const dataOf = (type: number, value: Buffer): Attribute => nested(type, bytes(DATA_VALUE, value));

/** The end of an interval of one part: an element of its own, just behind it (nft's segtree.c). */
function intervalEnd(subnet: string): Attribute {
  const { address, length } = parseCidr(subnet);
  const end = lastOf({ address, length }) + 1n;
  if (end >> BigInt(bitsOf(address.family)) !== 0n) return undefined;
  const flags = Buffer.alloc(4);
  flags.writeUInt32BE(INTERVAL_END);
  return nested(
    LIST_ELEM,
    bytes(OF_ELEMENT.FLAGS, flags),
    dataOf(OF_ELEMENT.KEY, addressBytes(end, address.family === 4 ? 4 : 16)),
  );
}

function elementAttributes({ verb, element }: ElementChange): readonly Attribute[] {
  const { key: types, value: valueTypes, interval } = typeOf(element.set);
  const last = keyBytes(element.key, types, 'last');
  const value =
    element.value === undefined || verb === 'delete'
      ? undefined
      : dataOf(OF_ELEMENT.DATA, keyBytes(element.value, valueTypes, 'first'));
  const one = nested(
    LIST_ELEM,
    dataOf(OF_ELEMENT.KEY, keyBytes(element.key, types, 'first')),
    interval && types.length > 1 ? dataOf(OF_ELEMENT.KEY_END, last) : undefined,
    value,
  );
  return interval && types.length === 1 ? [one, intervalEnd(element.key)] : [one];
}

/** struct nfgenmsg: family, version 0, resource. */
function general(family: number, resource: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt8(family);
  out.writeUInt16BE(resource, 2);
  return out;
}

function ask(what: string, type: number, flags: number, ...list: readonly Attribute[]): Message {
  const body = attributes(general(NFPROTO_INET, 0), ...list);
  return { what, on: '', type: (SUBSYSTEM << 8) | type, flags, body };
}

/** The changes as messages; deletions come first, so that a key can change its value. */
export function changeMessages(
  table: string,
  changes: readonly ElementChange[],
): readonly Message[] {
  const messages: Message[] = [];
  for (const verb of ['delete', 'add'] as const) {
    const sets = Map.groupBy(
      changes.filter((change) => change.verb === verb),
      (change) => change.element.set,
    );
    const type = verb === 'add' ? NFT_MSG.NEWSETELEM : NFT_MSG.DELSETELEM;
    const flags = verb === 'add' ? NLM_F.CREATE : 0;
    for (const [set, members] of sets) {
      for (let at = 0; at < members.length; at += ELEMENTS_PER_MESSAGE_MAX) {
        const some = members.slice(at, at + ELEMENTS_PER_MESSAGE_MAX);
        messages.push(
          ask(
            `${verb} elements of ${set}`,
            type,
            flags,
            text(OF_LIST.TABLE, table),
            text(OF_LIST.SET, set),
            nested(OF_LIST.ELEMENTS, ...some.flatMap(elementAttributes)),
          ),
        );
      }
    }
  }
  return messages;
}

const HEADER_BYTES = 16;

function header(message: Message, sequence: number): Buffer {
  const out = Buffer.alloc(HEADER_BYTES);
  out.writeUInt32LE(HEADER_BYTES + message.body.length);
  out.writeUInt16LE(message.type, 4);
  out.writeUInt16LE(message.flags | NLM_F.REQUEST, 6);
  out.writeUInt32LE(sequence, 8);
  return out;
}

/**
 * One transaction, numbered from `sequence`. Only the last message asks for an answer: refusals are
 * told anyway, and answers to all might not fit the socket (native/net.c waits for that one).
 */
export function transaction(messages: readonly Message[], sequence: number): Buffer {
  const frame = (type: number): Message => {
    return { what: 'change rules', on: '', type, flags: 0, body: general(0, SUBSYSTEM) };
  };
  const whole = [
    frame(BATCH.BEGIN),
    ...messages.map((message, index) =>
      index === messages.length - 1 ? { ...message, flags: message.flags | NLM_F.ACK } : message,
    ),
    frame(BATCH.END),
  ];
  // Bodies are lists of aligned attributes, so nothing stands between two messages.
  return Buffer.concat(
    whole.flatMap((message, index) => [header(message, sequence + index), message.body]),
  );
}

export const getGeneration = (): Message => ask('read the generation', NFT_MSG.GETGEN, 0);

const be32 = (from: Attributes | undefined, type: number): number | undefined =>
  from?.bytes(type)?.readUInt32BE(0);

/** The number that the kernel raises with each commit of anybody in the namespace. */
export function decodeGeneration(answer: Answer | undefined): number {
  return answer === undefined ? -1 : (be32(new Attributes(answer.body, 4), GENERATION_ID) ?? -1);
}

export const dumpSets = (table: string): Message =>
  ask('list sets', NFT_MSG.GETSET, NLM_F.DUMP, text(1, table));

export const dumpRules = (table: string): Message =>
  ask('list rules', NFT_MSG.GETRULE, NLM_F.DUMP, text(OF_RULE.TABLE, table));

/** Of all tables of all families. */
export function dumpChains(): Message {
  const body = general(0, 0);
  const type = (SUBSYSTEM << 8) | NFT_MSG.GETCHAIN;
  return { what: 'list chains', on: '', type, flags: NLM_F.DUMP, body };
}

export const dumpElements = (table: string, set: string): Message =>
  ask(
    `list ${set}`,
    NFT_MSG.GETSETELEM,
    NLM_F.DUMP,
    text(OF_LIST.TABLE, table),
    text(OF_LIST.SET, set),
  );

export const decodeSetNames = (answers: readonly Answer[]): readonly string[] =>
  answers.flatMap(({ body }) => new Attributes(body, 4).text(SET_NAME) ?? []);

/** The chain of each rule. */
export const decodeRuleChains = (answers: readonly Answer[]): readonly string[] =>
  answers.flatMap(({ body }) => new Attributes(body, 4).text(OF_RULE.CHAIN) ?? []);

export function decodeChains(answers: readonly Answer[]): readonly ReadChain[] {
  return answers.map(({ body }) => {
    const chain = new Attributes(body, 4);
    const policy = be32(chain, OF_CHAIN.POLICY);
    const hook = be32(chain.nested(OF_CHAIN.HOOK), HOOK_NUMBER);
    return {
      family: FAMILIES[body[0] ?? 0] ?? String(body[0]),
      table: chain.text(OF_CHAIN.TABLE) ?? '',
      name: chain.text(OF_CHAIN.NAME) ?? '',
      hook: hook === undefined ? undefined : HOOKS[hook],
      policy: policy === undefined ? undefined : policy === 0 ? 'drop' : 'accept',
    };
  });
}

/** Attributes that repeat, one after the other. */
function listed(data: Buffer | undefined): readonly Attributes[] {
  const found: Attributes[] = [];
  for (let at = 0; data !== undefined && at + 4 <= data.length; ) {
    const length = data.readUInt16LE(at);
    if (length < 4) break;
    found.push(new Attributes(data.subarray(at + 4, at + length)));
    at += (length + 3) & ~3;
  }
  return found;
}

const readAddress = (data: Buffer, family: 4 | 6): string =>
  formatIp({ family, value: BigInt(`0x${data.toString('hex')}`) });

function partText(data: Buffer, type: PartType): string {
  if (type === 'ifname') return `"${data.toString('utf8').replace(/\0.*$/s, '')}"`;
  if (type === 'inet_service') return String(data.readUInt16BE(0));
  if (type === 'inet_proto') return PROTOCOL_NAMES[data[0] ?? 0] ?? String(data[0]);
  return readAddress(data, type === 'ipv4_addr' ? 4 : 6);
}

/** The length of the prefix that spans from one address to another. */
function withLength(first: Buffer, last: Buffer, family: 4 | 6): string {
  const value = (data: Buffer): bigint => BigInt(`0x${data.toString('hex')}`);
  const size = value(last) - value(first) + 1n;
  return `${readAddress(first, family)}/${bitsOf(family) - (size.toString(2).length - 1)}`;
}

function keyText(data: Buffer, types: readonly PartType[], end?: Buffer): string {
  let at = 0;
  return types
    .map((type) => {
      const from = data.subarray(at, at + PART_BYTES[type]);
      const to = end?.subarray(at, at + PART_BYTES[type]);
      at += PART_BYTES[type];
      const isSubnet = to !== undefined && type.startsWith('ip');
      return isSubnet ? withLength(from, to, type === 'ipv4_addr' ? 4 : 6) : partText(from, type);
    })
    .join(' . ');
}

const valueIn = (element: Attributes, type: number): Buffer | undefined =>
  element.nested(type)?.bytes(DATA_VALUE);

function readElement(set: string, key: string, element: Attributes): ReadElement {
  const value = valueIn(element, OF_ELEMENT.DATA);
  const expression = element.nested(OF_ELEMENT.EXPR);
  const counter =
    expression?.text(OF_EXPR.NAME) === 'counter' ? expression.nested(OF_EXPR.DATA) : undefined;
  const one: Element = { set, key };
  return {
    ...one,
    ...(value === undefined ? {} : { value: keyText(value, typeOf(set).value) }),
    packets: counter?.bytes(OF_COUNTER.PACKETS)?.readBigUInt64BE(0) ?? 0n,
    bytes: counter?.bytes(OF_COUNTER.BYTES)?.readBigUInt64BE(0) ?? 0n,
  };
}

const isEnd = (element: Attributes): boolean =>
  ((be32(element, OF_ELEMENT.FLAGS) ?? 0) & INTERVAL_END) !== 0;

/** Starts and ends of intervals of one part, put together again: they are dumped in any order. */
function readIntervals(set: string, elements: readonly Attributes[]): readonly ReadElement[] {
  const sorted = elements
    .flatMap((element) => {
      const data = valueIn(element, OF_ELEMENT.KEY);
      return data === undefined ? [] : [{ element, data, end: isEnd(element) }];
    })
    .sort((a, b) => Buffer.compare(a.data, b.data) || Number(b.end) - Number(a.end));
  return sorted.flatMap(({ element, data, end }, index) => {
    if (end) return [];
    const family = data.length === 4 ? 4 : 6;
    const next = sorted[index + 1]?.data;
    const behind =
      next === undefined ? 1n << BigInt(bitsOf(family)) : BigInt(`0x${next.toString('hex')}`);
    const key = withLength(data, addressBytes(behind - 1n, data.length), family);
    return [readElement(set, key, element)];
  });
}

export function decodeElements(set: string, answers: readonly Answer[]): readonly ReadElement[] {
  const { key: types, interval } = typeOf(set);
  const elements = answers.flatMap(({ body }) =>
    listed(new Attributes(body, 4).bytes(OF_LIST.ELEMENTS)),
  );
  if (interval && types.length === 1) return readIntervals(set, elements);
  return elements.flatMap((element) => {
    const data = valueIn(element, OF_ELEMENT.KEY);
    if (data === undefined) return [];
    return [readElement(set, keyText(data, types, valueIn(element, OF_ELEMENT.KEY_END)), element)];
  });
}
