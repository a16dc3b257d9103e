// A network, an endpoint and a wish without anything special, for tests, which say what differs.
import type { Endpoint, EndpointWish, NetworkRecord } from './engine.ts';

export function plainNetwork(change: Partial<NetworkRecord>): NetworkRecord {
  return {
    version: 1,
    id: 'f'.repeat(64),
    name: 'n',
    createdAt: 0n,
    driver: 'bridge',
    ipv4: true,
    ipv6: false,
    internal: false,
    attachable: false,
    options: {},
    labels: {},
    ipam: { driver: 'default', options: {}, subnets: [] },
    ...change,
  };
}

export function plainWish(network: string, change: Partial<EndpointWish> = {}): EndpointWish {
  return {
    network,
    aliases: [],
    links: [],
    ip: undefined,
    ip6: undefined,
    linkLocalIps: [],
    mac: undefined,
    driverOpts: {},
    gwPriority: 0,
    ...change,
  };
}

export function plainEndpoint({ id, name, driver }: NetworkRecord, change: Partial<Endpoint>) {
  const plain: Endpoint = {
    id: 'e'.repeat(64),
    networkId: id,
    networkName: name,
    driver,
    interface: 'eth0',
    index: 16,
    hostInterface: undefined,
    mac: '02:42:00:00:00:02',
    ip: undefined,
    prefixLength: 24,
    gateway: '',
    ip6: undefined,
    prefixLength6: 64,
    gateway6: '',
    wish: plainWish(name),
    dnsNames: [],
  };
  return { ...plain, ...change };
}
