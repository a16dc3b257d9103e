// The flags of `network create` and `network connect` as bodies, field by field what the docker CLI
// 28 sends; test/compat/network-cli.test.ts compares the two.
import {
  contains,
  formatCidr,
  formatIp,
  type IpPrefix,
  networkOf,
  parseCidr,
  readCidr,
  readIp,
} from '#base/ip-address.ts';
import type { EndpointConfig } from '#wire/container-config.ts';
import type {
  EndpointSettings,
  IpamConfig,
  NetworkConnectBody,
  NetworkCreateBody,
} from '#wire/network.ts';
import { UNCONNECTED } from '../create/network.ts';
import { pairs } from '../create/security.ts';
import { invalid } from '../flag-kind.ts';
import type { Flags } from '../flags.ts';

export function planNetwork(flags: Flags, name: string): NetworkCreateBody {
  const from = flags.string('config-from');
  return {
    Driver: flags.string('driver', 'bridge'),
    Scope: flags.string('scope'),
    ...(flags.has('ipv4') ? { EnableIPv4: flags.bool('ipv4') } : {}),
    ...(flags.has('ipv6') ? { EnableIPv6: flags.bool('ipv6') } : {}),
    IPAM: {
      Driver: flags.string('ipam-driver', 'default'),
      Options: flags.map('ipam-opt'),
      Config: planIpam(flags),
    },
    Internal: flags.bool('internal'),
    Attachable: flags.bool('attachable'),
    Ingress: flags.bool('ingress'),
    ConfigOnly: flags.bool('config-only'),
    ConfigFrom: from === '' ? null : { Network: from },
    Options: flags.map('opt'),
    Labels: pairs(flags.list('label')),
    Name: name,
  };
}

type Wish = { -readonly [K in keyof IpamConfig]: IpamConfig[K] };

/** Ranges, gateways and auxiliary addresses go to the subnet that they lie in. */
function planIpam(flags: Flags): IpamConfig[] {
  const subnets = flags.list('subnet');
  const ranges = flags.list('ip-range');
  const gateways = flags.list('gateway');
  if (subnets.length < ranges.length || subnets.length < gateways.length) {
    throw invalid('every ip-range or gateway must have a corresponding subnet');
  }
  const made = new Map<string, Wish>();
  for (const subnet of subnets) {
    for (const other of made.keys()) {
      if (matches(subnet, other) || matches(other, subnet)) {
        throw invalid('multiple overlapping subnet configuration is not supported');
      }
    }
    made.set(subnet, { Subnet: subnet });
  }
  const put = (what: string, text: string, set: (wish: Wish, subnet: string) => void): void => {
    const found = [...made].filter(([subnet]) => matches(subnet, text));
    for (const [subnet, wish] of found) set(wish, subnet);
    if (found.length === 0) throw invalid(`no matching subnet for ${what} ${text}`);
  };
  for (const range of ranges) {
    parseCidr(range);
    put('range', range, (wish, subnet) => {
      if (wish.IPRange !== undefined) {
        const both = `(${range}, ${wish.IPRange})`;
        throw invalid(`cannot configure multiple ranges ${both} on the same subnet (${subnet})`);
      }
      wish.IPRange = range;
    });
  }
  for (const gateway of gateways) {
    put('gateway', gateway, (wish, subnet) => {
      if (wish.Gateway !== undefined) {
        const both = `(${gateway}, ${wish.Gateway})`;
        throw invalid(`cannot configure multiple gateways ${both} for the same subnet (${subnet})`);
      }
      wish.Gateway = gateway;
    });
  }
  for (const [name, address] of Object.entries(flags.map('aux-address'))) {
    put('aux-address', address, (wish) => {
      wish.AuxiliaryAddresses = { ...wish.AuxiliaryAddresses, [name]: address };
    });
  }
  return [...made.values()].map(asWritten);
}

/**
 * The book writes the gateway with the prefix of its subnet, `--subnet 192.168.10.1/24`, which
 * Docker's daemon took at that time and refuses today.
 */
function asWritten(wish: Wish): IpamConfig {
  const prefix = readCidr(wish.Subnet ?? '');
  if (prefix === undefined || wish.Gateway !== undefined) return wish;
  const subnet = formatCidr(networkOf(prefix));
  if (formatCidr(prefix) === subnet) return wish;
  return { ...wish, Subnet: subnet, Gateway: formatIp(prefix.address) };
}

/** Whether an address, or the first one of a range, lies in the subnet. */
function matches(subnet: string, text: string): boolean {
  let prefix: IpPrefix;
  try {
    prefix = parseCidr(subnet);
  } catch {
    throw invalid(`invalid subnet: invalid CIDR address: ${subnet}`);
  }
  const address = text.includes('/') ? parseCidr(text).address : readIp(text);
  return address !== undefined && contains(prefix, address);
}

export function planConnect(flags: Flags, container: string): NetworkConnectBody {
  const links = flags.list('link');
  const ip = flags.string('ip');
  const ip6 = flags.string('ip6');
  const linkLocal = flags.list('link-local-ip');
  const endpoint: EndpointConfig & Omit<EndpointSettings, keyof EndpointConfig> = {
    IPAMConfig: {
      ...(ip === '' ? {} : { IPv4Address: ip }),
      ...(ip6 === '' ? {} : { IPv6Address: ip6 }),
      ...(linkLocal.length === 0 ? {} : { LinkLocalIPs: linkLocal }),
    },
    Links: links.length === 0 ? null : links,
    Aliases: flags.list('alias'),
    MacAddress: '',
    DriverOpts: driverOptions(flags.list('driver-opt')),
    GwPriority: flags.number('gw-priority'),
    ...UNCONNECTED,
  };
  return { Container: container, EndpointConfig: endpoint };
}

function driverOptions(values: readonly string[]): Record<string, string> {
  const made: Record<string, string> = {};
  for (const text of values) {
    const equals = text.indexOf('=');
    const key = text.slice(0, Math.max(equals, 0)).trim();
    if (key === '') throw invalid('invalid key/value pair format in driver options');
    made[key] = text.slice(equals + 1).trim();
  }
  return made;
}
