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

/** Swarm is not there. One that lends its settings may have no scope, and is told so later. */
function checkUnsupported(body: Fields): void {
  if (body.bool('ConfigOnly')) return;
  const forbid = (message: string): never => {
    throw new EngineError('forbidden', message);
  };
  const scope = body.string('Scope');
  const isOverlay = body.string('Driver') === 'overlay';
  if (body.bool('Ingress') && !isOverlay)
    forbid('Ingress network can only be global scope network');
  if (scope === 'swarm') forbid('cannot create a swarm scoped network when swarm is not active');
  if (!isOverlay && (scope === '' || scope === 'local')) return;
  forbid(
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect ' +
      'this node to swarm and try again.',
  );
}

export function parseConnect(
  body: Fields,
  network: string,
  version: string,
): { readonly container: string; readonly wish: EndpointWish } {
  const config = body.object('EndpointConfig') ?? new Fields('EndpointSettings', undefined);
  return { container: body.string('Container'), wish: parseEndpoint(network, config, version) };
}
