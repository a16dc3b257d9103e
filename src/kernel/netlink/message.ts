// Netlink's wire format, both ways: a header, then a struct of the family, then attributes
// (netlink(7), rtnetlink(7)). Everything is data in, bytes out; nothing here knows a socket.
// Integers are in the machine's order, which is little endian on all that we support.
import { EngineError } from '#base/error.ts';

export const NETLINK_ROUTE = 0;

export const NLM_F = {
  REQUEST: 0x1,
  ACK: 0x4,
  DUMP_INTR: 0x10,
  REPLACE: 0x100,
  EXCL: 0x200,
  DUMP: 0x300,
  CREATE: 0x400,
  APPEND: 0x800,
} as const;

export const RTM = {
  NEWLINK: 16,
  DELLINK: 17,
  GETLINK: 18,
  SETLINK: 19,
  NEWADDR: 20,
  DELADDR: 21,
  GETADDR: 22,
  NEWROUTE: 24,
  DELROUTE: 25,
  GETROUTE: 26,
  NEWNEIGH: 28,
  DELNEIGH: 29,
  GETNEIGH: 30,
  NEWQDISC: 36,
  DELQDISC: 37,
  GETQDISC: 38,
  NEWTCLASS: 40,
  DELTCLASS: 41,
  GETTCLASS: 42,
  NEWTFILTER: 44,
  DELTFILTER: 45,
  GETTFILTER: 46,
} as const;

export const AF = { UNSPEC: 0, INET: 2, BRIDGE: 7, INET6: 10 } as const;

/** One request. `what` and `on` are for its error: "cannot add veth" on "vethab12". */
export type Message = {
  readonly what: string;
  /** The interface, or what else it is about. */
  readonly on: string;
  readonly type: number;
  /** Beside NLM_F_REQUEST and, except for dumps, NLM_F_ACK. */
  readonly flags: number;
  readonly body: Uint8Array;
};

/** One answer of the kernel; `sequence` is the position of its request plus one. */
export type Answer = {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly body: Buffer;
};

const HEADER_BYTES = 16;
const ATTRIBUTE_HEADER_BYTES = 4;
const ATTRIBUTE_BYTES_MAX = 0xffff;
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;
/** IFNAMSIZ without its NUL (netdevice(7)). */
const NAME_BYTES_MAX = 15;

export function align(length: number): number {
  return (length + 3) & ~3;
}

/** The requests as one run of bytes, numbered from 1. */
export function encodeMessages(messages: readonly Message[]): Buffer {
  const total = messages.reduce((sum, { body }) => sum + align(HEADER_BYTES + body.length), 0);
  const out = Buffer.alloc(total);
  let at = 0;
  for (const [index, { type, flags, body }] of messages.entries()) {
    const dump = (flags & NLM_F.DUMP) === NLM_F.DUMP && isGet(type);
    out.writeUInt32LE(HEADER_BYTES + body.length, at);
    out.writeUInt16LE(type, at + 4);
    out.writeUInt16LE(flags | NLM_F.REQUEST | (dump ? 0 : NLM_F.ACK), at + 6);
    out.writeUInt32LE(index + 1, at + 8);
    out.set(body, at + HEADER_BYTES);
    at += align(HEADER_BYTES + body.length);
  }
  return out;
}

/** Of each four types the third is GET (rtnetlink.h); NLM_F_DUMP is other flags' bits elsewhere. */
function isGet(type: number): boolean {
  return (type & 3) === 2;
}

export function decodeMessages(data: Uint8Array): Answer[] {
  const buffer = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const answers: Answer[] = [];
  for (let at = 0; at < buffer.length; ) {
    const length = at + HEADER_BYTES <= buffer.length ? buffer.readUInt32LE(at) : 0;
    if (length < HEADER_BYTES || at + length > buffer.length) throw malformed('message');
    answers.push({
      type: buffer.readUInt16LE(at + 4),
      flags: buffer.readUInt16LE(at + 6),
      sequence: buffer.readUInt32LE(at + 8),
      body: buffer.subarray(at + HEADER_BYTES, at + length),
    });
    // The C program copies each message with its own length, without the padding between two.
    at += length;
  }
  return answers;
}

function malformed(what: string): EngineError {
  return new EngineError('internal', `the kernel sent a netlink ${what} that cannot be read`);
}

/**
 * An encoder of an optional value gives undefined for undefined, and attributes() leaves it out.
 */
export type Attribute = Buffer | undefined;

export function bytes(type: number, value: Uint8Array | undefined): Attribute {
  if (value === undefined) return undefined;
  const length = ATTRIBUTE_HEADER_BYTES + value.length;
  if (length > ATTRIBUTE_BYTES_MAX) {
    throw new EngineError('limit_exceeded', `a netlink attribute of ${length} bytes is too large`);
  }
  const out = Buffer.alloc(align(length));
  out.writeUInt16LE(length, 0);
  out.writeUInt16LE(type, 2);
  out.set(value, ATTRIBUTE_HEADER_BYTES);
  return out;
}

function number(type: number, size: number, write: (out: Buffer) => void): Buffer {
  const out = Buffer.alloc(ATTRIBUTE_HEADER_BYTES + align(size));
  out.writeUInt16LE(ATTRIBUTE_HEADER_BYTES + size, 0);
  out.writeUInt16LE(type, 2);
  write(out);
  return out;
}

export function u8(type: number, value: number | boolean | undefined): Attribute {
  if (value === undefined) return undefined;
  return number(type, 1, (out) => out.writeUInt8(Number(value), ATTRIBUTE_HEADER_BYTES));
}

export function u16(type: number, value: number | undefined): Attribute {
  if (value === undefined) return undefined;
  return number(type, 2, (out) => out.writeUInt16LE(value, ATTRIBUTE_HEADER_BYTES));
}

/** Network order: ports and protocols. */
export function be16(type: number, value: number | undefined): Attribute {
  if (value === undefined) return undefined;
  return number(type, 2, (out) => out.writeUInt16BE(value, ATTRIBUTE_HEADER_BYTES));
}

export function u32(type: number, value: number | undefined): Attribute {
  if (value === undefined) return undefined;
  return number(type, 4, (out) => out.writeUInt32LE(value, ATTRIBUTE_HEADER_BYTES));
}

export function u64(type: number, value: bigint | undefined): Attribute {
  if (value === undefined) return undefined;
  return number(type, 8, (out) => out.writeBigUInt64LE(value, ATTRIBUTE_HEADER_BYTES));
}

/** Text with its NUL. */
export function text(type: number, value: string | undefined): Attribute {
  if (value === undefined) return undefined;
  if (value.includes('\0')) {
    throw new EngineError('invalid_argument', `${JSON.stringify(value)} contains a NUL byte`);
  }
  return bytes(type, Buffer.from(`${value}\0`));
}

/** The name of an interface, which the kernel would otherwise refuse without saying why. */
export function interfaceName(type: number, value: string | undefined): Attribute {
  if (value === undefined) return undefined;
  checkInterfaceName(value);
  return text(type, value);
}

/** dev_valid_name() of the kernel, and no control characters, which would end up in logs. */
export function checkInterfaceName(name: string): void {
  const wrong =
    name === '' ||
    name === '.' ||
    name === '..' ||
    Buffer.byteLength(name) > NAME_BYTES_MAX ||
    /[\x00-\x20\x7f/:%]/.test(name);
  if (wrong) {
    throw new EngineError('invalid_argument', `invalid interface name ${JSON.stringify(name)}`);
  }
}

export function nested(type: number, ...inside: readonly Attribute[]): Attribute {
  return bytes(type | NLA_F_NESTED, attributes(...inside));
}

/** As nested(), but nothing when nothing is inside. */
export function nestedIfAny(type: number, ...inside: readonly Attribute[]): Attribute {
  return inside.every((one) => one === undefined) ? undefined : nested(type, ...inside);
}

/** One after the other, aligned. */
export function attributes(...list: readonly (Uint8Array | undefined)[]): Buffer {
  return Buffer.concat(list.filter((one) => one !== undefined));
}

/** Attributes by type. The last of a type wins, as in the kernel's nla_parse(). */
export class Attributes {
  readonly #byType = new Map<number, Buffer>();

  constructor(data: Buffer, from = 0) {
    for (let at = from; at + ATTRIBUTE_HEADER_BYTES <= data.length; ) {
      const length = data.readUInt16LE(at);
      if (length < ATTRIBUTE_HEADER_BYTES || at + length > data.length)
        throw malformed('attribute');
      const type = data.readUInt16LE(at + 2) & NLA_TYPE_MASK;
      this.#byType.set(type, data.subarray(at + ATTRIBUTE_HEADER_BYTES, at + length));
      at += align(length);
    }
  }

  get size(): number {
    return this.#byType.size;
  }

  bytes(type: number): Buffer | undefined {
    return this.#byType.get(type);
  }

  #sized(type: number, size: number): Buffer | undefined {
    const value = this.#byType.get(type);
    if (value !== undefined && value.length < size) throw malformed('attribute');
    return value;
  }

  u8(type: number): number | undefined {
    return this.#sized(type, 1)?.readUInt8(0);
  }

  bool(type: number): boolean | undefined {
    const value = this.u8(type);
    return value === undefined ? undefined : value !== 0;
  }

  u16(type: number): number | undefined {
    return this.#sized(type, 2)?.readUInt16LE(0);
  }

  be16(type: number): number | undefined {
    return this.#sized(type, 2)?.readUInt16BE(0);
  }

  u32(type: number): number | undefined {
    return this.#sized(type, 4)?.readUInt32LE(0);
  }

  i32(type: number): number | undefined {
    return this.#sized(type, 4)?.readInt32LE(0);
  }

  u64(type: number): bigint | undefined {
    return this.#sized(type, 8)?.readBigUInt64LE(0);
  }

  text(type: number): string | undefined {
    const value = this.#byType.get(type);
    if (value === undefined) return undefined;
    const end = value.indexOf(0);
    return value.toString('utf8', 0, end < 0 ? value.length : end);
  }

  nested(type: number): Attributes | undefined {
    const value = this.#byType.get(type);
    return value === undefined ? undefined : new Attributes(value);
  }
}

/** Drops what is undefined, so that exact optional properties stay exact. */
export function present<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}
