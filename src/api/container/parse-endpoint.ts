// NetworkingConfig of a create, EndpointConfig of a connect, NetRate: Docker's JSON -> wishes. What
// older API versions said elsewhere or did not know ends here.
import { EngineError } from '#base/error.ts';
import { checkBurst, checkRate } from '#base/net-rate.ts';
import { PLAIN_WISH } from '#container/endpoint.ts';
import type { ContainerSpec } from '#container/spec.ts';
import type { EndpointWish, NetworkRate } from '#network/engine.ts';
import { DEFAULT_NETWORK, parseNetworkMode } from '#network/mode.ts';
import { olderThan } from '#wire/version.ts';
import { emptyMap, Fields } from '../decode.ts';

type Networking = ContainerSpec['networking'];

export function parseEndpoint(network: string, fields: Fields, version: string): EndpointWish {
  const ipam = fields.object('IPAMConfig');
  const text = (value: string | undefined): string | undefined =>
    value === '' ? undefined : value;
  return {
    network,
    aliases: fields.strings('Aliases') ?? [],
    links: fields.strings('Links') ?? [],
    ip: text(ipam?.optionalString('IPv4Address')),
    ip6: text(ipam?.optionalString('IPv6Address')),
    linkLocalIps: ipam?.strings('LinkLocalIPs') ?? [],
    // Of an older client it is what inspect told it, not a wish (1.44).
    mac: olderThan(version, '1.44') ? undefined : text(fields.optionalString('MacAddress')),
    driverOpts: fields.stringMap('DriverOpts'),
    gwPriority: olderThan(version, '1.48') ? 0 : fields.int('GwPriority'),
  };
}

export function parseNetworking(
  body: Fields,
  networkMode: string,
  version: string,
): { readonly networking: Networking; readonly networkMode: string } {
  const mode = networkMode === '' || networkMode === 'default' ? DEFAULT_NETWORK : networkMode;
  const endpoints = emptyMap<EndpointWish>();
  const config = body.object('NetworkingConfig');
  for (const [key, value] of config?.entries('EndpointsConfig') ?? []) {
    const name = key === 'default' ? DEFAULT_NETWORK : key;
    endpoints[name] = parseEndpoint(name, new Fields(`EndpointsConfig.${key}`, value), version);
  }
  const names = Object.keys(endpoints);
  if (olderThan(version, '1.44') && names.length > 1) {
    const text = 'Container cannot be created with multiple network endpoints';
    throw new EngineError('invalid_argument', `${text}: ${names.join(', ')}`);
  }
  return {
    networking: withMac(endpoints, mode, body.string('MacAddress'), version),
    networkMode: mode,
  };
}

/** Before 1.44 the container had a MAC address; since then an endpoint has. */
function withMac(endpoints: Networking, mode: string, mac: string, version: string): Networking {
  if (mac === '') return endpoints;
  const parsed = parseNetworkMode(mode);
  if (parsed.mode !== 'network') {
    if (!olderThan(version, '1.44')) return endpoints;
    throw new EngineError(
      'invalid_argument',
      'conflicting options: mac-address and the network mode',
    );
  }
  const names = Object.keys(endpoints);
  const only = olderThan(version, '1.44') ? names[0] : undefined;
  const name = only ?? parsed.network;
  const wish = endpoints[name];
  if (wish === undefined && names.length > 0) {
    throw new EngineError(
      'invalid_argument',
      'unable to migrate container-wide MAC address to a specific network: ' +
        'HostConfig.NetworkMode must match the identity of a network in NetworkSettings.Networks',
    );
  }
  if (wish?.mac !== undefined && wish.mac !== mac) {
    throw new EngineError(
      'invalid_argument',
      'the container-wide MAC address must match the endpoint-specific MAC address for the main ' +
        'network, or be left empty',
    );
  }
  return { ...endpoints, [name]: { ...(wish ?? { ...PLAIN_WISH, network: name }), mac } };
}

export function macWarnings(body: Fields, version: string): readonly string[] {
  if (olderThan(version, '1.44') || body.string('MacAddress') === '') return [];
  return [
    'The container-wide MacAddress field is now deprecated. ' +
      'It should be specified in EndpointsConfig instead.',
  ];
}

type Limit = NetworkRate['in'];

/** Ours: {"In":{"BitsPerSecond":10000000,"BurstBytes":65536},"Out":null}. */
export function parseNetRate(rate: Fields | undefined): NetworkRate | undefined {
  const limits = { in: parseLimit(rate?.object('In')), out: parseLimit(rate?.object('Out')) };
  return limits.in === undefined && limits.out === undefined ? undefined : limits;
}

/** What an update says of each direction: a limit, null = none any more, undefined = as it is. */
export function parseNetRateChange(rate: Fields | undefined): {
  readonly in: Limit | null;
  readonly out: Limit | null;
} {
  const of = (key: string): Limit | null =>
    rate?.isNull(key) === true ? null : parseLimit(rate?.object(key));
  return { in: of('In'), out: of('Out') };
}

function parseLimit(limit: Fields | undefined): Limit {
  if (limit === undefined) return undefined;
  const bitsPerSecond = checkRate(limit.int('BitsPerSecond'));
  const burstBytes = limit.optionalInt('BurstBytes');
  if (burstBytes === undefined || burstBytes === 0) return { bitsPerSecond };
  return { bitsPerSecond, burstBytes: checkBurst(burstBytes) };
}
