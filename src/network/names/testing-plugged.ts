// A sandbox as the service of networks hands it over, for tests: only what names depend on differs.
import type { Sandbox } from '../engine.ts';
import type { Plug, Plugged } from '../parts.ts';
import { plainEndpoint, plainNetwork, plainWish } from '../testing-network.ts';

export type TestEndpoint = {
  readonly network: string;
  readonly ip?: string;
  readonly ip6?: string;
  readonly aliases?: readonly string[];
  readonly links?: readonly string[];
  readonly internal?: boolean;
};

function plugOf(name: string, wanted: TestEndpoint, index: number): Plug {
  const { network: on, ip, ip6, aliases = [], links = [], internal = false } = wanted;
  const network = plainNetwork({ id: `id of ${on}`, name: on, ipv6: ip6 !== undefined, internal });
  const endpoint = plainEndpoint(network, {
    id: `${name} on ${on}`,
    interface: `eth${index}`,
    index: 16 + index,
    ip,
    ip6,
    wish: plainWish(on, { aliases, links }),
    dnsNames: [name, ...aliases],
  });
  return { endpoint, network, bridge: undefined };
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
    waiting: [],
    links: { to: [], exposed: [] },
    rate: undefined,
    dns: { servers: undefined, search: undefined, options: undefined, ...more.dns },
    resolvConf: '',
  };
  return { sandbox, plugs };
}
