// What the embedded DNS knows of a sandbox, from its endpoints. Pure.
import { isFullId, shortId } from '#base/id.ts';
import type { DnsEndpoint, SandboxNetwork } from '../dns/names.ts';
import type { NetworkRecord } from '../engine.ts';
import { isUserDefined } from '../mode.ts';
import type { Plug, Plugged } from '../parts.ts';
import { parseLink } from './check.ts';

/** The default bridge has none, as Docker's: its containers know each other by links only. */
export const hasNames = (network: NetworkRecord): boolean => isUserDefined(network.name);

export type Description = {
  readonly endpoints: readonly DnsEndpoint[];
  /** User-defined networks, the one with the default route first. */
  readonly networks: readonly SandboxNetwork[];
  readonly forwards: boolean;
};

function linkOf(text: string): readonly [alias: string, target: string] {
  const { container, alias } = parseLink(text);
  return [alias, isFullId(container) ? shortId(container) : container];
}

function networkOf({ endpoint, network }: Plug): SandboxNetwork {
  const links = Object.fromEntries(endpoint.wish.links.map(linkOf));
  return {
    id: network.id,
    name: network.name,
    ...(endpoint.wish.links.length === 0 ? {} : { links }),
  };
}

function endpointOf({ endpoint, network }: Plug): DnsEndpoint {
  return {
    id: endpoint.id,
    network: network.id,
    names: endpoint.dnsNames,
    ...(endpoint.ip === undefined ? {} : { ip4: endpoint.ip }),
    ...(endpoint.ip6 === undefined ? {} : { ip6: endpoint.ip6 }),
  };
}

export function describe({ plugs }: Plugged): Description {
  const named = plugs.filter(({ network }) => hasNames(network));
  return {
    endpoints: named.map(endpointOf),
    networks: named.map(networkOf),
    // Where every network is internal, a name that leaves the host would be a way out.
    forwards: plugs.some(({ network }) => !network.internal),
  };
}
