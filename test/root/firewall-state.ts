// What the tests of the firewall want of it: five networks, a port of each kind.
import type { FirewallNetwork, FirewallState, PublishedPort } from '#kernel/netfilter/state.ts';

export function network(
  id: string,
  n: number,
  more: Partial<FirewallNetwork> = {},
): FirewallNetwork {
  return {
    id,
    bridge: `br${id}`,
    subnets: [`10.91.${n}.0/24`, `fd91:${n}::/64`],
    internal: false,
    icc: true,
    masquerade4: true,
    masquerade6: true,
    gatewayMode4: 'nat',
    gatewayMode6: 'nat',
    ...more,
  };
}

export function port(
  hostPort: number,
  ip: string,
  more: Partial<PublishedPort> = {},
): PublishedPort {
  const id = 'ABINR'[Number(/^(?:10\.91\.|fd91:)(\d)/.exec(ip)?.[1]) - 1] ?? '';
  return {
    container: `c-${ip}`,
    network: id,
    bridge: `br${id}`,
    protocol: 'tcp',
    hostIp: ip.includes(':') ? '::' : '0.0.0.0',
    hostPort,
    ip,
    port: 80,
    ...more,
  };
}

export const NETWORKS = [
  network('A', 1),
  network('B', 2),
  network('I', 3, { internal: true }),
  network('N', 4, { icc: false }),
  network('R', 5, { gatewayMode4: 'routed', gatewayMode6: 'routed' }),
];
export const STATE: FirewallState = {
  networks: NETWORKS,
  ports: [
    port(8080, '10.91.1.2'),
    port(8080, '10.91.1.2', { protocol: 'udp' }),
    port(8080, '10.91.1.2', { protocol: 'sctp' }),
    port(8080, 'fd91:1::2'),
    port(8082, '10.91.2.2'),
    port(8090, '10.91.1.3', { hostIp: '127.0.0.1' }),
    port(8091, '10.91.1.3', { hostIp: '192.0.2.1' }),
    port(8091, '10.91.1.3', { hostIp: '127.0.0.1', port: 81 }),
    port(8091, 'fd91:1::3', { hostIp: '2001:db8:9::1' }),
    port(8083, '10.91.3.2'),
    port(8084, '10.91.4.2'),
    port(8085, '10.91.5.2'),
  ],
};
