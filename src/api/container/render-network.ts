// NetworkSettings. Until the networks are built a container has no endpoint of its own: it is on
// "none", "host", or shares another container's namespace.
import type { ContainerView } from '#container/engine.ts';
import type { NetworkSettings } from '#wire/container.ts';
import type { EndpointSettings } from '#wire/network.ts';
import { predefinedNetwork } from '../network/predefined.ts';

/** The network that a mode puts the container on; undefined = another container's. */
export function networkNameOf(mode: string): string | undefined {
  if (mode.startsWith('container:')) return undefined;
  return mode === 'host' ? 'host' : 'none';
}

export function endpointsOf(view: ContainerView): Readonly<Record<string, EndpointSettings>> {
  const name = networkNameOf(view.spec.host.networkMode);
  if (name === undefined) return {};
  const alive = view.state.status === 'running' || view.state.status === 'paused';
  const endpoint: EndpointSettings = {
    IPAMConfig: null,
    Links: null,
    Aliases: null,
    MacAddress: '',
    DriverOpts: null,
    GwPriority: 0,
    NetworkID: alive ? (predefinedNetwork(name)?.Id ?? '') : '',
    EndpointID: '',
    Gateway: '',
    IPAddress: '',
    IPPrefixLen: 0,
    IPv6Gateway: '',
    GlobalIPv6Address: '',
    GlobalIPv6PrefixLen: 0,
    DNSNames: null,
  };
  return { [name]: endpoint };
}

export function renderNetworkSettings(view: ContainerView): NetworkSettings {
  return {
    Bridge: '',
    SandboxID: '',
    SandboxKey: '',
    Ports: {},
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: '',
    Gateway: '',
    GlobalIPv6Address: '',
    GlobalIPv6PrefixLen: 0,
    IPAddress: '',
    IPPrefixLen: 0,
    IPv6Gateway: '',
    MacAddress: '',
    Networks: endpointsOf(view),
  };
}
