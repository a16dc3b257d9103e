// All that makes one endpoint, as two batches: one in the container's namespace and one in the
// host's. Together with netns_create they are one round trip to the agent, because the index of the
// container's interface is chosen here, before it exists.
import { formatIp, lastOf, parseCidr } from '#base/ip-address.ts';
import { addAddress } from './address.ts';
import { addLink, getLink, moveLink, renameLink, setBridgePort, setLink } from './link.ts';
import type { BridgePort, LinkKind } from './link-kind.ts';
import type { Message } from './message.ts';
import { setNeighbour } from './neighbour.ts';
import { addRoute, type Route } from './route.ts';
import type { Batch } from './netlink.ts';

/** The namespace of the agent itself, which is the host's, as a path. */
const HOST_NAMESPACE = '/proc/self/ns/net';

/** From /31 on (RFC 3021) there is no broadcast address. */
const POINT_TO_POINT_BITS = 30;

/**
 * Indexes from here on are free in a namespace of ours: the kernel numbers from 1, and gives a new
 * one lo and at most a handful of fallback tunnels (net.core.fb_tunnels_only_for_init_net).
 */
export const FIRST_INDEX = 16;

/** The container's side of an endpoint. */
export type EndpointInside = {
  /** Path of its namespace. */
  readonly namespace: string;
  /** Its final name: "eth0". */
  readonly name: string;
  /** Its index there: FIRST_INDEX plus a number that no other endpoint of the namespace has. */
  readonly index: number;
  readonly mac?: string;
  readonly mtu?: number;
  /** "172.18.0.2/16", "fd00::2/64" */
  readonly addresses: readonly string[];
  /** Without `link` they go through this interface. Default routes too. */
  readonly routes: readonly Route[];
  /** Neighbours that are known beforehand, so that nobody has to ask. */
  readonly neighbours?: readonly { readonly address: string; readonly mac: string }[];
};

/** The host's side: an end of the veth pair as a port of a bridge. */
export type VethOutside = {
  readonly name: string;
  readonly mac?: string;
  /** Index of the bridge; without one it stands alone. */
  readonly bridge?: number;
  readonly port?: BridgePort;
};

/**
 * Addresses and routes of an interface that is up, in the order that the kernel needs; `lo` goes
 * up.
 */
export function planInside(inside: EndpointInside): Message[] {
  const { index: link } = inside;
  return [
    setLink('lo', { up: true }),
    ...inside.addresses.map((cidr) =>
      addAddress({ link, cidr, noDad: true, ...broadcastOf(cidr) }),
    ),
    ...(inside.neighbours ?? []).map((one) => setNeighbour({ entry: 'permanent', link, ...one })),
    ...inside.routes.map((route) => addRoute({ link, ...route })),
  ];
}

/**
 * Unlike ip-address(8), which leaves it out: programs ask for it (SIOCGIFBRDADDR, netdevice(7)).
 */
function broadcastOf(cidr: string): { readonly broadcast?: string } {
  const prefix = parseCidr(cidr);
  const { family } = prefix.address;
  if (family !== 4 || prefix.length > POINT_TO_POINT_BITS) return {};
  return { broadcast: formatIp({ family, value: lastOf(prefix) }) };
}

function settings({ mac, mtu }: { readonly mac?: string; readonly mtu?: number }) {
  return { ...(mac === undefined ? {} : { mac }), ...(mtu === undefined ? {} : { mtu }) };
}

/**
 * A veth pair between the container's namespace and the host's (or `hostNamespace`). It is made
 * from inside, because there the index is wished; the host's end gets the next free one. The
 * answers of the last batch hold one link: the host's end. The container's end has a carrier only
 * when that batch is done, so nothing passes before the port's flags are set.
 */
export function planVeth(
  inside: EndpointInside,
  outside: VethOutside,
  hostNamespace = '',
): readonly [Batch, Batch] {
  const { name, bridge, port } = outside;
  const { index, mtu } = inside;
  const peer = {
    name,
    namespace: 0,
    ...settings({ ...outside, ...(mtu === undefined ? {} : { mtu }) }),
  };
  const pair = addLink({
    name: inside.name,
    index,
    up: true,
    ...settings(inside),
    kind: { kind: 'veth', peer },
  });
  return [
    {
      namespace: inside.namespace,
      namespaces: [hostNamespace === '' ? HOST_NAMESPACE : hostNamespace],
      messages: [pair, ...planInside(inside)],
    },
    {
      namespace: hostNamespace,
      messages: [
        // Before it goes up: the kernel gives no fe80:: address to a port, which nobody would use.
        setLink(name, { linkLocal: 'none', ...(bridge === undefined ? {} : { master: bridge }) }),
        ...(port === undefined ? [] : [setBridgePort(name, port)]),
        setLink(name, { up: true }),
        getLink(name),
      ],
    },
  ];
}

/** A macvlan or ipvlan of the interface `parent`, made on the host and moved into the container. */
export function planSubordinate(
  inside: EndpointInside,
  outside: {
    /** A name on the host for the moment before it is moved: one that no other has. */
    readonly temporaryName: string;
    readonly parent: number;
    readonly kind: Extract<LinkKind, { kind: 'macvlan' | 'ipvlan' }>;
  },
  hostNamespace = '',
): readonly [Batch, Batch] {
  const { temporaryName, parent, kind } = outside;
  const { index, name } = inside;
  return [
    {
      namespace: hostNamespace,
      namespaces: [inside.namespace],
      messages: [
        addLink({ ...settings(inside), name: temporaryName, parent, kind }),
        moveLink(temporaryName, { namespace: 0, index }),
      ],
    },
    {
      namespace: inside.namespace,
      messages: [renameLink(index, name), setLink(index, { up: true }), ...planInside(inside)],
    },
  ];
}

/**
 * Before a container's namespace is deleted: its port goes down, so that no frame passes any more.
 * The pair itself goes with the namespace, a moment later; deleteLink() would wait for the kernel's
 * grace periods, 20 ms in which nobody else can change a link. ENODEV when the port is gone
 * already.
 */
export function planRemoval(name: string, hostNamespace = ''): readonly [Batch] {
  return [{ namespace: hostNamespace, messages: [setLink(name, { up: false, master: 0 })] }];
}
