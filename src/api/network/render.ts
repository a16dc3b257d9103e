// NetworkView -> `GET /networks/{id}`; which lists are null and which are [] is dockerd 28's.
import { formatTime } from '#base/clock.ts';
import type { ContainerView } from '#container/engine.ts';
import { isRunning } from '#container/guard.ts';
import type { NetworkView } from '#network/engine.ts';
import type { SubnetRequest } from '#network/ipam/subnet.ts';
import type { IpamConfig, NetworkContainer, NetworkInspect } from '#wire/network.ts';
import { placeholderId } from '../container/render-network.ts';
import { emptyMap } from '../decode.ts';

/** Without the containers, as in a list. */
export function renderNetwork({ record, predefined }: NetworkView): NetworkInspect {
  const subnets = (record.lends ?? record.ipam.subnets).map(renderSubnet);
  const options = record.ipam.options;
  return {
    Name: record.name,
    Id: record.id,
    Created: formatTime(record.createdAt),
    Scope: 'local',
    Driver: record.driver,
    EnableIPv4: record.ipv4,
    EnableIPv6: record.ipv6,
    IPAM: {
      Driver: record.ipam.driver === '' ? 'default' : record.ipam.driver,
      Options: predefined && Object.keys(options).length === 0 ? null : options,
      Config: subnets.length === 0 ? null : subnets,
    },
    Internal: record.internal,
    Attachable: record.attachable,
    Ingress: false,
    ConfigFrom: { Network: record.configFrom ?? '' },
    ConfigOnly: record.lends !== undefined,
    Containers: {},
    Options: record.options,
    Labels: record.labels,
  };
}

/** One that only lends its settings has what was asked for, where "" means nothing. */
function renderSubnet({ subnet, ipRange, gateway, auxAddresses = {} }: SubnetRequest): IpamConfig {
  const aux = Object.keys(auxAddresses).length > 0 ? { AuxiliaryAddresses: auxAddresses } : {};
  return {
    ...(subnet ? { Subnet: subnet } : {}),
    ...(ipRange ? { IPRange: ipRange } : {}),
    ...(gateway ? { Gateway: gateway } : {}),
    ...aux,
  };
}

/** With the containers that run on it; `containers` is asked where nothing else knows them. */
export function renderDetailed(
  view: NetworkView,
  containers: () => readonly ContainerView[],
): NetworkInspect {
  const members = emptyMap<NetworkContainer>();
  for (const endpoint of view.endpoints) {
    members[endpoint.containerId] = {
      Name: endpoint.containerName,
      EndpointID: endpoint.id,
      MacAddress: endpoint.mac,
      IPv4Address: withLength(endpoint.ip, endpoint.prefixLength),
      IPv6Address: withLength(endpoint.ip6, endpoint.prefixLength6),
    };
  }
  const { driver, name: network } = view.record;
  // They give a container nothing that is kept for it.
  const plain = driver === 'host' || driver === 'null';
  for (const { id, name, state, spec } of plain ? containers() : []) {
    if (!isRunning(state) || !Object.hasOwn(spec.networking, network)) continue;
    members[id] = {
      Name: name,
      EndpointID: placeholderId('endpoint', id),
      MacAddress: '',
      IPv4Address: '',
      IPv6Address: '',
    };
  }
  return { ...renderNetwork(view), Containers: members };
}

function withLength(address: string | undefined, length: number): string {
  return address === undefined ? '' : `${address}/${length}`;
}
