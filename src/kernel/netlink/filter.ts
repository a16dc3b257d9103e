// Filters of a qdisc, and the action that sends a packet through another interface
// (RTM_NEWTFILTER). u32 with one key that masks everything away matches every packet; a kernel
// without cls_matchall has it (tc-u32(8)).
import {
  type Attribute,
  attributes,
  bytes,
  type Message,
  nested,
  NLM_F,
  RTM,
  text,
  u32,
} from './message.ts';
import { encodeTrafficHeader, HANDLE, TCA } from './traffic.ts';

const TCA_U32 = { CLASSID: 1, SEL: 5, ACT: 7 } as const;
const TCA_MATCHALL = { CLASSID: 1, ACT: 2 } as const;
const TCA_ACT = { KIND: 1, OPTIONS: 2 } as const;
const TCA_MIRRED_PARMS = 2;
const TC_U32_TERMINAL = 1;
const TC_ACT_STOLEN = 4;
const TCA_EGRESS_REDIR = 1;
const ETH_P_ALL = 0x0003;

/** What becomes of the packets that match. */
export type FilterAction =
  /** They leave by another interface: an ifb, whose queue then shapes what came in. */
  | { readonly redirect: number }
  /** They belong to this class of the qdisc. */
  | { readonly classId: number };

export type Filter = {
  readonly link: number;
  /** The qdisc: a handle, HANDLE.INGRESS_QDISC, HANDLE.CLSACT_INGRESS or HANDLE.CLSACT_EGRESS. */
  readonly parent: number;
  readonly priority: number;
  readonly match: 'u32' | 'matchall';
  readonly action: FilterAction;
};

/** TC_H_MAKE(priority, protocol in network order). */
function info(priority: number, protocol: number): number {
  return ((priority << 16) | ((protocol & 0xff) << 8) | (protocol >> 8)) >>> 0;
}

/** struct tc_u32_sel with one tc_u32_key of zeros: value 0 under mask 0. */
function matchEverything(): Buffer {
  const out = Buffer.alloc(32);
  out.writeUInt8(TC_U32_TERMINAL, 0);
  out.writeUInt8(1, 2);
  return out;
}

/** struct tc_mirred. */
function mirred(link: number): Attribute {
  const out = Buffer.alloc(28);
  out.writeInt32LE(TC_ACT_STOLEN, 8);
  out.writeInt32LE(TCA_EGRESS_REDIR, 20);
  out.writeUInt32LE(link, 24);
  const options = nested(TCA_ACT.OPTIONS, bytes(TCA_MIRRED_PARMS, out));
  return nested(1, text(TCA_ACT.KIND, 'mirred'), options);
}

function encodeOptions({ match, action }: Filter): Attribute[] {
  const types = match === 'u32' ? TCA_U32 : TCA_MATCHALL;
  const what =
    'redirect' in action
      ? nested(types.ACT, mirred(action.redirect))
      : u32(types.CLASSID, action.classId);
  return match === 'u32' ? [bytes(TCA_U32.SEL, matchEverything()), what] : [what];
}

/** All packets of the qdisc take this action. A second one of the same priority is refused. */
export function addFilter(filter: Filter): Message {
  const { link, parent, priority } = filter;
  return {
    what: `add ${filter.match} filter`,
    on: `link ${link}`,
    type: RTM.NEWTFILTER,
    flags: NLM_F.CREATE | NLM_F.EXCL,
    body: attributes(
      encodeTrafficHeader({ link, handle: 0, parent, info: info(priority, ETH_P_ALL) }),
      text(TCA.KIND, filter.match),
      nested(TCA.OPTIONS, ...encodeOptions(filter)),
    ),
  };
}

/** Removes every filter of this priority. */
export function deleteFilters(place: Pick<Filter, 'link' | 'parent' | 'priority'>): Message {
  const { link, parent, priority } = place;
  return {
    what: 'delete filters',
    on: `link ${link}`,
    type: RTM.DELTFILTER,
    flags: 0,
    body: encodeTrafficHeader({ link, handle: 0, parent, info: info(priority, 0) }),
  };
}

/** What comes in on `link` goes out through `ifb` first, so that its queue can hold it back. */
export function redirectIngress(link: number, ifb: number): Message {
  return addFilter({
    link,
    parent: HANDLE.INGRESS_QDISC,
    priority: 1,
    match: 'u32',
    action: { redirect: ifb },
  });
}
