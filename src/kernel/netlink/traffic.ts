// Queueing: qdiscs and classes (RTM_NEWQDISC, RTM_NEWTCLASS). Rates are in bytes a second and may
// pass 2^32; the rate tables of old kernels are left out by naming the link layer
// (linux/pkt_sched.h).
import { EngineError } from '#base/error.ts';
import {
  type Answer,
  type Attribute,
  Attributes,
  attributes,
  bytes,
  type Message,
  nested,
  NLM_F,
  present,
  RTM,
  text,
  u32,
  u64,
} from './message.ts';

const HEADER_BYTES = 20;
export const TCA = { KIND: 1, OPTIONS: 2, STATS2: 7 } as const;
const TCA_STATS_BASIC = 1;
const TCA_STATS_QUEUE = 3;
const TCA_TBF = { PARMS: 1, RATE64: 4, BURST: 6 } as const;
const TCA_HTB = { PARMS: 1, INIT: 2, RATE64: 6, CEIL64: 7 } as const;
const TC_LINKLAYER_ETHERNET = 1;
const HTB_VERSION = 3;
const RATE2QUANTUM = 10;
const U32_MAX = 0xffff_ffff;
/** One tick of the packet scheduler (PSCHED_SHIFT), in nanoseconds. */
const TICK_NANOSECONDS = 64;
const NANOSECONDS = 1_000_000_000;
const QUANTUM_BYTES_MIN = 1_514;
const QUANTUM_BYTES_MAX = 60_000;

/** Where a qdisc or a filter hangs, and its own number: major in the upper 16 bits (tc(8)). */
export const HANDLE = {
  NONE: 0,
  ROOT: 0xffff_ffff,
  INGRESS: 0xffff_fff1, // TC_H_INGRESS, also of clsact
  INGRESS_QDISC: 0xffff_0000,
  CLSACT_INGRESS: 0xffff_fff2,
  CLSACT_EGRESS: 0xffff_fff3,
} as const;

export function handle(major: number, minor = 0): number {
  return ((major << 16) | minor) >>> 0;
}

/** A rate in bytes a second with the burst, in bytes, that may pass at once. */
export type Rate = { readonly bytesPerSecond: number; readonly burstBytes: number };

export type Qdisc =
  /** A token bucket; `limitBytes` wait at most, what comes above is dropped (tc-tbf(8)). */
  | (Rate & { readonly kind: 'tbf'; readonly limitBytes: number })
  /** Classes under it share; packets of no class go to the minor `defaultClass` (tc-htb(8)). */
  | { readonly kind: 'htb'; readonly defaultClass: number }
  | { readonly kind: 'ingress' }
  | { readonly kind: 'clsact' };

export type HtbClass = {
  readonly rate: Rate;
  /** What it may borrow up to; without one it is the rate. */
  readonly ceil?: Rate;
  readonly priority?: number;
};

/** struct tcmsg. */
export function encodeTrafficHeader(place: {
  readonly link: number;
  readonly handle: number;
  readonly parent: number;
  readonly info?: number;
}): Buffer {
  const out = Buffer.alloc(HEADER_BYTES);
  out.writeInt32LE(place.link, 4);
  out.writeUInt32LE(place.handle, 8);
  out.writeUInt32LE(place.parent, 12);
  out.writeUInt32LE(place.info ?? 0, 16);
  return out;
}

function checkRate({ bytesPerSecond, burstBytes }: Rate): void {
  const whole = Number.isSafeInteger(bytesPerSecond) && Number.isSafeInteger(burstBytes);
  if (!whole || bytesPerSecond < 1 || burstBytes < 1 || burstBytes > U32_MAX) {
    throw new EngineError(
      'invalid_argument',
      `invalid rate of ${bytesPerSecond} bytes a second with a burst of ${burstBytes} bytes`,
    );
  }
}

/** struct tc_ratespec. */
function writeRate(out: Buffer, at: number, bytesPerSecond: number): void {
  out.writeUInt8(TC_LINKLAYER_ETHERNET, at + 1);
  out.writeUInt32LE(Math.min(bytesPerSecond, U32_MAX), at + 8);
}

function rate64(type: number, bytesPerSecond: number): Attribute {
  return bytesPerSecond > U32_MAX ? u64(type, BigInt(bytesPerSecond)) : undefined;
}

/** The time that a burst takes at its rate, as ticks. */
function ticks({ bytesPerSecond, burstBytes }: Rate): number {
  const nanoseconds = (burstBytes * NANOSECONDS) / bytesPerSecond;
  return Math.min(U32_MAX, Math.max(1, Math.ceil(nanoseconds / TICK_NANOSECONDS)));
}

/** struct tc_tbf_qopt. */
function encodeTbf(qdisc: Extract<Qdisc, { kind: 'tbf' }>): Attribute[] {
  checkRate(qdisc);
  const out = Buffer.alloc(36);
  writeRate(out, 0, qdisc.bytesPerSecond);
  out.writeUInt32LE(Math.min(qdisc.limitBytes, U32_MAX), 24);
  out.writeUInt32LE(ticks(qdisc), 28);
  return [
    bytes(TCA_TBF.PARMS, out),
    rate64(TCA_TBF.RATE64, qdisc.bytesPerSecond),
    u32(TCA_TBF.BURST, qdisc.burstBytes),
  ];
}

/** struct tc_htb_glob. */
function encodeHtb(defaultClass: number): Attribute[] {
  const out = Buffer.alloc(20);
  out.writeUInt32LE(HTB_VERSION, 0);
  out.writeUInt32LE(RATE2QUANTUM, 4);
  out.writeUInt32LE(defaultClass, 8);
  return [bytes(TCA_HTB.INIT, out)];
}

/** struct tc_htb_opt. */
function encodeClass({ rate, ceil = rate, priority = 0 }: HtbClass): Attribute[] {
  checkRate(rate);
  checkRate(ceil);
  const share = Math.floor(rate.bytesPerSecond / RATE2QUANTUM);
  const out = Buffer.alloc(44);
  writeRate(out, 0, rate.bytesPerSecond);
  writeRate(out, 12, ceil.bytesPerSecond);
  out.writeUInt32LE(ticks(rate), 24);
  out.writeUInt32LE(ticks(ceil), 28);
  out.writeUInt32LE(Math.min(QUANTUM_BYTES_MAX, Math.max(QUANTUM_BYTES_MIN, share)), 32);
  out.writeUInt32LE(priority, 40);
  return [
    bytes(TCA_HTB.PARMS, out),
    rate64(TCA_HTB.RATE64, rate.bytesPerSecond),
    rate64(TCA_HTB.CEIL64, ceil.bytesPerSecond),
  ];
}

function qdiscPlace(qdisc: Qdisc['kind'], link: number, parent: number, own: number): Buffer {
  const both = qdisc === 'ingress' || qdisc === 'clsact';
  return both
    ? encodeTrafficHeader({ link, handle: HANDLE.INGRESS_QDISC, parent: HANDLE.INGRESS })
    : encodeTrafficHeader({ link, handle: own, parent });
}

function encodeQdisc(qdisc: Qdisc): Attribute[] {
  switch (qdisc.kind) {
    case 'tbf':
      return [nested(TCA.OPTIONS, ...encodeTbf(qdisc))];
    case 'htb':
      return [nested(TCA.OPTIONS, ...encodeHtb(qdisc.defaultClass))];
    case 'ingress':
    case 'clsact':
      return [];
    default:
      return qdisc satisfies never;
  }
}

/**
 * Sets what an interface's queue is; the same kind again changes it in place, without a packet
 * lost. An ingress or clsact stays as it is.
 */
export function setQdisc(
  link: number,
  qdisc: Qdisc,
  place: { readonly parent?: number; readonly handle?: number } = {},
): Message {
  const { parent = HANDLE.ROOT, handle: own = handle(1) } = place;
  const once = qdisc.kind === 'ingress' || qdisc.kind === 'clsact';
  return {
    what: `set ${qdisc.kind} qdisc`,
    on: `link ${link}`,
    type: RTM.NEWQDISC,
    flags: once ? NLM_F.CREATE : NLM_F.CREATE | NLM_F.REPLACE,
    body: attributes(
      qdiscPlace(qdisc.kind, link, parent, own),
      text(TCA.KIND, qdisc.kind),
      ...encodeQdisc(qdisc),
    ),
  };
}

/** The kernel's own queue comes back. ENOENT or EINVAL when there was none of ours. */
export function deleteQdisc(link: number, parent: number = HANDLE.ROOT): Message {
  const own = parent === HANDLE.INGRESS ? HANDLE.INGRESS_QDISC : HANDLE.NONE;
  return {
    what: 'delete qdisc',
    on: `link ${link}`,
    type: RTM.DELQDISC,
    flags: 0,
    body: encodeTrafficHeader({ link, handle: own, parent }),
  };
}

/** Makes a class of HTB, or changes it in place. */
export function setClass(
  link: number,
  htb: HtbClass,
  place: { readonly parent?: number; readonly handle: number },
): Message {
  const { parent = handle(1) } = place;
  return {
    what: 'set htb class',
    on: `link ${link}`,
    type: RTM.NEWTCLASS,
    flags: NLM_F.CREATE,
    body: attributes(
      encodeTrafficHeader({ link, handle: place.handle, parent }),
      text(TCA.KIND, 'htb'),
      nested(TCA.OPTIONS, ...encodeClass(htb)),
    ),
  };
}

export function deleteClass(link: number, own: number): Message {
  return {
    what: 'delete htb class',
    on: `link ${link}`,
    type: RTM.DELTCLASS,
    flags: 0,
    body: encodeTrafficHeader({ link, handle: own, parent: HANDLE.NONE }),
  };
}

export function dumpQdiscs(link = 0): Message {
  return {
    what: 'list qdiscs',
    on: link === 0 ? '' : `link ${link}`,
    type: RTM.GETQDISC,
    flags: NLM_F.DUMP,
    body: encodeTrafficHeader({ link, handle: 0, parent: 0 }),
  };
}

export function dumpClasses(link: number): Message {
  return {
    what: 'list classes',
    on: `link ${link}`,
    type: RTM.GETTCLASS,
    flags: NLM_F.DUMP,
    body: encodeTrafficHeader({ link, handle: 0, parent: 0 }),
  };
}

/** A qdisc or a class as the kernel has it. */
export type QueueState = {
  readonly link: number;
  readonly kind: string;
  readonly handle: number;
  readonly parent: number;
  readonly bytesPerSecond?: number;
  readonly bytes: bigint;
  readonly packets: number;
  readonly dropped: number;
};

export function decodeQueue(body: Buffer): QueueState {
  const list = new Attributes(body, HEADER_BYTES);
  const kind = list.text(TCA.KIND) ?? '';
  const options = list.nested(TCA.OPTIONS);
  const stats = list.nested(TCA.STATS2);
  const basic = stats?.bytes(TCA_STATS_BASIC);
  const queue = stats?.bytes(TCA_STATS_QUEUE);
  const large = kind === 'tbf' ? TCA_TBF.RATE64 : TCA_HTB.RATE64;
  const parms = kind === 'tbf' || kind === 'htb' ? options?.bytes(TCA_TBF.PARMS) : undefined;
  const rate = options?.u64(large) ?? parms?.readUInt32LE(8);
  return present({
    link: body.readInt32LE(4),
    kind,
    handle: body.readUInt32LE(8),
    parent: body.readUInt32LE(12),
    bytesPerSecond: parms === undefined || rate === undefined ? undefined : Number(rate),
    bytes: basic?.readBigUInt64LE(0) ?? 0n, // struct gnet_stats_basic
    packets: basic?.readUInt32LE(8) ?? 0,
    dropped: queue?.readUInt32LE(8) ?? 0, // struct gnet_stats_queue: qlen, backlog, drops
  }) as QueueState;
}

/** Of one interface, or of all: the kernel does not filter a dump of qdiscs. */
export function decodeQueues(answers: readonly Answer[], link = 0): QueueState[] {
  return answers
    .filter(({ type }) => type === RTM.NEWQDISC || type === RTM.NEWTCLASS)
    .map(({ body }) => decodeQueue(body))
    .filter((state) => link === 0 || state.link === link);
}
