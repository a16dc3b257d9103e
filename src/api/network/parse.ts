// The bodies of the /networks endpoints -> requests.
import { EngineError } from '#base/error.ts';
import type { EndpointWish, NetworkRequest } from '#network/engine.ts';
import { olderThan } from '#wire/version.ts';
import { parseEndpoint } from '../container/parse-endpoint.ts';
import { Fields } from '../decode.ts';

/** IPv4 off is a thing since 1.48. */
export function parseNetworkCreate(body: Fields, version: string): NetworkRequest {
  const ipam = body.object('IPAM');
  checkUnsupported(body);
  return {
    name: body.string('Name'),
    driver: body.string('Driver'),
    ipv4: olderThan(version, '1.48') ? undefined : body.optionalBool('EnableIPv4'),
    ipv6: body.optionalBool('EnableIPv6'),
    internal: body.bool('Internal'),
    attachable: body.bool('Attachable'),
    options: body.stringMap('Options'),
    labels: body.stringMap('Labels'),
    scope: body.string('Scope'),
    configOnly: body.bool('ConfigOnly'),
    configFrom: body.object('ConfigFrom')?.string('Network') ?? '',
    ipam: {
      driver: ipam?.string('Driver') ?? '',
      options: ipam?.stringMap('Options') ?? {},
      requests: (ipam?.objects('Config') ?? []).map((config) => ({
        subnet: config.string('Subnet'),
        ipRange: config.string('IPRange'),
        gateway: config.string('Gateway'),
        auxAddresses: config.stringMap('AuxiliaryAddresses'),
      })),
    },
  };
}

/** Swarm is not there. */
function checkUnsupported(body: Fields): void {
  const scope = body.string('Scope');
  if (body.string('Driver') === 'overlay' || scope === 'swarm' || body.bool('Ingress')) {
    throw new EngineError(
      'forbidden',
      'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect ' +
        'this node to swarm and try again.',
    );
  }
}

export function parseConnect(
  body: Fields,
  network: string,
  version: string,
): { readonly container: string; readonly wish: EndpointWish } {
  const config = body.object('EndpointConfig') ?? new Fields('EndpointSettings', undefined);
  return { container: body.string('Container'), wish: parseEndpoint(network, config, version) };
}
