// A sandbox as the service of networks hands it over, for tests: only what names depend on differs.
import type { Endpoint, NetworkRecord, Sandbox } from '../engine.ts';
import type { Plug, Plugged } from '../parts.ts';

export type TestEndpoint = {
  readonly network: string;
  readonly ip?: string;
  readonly ip6?: string;
  readonly aliases?: readonly string[];
  readonly links?: readonly string[];
  readonly internal?: boolean;
};

function recordOf({ network, internal = false, ip6 }: TestEndpoint): NetworkRecord {
  return {
    version: 1,
    id: `id of ${network}`,
    name: network,
    createdAt: 0n,
    driver: 'bridge',
    ipv4: true,
    ipv6: ip6 !== undefined,
    internal,
    attachable: false,
    options: {},
    labels: {},
    ipam: { driver: 'default', options: {}, subnets: [] },
  };
}

function plugOf(name: string, wanted: TestEndpoint, index: number): Plug {
  const { network, ip, ip6, aliases = [], links = [] } = wanted;
  const endpoint: Endpoint = {
    id: `${name} on ${network}`,
    networkId: `id of ${network}`,
    networkName: network,
    driver: 'bridge',
    interface: `eth${index}`,
    index: 16 + index,
    hostInterface: undefined,
    mac: '02:42:00:00:00:02',
    ip,
    prefixLength: 24,
    gateway: '',
    ip6,
    prefixLength6: 64,
    gateway6: '',
    wish: {
      network,
      aliases,
      links,
      ip: undefined,
      ip6: undefined,
      linkLocalIps: [],
      mac: undefined,
      driverOpts: {},
      gwPriority: 0,
    },
    dnsNames: [name, ...aliases],
  };
  return { endpoint, network: recordOf(wanted), bridge: undefined };
}

/** The container `name`, whose namespace is at `path`, on these networks. */
export function plugged(
  name: string,
  endpoints: readonly TestEndpoint[],
  more: { readonly path?: string; readonly dns?: Partial<Sandbox['dns']> } = {},
): Plugged {
  const plugs = endpoints.map((endpoint, index) => plugOf(name, endpoint, index));
  const sandbox: Sandbox = {
    version: 1,
    containerId: name,
    containerName: name,
    hostname: name,
    path: more.path ?? '/nowhere',
    endpoints: plugs.map(({ endpoint }) => endpoint),
    ports: [],
    rate: undefined,
    dns: { servers: undefined, search: undefined, options: undefined, ...more.dns },
    resolvConf: '',
  };
  return { sandbox, plugs };
}
