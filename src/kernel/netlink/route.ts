// Routes (RTM_NEWROUTE and friends). Multipath and rules are not here: no network of ours needs
// them.
import { decodeIp, encodeIp, FAMILY_NUMBER, type Family, familyOf, parsePrefix } from './ip.ts';
import { nameOf } from './link-kind.ts';
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

const HEADER_BYTES = 12;
const RTA = { DST: 1, OIF: 4, GATEWAY: 5, PRIORITY: 6, PREFSRC: 7, METRICS: 8, TABLE: 15 } as const;
const RTAX_MTU = 2;
export const RT_TABLE = { MAIN: 254, LOCAL: 255 } as const;
const SCOPE = { global: 0, link: 253, host: 254 } as const;
const TYPE = {
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
} as const;
const PROTOCOL = { redirect: 1, kernel: 2, boot: 3, static: 4, ra: 9, dhcp: 16 } as const;
/** A cached route of IPv6, which a dump without a filter also shows. */
const RTM_F_CLONED = 0x200;

export type RouteType = keyof typeof TYPE;

export type Route = {
  /** "10.0.0.0/8", or "default" together with `family`. */
  readonly to: string;
  /** Needed where neither `to` nor `via` says it. */
  readonly family?: Family;
  readonly via?: string;
  /** Index of the interface. */
  readonly link?: number;
  readonly source?: string;
  readonly metric?: number;
  readonly mtu?: number;
  readonly table?: number;
  readonly type?: RouteType;
};

export type RouteState = {
  readonly family: Family;
  /** "default" or a prefix. */
  readonly to: string;
  readonly via?: string;
  readonly link?: number;
  readonly source?: string;
  readonly metric?: number;
  readonly table: number;
  readonly type: RouteType | string;
  readonly protocol: string;
  readonly scope: 'global' | 'link' | 'host';
};

function routeFamily(route: Route): Family {
  if (route.to !== 'default') return parsePrefix(route.to).family;
  return route.family ?? (route.via === undefined ? 'inet' : familyOf(route.via));
}

function encode(route: Route): Buffer {
  const family = routeFamily(route);
  const { via, source, mtu, table = RT_TABLE.MAIN, type = 'unicast' } = route;
  const to = route.to === 'default' ? undefined : parsePrefix(route.to);
  const direct = via === undefined && type === 'unicast' && family === 'inet';
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(FAMILY_NUMBER[family], 0);
  header.writeUInt8(to?.length ?? 0, 1);
  header.writeUInt8(table < 256 ? table : 0, 4);
  header.writeUInt8(PROTOCOL.boot, 5); // as ip-route(8): given by hand, not by a daemon
  header.writeUInt8(direct ? SCOPE.link : SCOPE.global, 6);
  header.writeUInt8(TYPE[type], 7);
  const metrics = u32(RTAX_MTU, mtu);
  return attributes(
    header,
    bytes(RTA.DST, to === undefined ? undefined : encodeIp(to.address)),
    u32(RTA.OIF, route.link),
    bytes(RTA.GATEWAY, via === undefined ? undefined : encodeIp(via)),
    bytes(RTA.PREFSRC, source === undefined ? undefined : encodeIp(source)),
    u32(RTA.PRIORITY, route.metric),
    u32(RTA.TABLE, table),
    bytes(RTA.METRICS | 0x8000, metrics),
  );
}

function describe(route: Route): string {
  const via = route.via === undefined ? '' : ` via ${route.via}`;
  return `route to ${route.to}${via}`;
}

function on(route: Route): string {
  return route.link === undefined ? '' : `link ${route.link}`;
}

export function addRoute(route: Route): Message {
  return {
    what: `add ${describe(route)}`,
    on: on(route),
    type: RTM.NEWROUTE,
    flags: NLM_F.CREATE | NLM_F.EXCL,
    body: encode(route),
  };
}

export function replaceRoute(route: Route): Message {
  return {
    what: `replace ${describe(route)}`,
    on: on(route),
    type: RTM.NEWROUTE,
    flags: NLM_F.CREATE | NLM_F.REPLACE,
    body: encode(route),
  };
}

/** ESRCH when there is none. */
export function deleteRoute(route: Route): Message {
  const body = encode(route);
  body.writeUInt8(255, 6); // RT_SCOPE_NOWHERE: any scope
  body.writeUInt8(0, 5); // any protocol
  return { what: `delete ${describe(route)}`, on: on(route), type: RTM.DELROUTE, flags: 0, body };
}

export function dumpRoutes(family?: Family): Message {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(family === undefined ? AF.UNSPEC : FAMILY_NUMBER[family], 0);
  return { what: 'list routes', on: '', type: RTM.GETROUTE, flags: NLM_F.DUMP, body: header };
}

export function decodeRoute(body: Buffer): RouteState | undefined {
  const number = body.readUInt8(0);
  const cached = (body.readUInt32LE(8) & RTM_F_CLONED) !== 0;
  if ((number !== AF.INET && number !== AF.INET6) || cached) return undefined;
  const list = new Attributes(body, HEADER_BYTES);
  const length = body.readUInt8(1);
  const family: Family = number === AF.INET ? 'inet' : 'inet6';
  const to = list.bytes(RTA.DST);
  const zero = family === 'inet' ? '0.0.0.0' : '::';
  const ip = (type: number) => {
    const data = list.bytes(type);
    return data === undefined ? undefined : decodeIp(data);
  };
  const whole = `${to === undefined ? zero : decodeIp(to)}/${length}`;
  const type = body.readUInt8(7);
  const protocol = body.readUInt8(5);
  return present({
    family,
    to: length === 0 ? 'default' : whole,
    via: ip(RTA.GATEWAY),
    link: list.u32(RTA.OIF),
    source: ip(RTA.PREFSRC),
    metric: list.u32(RTA.PRIORITY),
    table: list.u32(RTA.TABLE) ?? body.readUInt8(4),
    type: nameOf(TYPE, type) ?? String(type),
    protocol: nameOf(PROTOCOL, protocol) ?? String(protocol),
    scope: nameOf(SCOPE, body.readUInt8(6)) ?? 'global',
  }) as RouteState;
}

export function decodeRoutes(answers: readonly Answer[]): RouteState[] {
  return answers.flatMap(({ type, body }) => {
    const state = type === RTM.NEWROUTE ? decodeRoute(body) : undefined;
    return state === undefined ? [] : [state];
  });
}
