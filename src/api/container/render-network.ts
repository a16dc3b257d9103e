// NetworkSettings, and the ports of ps. A container has what it wished for until it runs, and what
// it got while it does.
import { hexOf, sha256 } from '#base/digest.ts';
import { shortId } from '#base/id.ts';
import type { ContainerView } from '#container/engine.ts';
import { isRunning } from '#container/guard.ts';
import { portKeys } from '#container/publish.ts';
import type { Endpoint, EndpointWish, NetworkRecord, PortBinding } from '#network/engine.ts';
import { DEFAULT_NETWORK, isUserDefined } from '#network/mode.ts';
import type { NetworkSettings, Port } from '#wire/container.ts';
import type { PortMap, Strings } from '#wire/container-config.ts';
import type { EndpointSettings } from '#wire/network.ts';
import { olderThan } from '#wire/version.ts';
import { emptyMap } from '../decode.ts';

/** What is known of networks besides the container, and how old the client is. */
export type NetworkFacts = {
  readonly networks: readonly NetworkRecord[];
  readonly version: string;
};

/** Ids of what we keep no record of, but Docker does: the same for each run. */
export function placeholderId(kind: 'endpoint' | 'sandbox', containerId: string): string {
  return hexOf(sha256(`${kind} ${containerId}`));
}

export function endpointsOf(
  view: ContainerView,
  facts: NetworkFacts,
): Readonly<Record<string, EndpointSettings>> {
  const settings = emptyMap<EndpointSettings>();
  for (const [key, wish] of Object.entries(view.spec.networking)) {
    const endpoint = view.sandbox?.endpoints.find(
      (each) => each.networkName === key || each.wish.network === key,
    );
    settings[endpoint?.networkName ?? key] =
      endpoint === undefined
        ? renderWish(view, wish, facts)
        : { ...renderWish(view, wish, facts), ...renderEndpoint(endpoint) };
  }
  return settings;
}

function renderWish(
  view: ContainerView,
  wish: EndpointWish,
  { networks, version }: NetworkFacts,
): EndpointSettings {
  const { network, ip, ip6, linkLocalIps } = wish;
  const ipam = {
    ...(ip === undefined ? {} : { IPv4Address: ip }),
    ...(ip6 === undefined ? {} : { IPv6Address: ip6 }),
    ...(linkLocalIps.length === 0 ? {} : { LinkLocalIPs: linkLocalIps }),
  };
  const created = view.state.status === 'created';
  const own = isUserDefined(network);
  const found = networks.find(({ id, name }) => name === network || id === network);
  const names = [view.name, ...wish.aliases, shortId(view.id), view.merged.hostname];
  return {
    IPAMConfig: Object.keys(ipam).length === 0 ? null : ipam,
    Links: orNull(wish.links),
    Aliases: orNull(aliasesOf(view, wish, version)),
    MacAddress: created ? (wish.mac ?? '') : '',
    DriverOpts: Object.keys(wish.driverOpts).length === 0 ? null : wish.driverOpts,
    GwPriority: wish.gwPriority,
    NetworkID: created ? '' : (found?.id ?? ''),
    // On host and none, which keep nothing for it.
    EndpointID: isRunning(view.state) && !own ? placeholderId('endpoint', view.id) : '',
    Gateway: '',
    IPAddress: '',
    IPPrefixLen: 0,
    IPv6Gateway: '',
    GlobalIPv6Address: '',
    GlobalIPv6PrefixLen: 0,
    DNSNames: created || !own ? null : [...new Set(names)],
  };
}

/** Before 1.45 the short id was among the aliases. */
function aliasesOf(view: ContainerView, wish: EndpointWish, version: string): Strings {
  if (!olderThan(version, '1.45') || !isUserDefined(wish.network)) return wish.aliases;
  return [...new Set([...wish.aliases, shortId(view.id), view.merged.hostname])];
}

function renderEndpoint(endpoint: Endpoint): Partial<EndpointSettings> {
  return {
    MacAddress: endpoint.mac,
    NetworkID: endpoint.networkId,
    EndpointID: endpoint.id,
    Gateway: endpoint.gateway,
    IPAddress: endpoint.ip ?? '',
    IPPrefixLen: endpoint.ip === undefined ? 0 : endpoint.prefixLength,
    IPv6Gateway: endpoint.gateway6,
    GlobalIPv6Address: endpoint.ip6 ?? '',
    GlobalIPv6PrefixLen: endpoint.ip6 === undefined ? 0 : endpoint.prefixLength6,
    DNSNames: isUserDefined(endpoint.networkName) ? endpoint.dnsNames : null,
  };
}

function orNull(list: Strings): Strings | null {
  return list.length > 0 ? list : null;
}

export function renderNetworkSettings(view: ContainerView, facts: NetworkFacts): NetworkSettings {
  const networks = endpointsOf(view, facts);
  const flat = networks[DEFAULT_NETWORK];
  const key = sandboxKey(view);
  return {
    Bridge: '',
    SandboxID: key === undefined ? '' : placeholderId('sandbox', view.id),
    SandboxKey: key ?? '',
    Ports: portMap(view),
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: flat?.EndpointID ?? '',
    Gateway: flat?.Gateway ?? '',
    GlobalIPv6Address: flat?.GlobalIPv6Address ?? '',
    GlobalIPv6PrefixLen: flat?.GlobalIPv6PrefixLen ?? 0,
    IPAddress: flat?.IPAddress ?? '',
    IPPrefixLen: flat?.IPPrefixLen ?? 0,
    IPv6Gateway: flat?.IPv6Gateway ?? '',
    MacAddress: flat?.MacAddress ?? '',
    Networks: networks,
  };
}

/** Of its own or with the host: undefined = another container's, or none. */
function sandboxKey({ state, spec, sandbox }: ContainerView): string | undefined {
  const shared = spec.host.networkMode.startsWith('container:') || spec.config.networkDisabled;
  if (!isRunning(state) || shared) return undefined;
  return sandbox?.path ?? `/proc/${state.pid}/ns/net`;
}

/** Ports that are exposed only have null; they are known where ports could be published. */
function exposedPorts(view: ContainerView): Strings {
  const publishes = view.sandbox?.endpoints.some(({ driver }) => driver === 'bridge') ?? false;
  return publishes ? portKeys(view.merged.exposedPorts) : [];
}

function portMap(view: ContainerView): PortMap {
  const map = emptyMap<{ HostIp: string; HostPort: string }[] | null>();
  for (const key of exposedPorts(view)) map[key] = null;
  return Object.assign(map, renderBindings(view.sandbox?.ports ?? []));
}

export function renderBindings(bindings: readonly PortBinding[]): PortMap {
  const map = emptyMap<{ HostIp: string; HostPort: string }[]>();
  const keyOf = ({ port, protocol }: PortBinding): string => `${port}/${protocol}`;
  for (const [key, list] of Map.groupBy(bindings, keyOf)) {
    map[key] = list.map(({ hostIp, hostPort }) => ({ HostIp: hostIp, HostPort: String(hostPort) }));
  }
  return map;
}

/** Of ps: one entry a binding, and one a port that is exposed only. */
export function renderPorts(view: ContainerView): readonly Port[] {
  const bindings = view.sandbox?.ports ?? [];
  const published = bindings.map(({ port, protocol, hostIp, hostPort }) => ({
    IP: hostIp,
    PrivatePort: port,
    PublicPort: hostPort,
    Type: protocol,
  }));
  const named = new Set(bindings.map(({ port, protocol }) => `${port}/${protocol}`));
  const exposed = exposedPorts(view)
    .filter((key) => !named.has(key))
    .map((key) => {
      const [port, protocol = 'tcp'] = key.split('/');
      return { PrivatePort: Number(port), Type: protocol };
    });
  return [...published, ...exposed].toSorted((a, b) => a.PrivatePort - b.PrivatePort);
}
