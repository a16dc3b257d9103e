// The two networks that are always there. Until the networks are built they are all there is.
import { sha256, hexOf } from '#base/digest.ts';
import { formatTime, now } from '#base/clock.ts';
import type { NetworkInspect } from '#wire/network.ts';

const STARTED = formatTime(now());

function predefined(name: string, driver: string): NetworkInspect {
  return {
    Name: name,
    // Docker's are random; ours are the same on every host, so that they need no record.
    Id: hexOf(sha256(`coracle network ${name}`)),
    Created: STARTED,
    Scope: 'local',
    Driver: driver,
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: { Driver: 'default', Options: null, Config: null },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: {},
    Options: {},
    Labels: {},
  };
}

export const PREDEFINED_NETWORKS: readonly NetworkInspect[] = [
  predefined('host', 'host'),
  predefined('none', 'null'),
];

export function predefinedNetwork(name: string): NetworkInspect | undefined {
  return PREDEFINED_NETWORKS.find((network) => network.Name === name);
}
