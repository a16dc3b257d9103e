// Who answers to which name on which network. Filled from endpoints; an index by name and address,
// so that a lookup costs the same with one container and with thousands.
import { formatIp, readIp } from '#base/ip-address.ts';

export type DnsEndpoint = {
  /** The endpoint's id. */
  readonly id: string;
  readonly network: string;
  /** Container name, short id, host name, aliases; the first is what a reverse lookup answers. */
  readonly names: readonly string[];
  readonly ip4?: string;
  readonly ip6?: string;
};

/** What one container sees. */
export type DnsSandbox = {
  readonly id: string;
  /** Networks it is connected to, the one with the default route first. */
  readonly networks: readonly SandboxNetwork[];
  /** False when all its networks are internal. */
  readonly forwards: boolean;
  /** Upstream servers by address, asked in this order. */
  readonly servers: readonly string[];
  /** Of its resolv.conf: with more than 0, a name without dots is never sent outside. */
  readonly ndots: number;
};

export type SandboxNetwork = {
  readonly id: string;
  readonly name: string;
  /** Names that only this container knows, for a name of the network (`--link`). */
  readonly links?: Readonly<Record<string, string>>;
};

type Index = {
  readonly names: Map<string, Set<DnsEndpoint>>;
  readonly addresses: Map<string, DnsEndpoint>;
};

const canonical = (ip: string): string => {
  const address = readIp(ip);
  return address === undefined ? ip : formatIp(address);
};

export class NameTable {
  readonly #endpoints = new Map<string, DnsEndpoint>();
  readonly #networks = new Map<string, Index>();

  /** Adds the endpoint, or replaces the one of the same id. */
  set(endpoint: DnsEndpoint): void {
    this.delete(endpoint.id);
    this.#endpoints.set(endpoint.id, endpoint);
    let index = this.#networks.get(endpoint.network);
    if (index === undefined) {
      index = { names: new Map(), addresses: new Map() };
      this.#networks.set(endpoint.network, index);
    }
    for (const name of endpoint.names) {
      const key = name.toLowerCase();
      const members = index.names.get(key) ?? new Set();
      index.names.set(key, members.add(endpoint));
    }
    for (const ip of [endpoint.ip4, endpoint.ip6]) {
      if (ip !== undefined) index.addresses.set(canonical(ip), endpoint);
    }
  }

  delete(id: string): void {
    const endpoint = this.#endpoints.get(id);
    const index = this.#networks.get(endpoint?.network ?? '');
    if (endpoint === undefined || index === undefined) return;
    this.#endpoints.delete(id);
    for (const name of endpoint.names) {
      const key = name.toLowerCase();
      const members = index.names.get(key);
      members?.delete(endpoint);
      if (members?.size === 0) index.names.delete(key);
    }
    for (const ip of [endpoint.ip4, endpoint.ip6]) {
      const key = canonical(ip ?? '');
      if (index.addresses.get(key) === endpoint) index.addresses.delete(key);
    }
    if (index.names.size + index.addresses.size === 0) this.#networks.delete(endpoint.network);
  }

  /** Endpoints of that name on the network; `name` in lower case. */
  find(network: string, name: string): readonly DnsEndpoint[] {
    return [...(this.#networks.get(network)?.names.get(name) ?? [])];
  }

  findAddress(network: string, ip: string): DnsEndpoint | undefined {
    return this.#networks.get(network)?.addresses.get(canonical(ip));
  }

  /** Nothing but names: for tests of leaks and for explain. */
  get size(): number {
    return this.#endpoints.size;
  }
}

/** Endpoints that the sandbox may know under the name; the first network that has any decides. */
export function lookup(
  sandbox: DnsSandbox,
  names: NameTable,
  name: string,
): readonly DnsEndpoint[] {
  for (const network of sandbox.networks) {
    for (const [alias, target] of Object.entries(network.links ?? {})) {
      if (alias.toLowerCase() !== name) continue;
      const linked = names.find(network.id, target.toLowerCase());
      if (linked.length > 0) return linked;
    }
    const found = names.find(network.id, name);
    if (found.length > 0) return found;
    const suffix = `.${network.name.toLowerCase()}`;
    if (!name.endsWith(suffix)) continue;
    const scoped = names.find(network.id, name.slice(0, -suffix.length));
    if (scoped.length > 0) return scoped;
  }
  return [];
}
