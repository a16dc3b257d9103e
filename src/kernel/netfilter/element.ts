// What a network or a published port adds to the sets of nft-schema.ts.
import {
  type FirewallNetwork,
  familyOf,
  isAnyHost,
  isClosed,
  type LinkedPort,
  masquerades,
  modeOf,
  type PublishedPort,
} from './state.ts';

export type Element = {
  readonly set: string;
  /** As nft writes it, numbers for ports: also the key under which nft's JSON is compared. */
  readonly key: string;
  /** Of a map: what the key leads to. */
  readonly value?: string;
};

export function networkElements(network: FirewallNetwork): readonly Element[] {
  const bridge = `"${network.bridge}"`;
  const elements: Element[] = [{ set: 'ours', key: bridge }];
  if (network.icc) elements.push({ set: 'talk', key: `${bridge} . ${bridge}` });
  if (isClosed(network)) elements.push({ set: 'closed', key: bridge });
  for (const name of new Set(network.trusted)) {
    elements.push({ set: 'trusted', key: `"${name}" . ${bridge}` });
  }
  for (const family of [4, 6] as const) {
    if (modeOf(network, family) === 'routed')
      elements.push({ set: `routed${family}`, key: bridge });
    if (family === 4 ? network.direct4 : network.direct6)
      elements.push({ set: `direct${family}`, key: bridge });
  }
  for (const subnet of network.subnets) {
    const family = familyOf(subnet);
    const source = family === 4 ? network.snat4 : network.snat6;
    elements.push({ set: `own${family}`, key: `${bridge} . ${subnet}` });
    if (!masquerades(network, family)) continue;
    if (source === undefined) elements.push({ set: `masq${family}`, key: subnet });
    else elements.push({ set: `snat${family}`, key: subnet, value: source });
  }
  return elements;
}

/** What translates the port (its counter counts connections), lets it in, and counts it. */
export function portElements(port: PublishedPort, network: FirewallNetwork): readonly Element[] {
  if (isClosed(network)) return [];
  const n = familyOf(port.ip);
  const inside = `${port.ip} . ${port.protocol} . ${port.port}`;
  const open: Element = { set: `open${n}`, key: `"${port.bridge}" . ${inside}` };
  if (modeOf(network, n) === 'routed') return [open];
  const value = `${port.ip} . ${port.port}`;
  const listener = isAnyHost(port)
    ? { set: `any${n}`, key: `${port.protocol} . ${port.hostPort}`, value }
    : { set: `one${n}`, key: `${port.protocol} . ${port.hostIp} . ${port.hostPort}`, value };
  return [listener, open, { set: `traffic${n}`, key: inside }];
}

export function linkElement({ bridge, from, to, protocol, port }: LinkedPort): Element {
  const within = `"${bridge}" . "${bridge}"`;
  return { set: 'linked4', key: `${within} . ${from} . ${to} . ${protocol} . ${port}` };
}

export type ElementChange = { readonly verb: 'add' | 'delete'; readonly element: Element };

/**
 * Which elements the kernel should hold. Two ports may lead to the same container's port, so what
 * they share is counted.
 */
export class ElementLedger {
  readonly #held = new Map<string, { element: Element; count: number }>();

  static keyOf(element: Element): string {
    return `${element.set} ${element.key}`;
  }

  /** Notes the element; answers the change to make, or nothing when it is there already. */
  add(element: Element): readonly ElementChange[] {
    const key = ElementLedger.keyOf(element);
    const held = this.#held.get(key);
    this.#held.set(key, { element, count: (held?.count ?? 0) + 1 });
    return held === undefined ? [{ verb: 'add', element }] : [];
  }

  remove(element: Element): readonly ElementChange[] {
    const key = ElementLedger.keyOf(element);
    const held = this.#held.get(key);
    if (held === undefined) return [];
    if (held.count > 1) {
      this.#held.set(key, { element: held.element, count: held.count - 1 });
      return [];
    }
    this.#held.delete(key);
    return [{ verb: 'delete', element: held.element }];
  }

  elements(): readonly Element[] {
    return [...this.#held.values()].map(({ element }) => element);
  }
}
