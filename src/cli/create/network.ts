// `--network NAME` and `--network name=NAME,alias=a,ip=...`, and the endpoint that follows from
// it and from the older flags (--ip, --link, --network-alias, --mac-address).
import type { FlagKind } from '../flag-kind.ts';
import { invalid, parseInteger } from '../flag-kind.ts';
import { splitCsv } from './csv.ts';

export interface NetworkAttachment {
  readonly target: string;
  readonly aliases: readonly string[];
  readonly links: readonly string[];
  readonly driverOpts: Readonly<Record<string, string>>;
  readonly ip: string;
  readonly ip6: string;
  readonly mac: string;
  readonly linkLocal: readonly string[];
  readonly priority: number;
}

export const NO_ATTACHMENT: NetworkAttachment = {
  target: 'default',
  aliases: [],
  links: [],
  driverOpts: {},
  ip: '',
  ip6: '',
  mac: '',
  linkLocal: [],
  priority: 0,
};

export const networkKind: FlagKind<readonly NetworkAttachment[]> = {
  word: 'network',
  parse: (text, before) => [...(before ?? []), parseAttachment(text)],
};

function parseAttachment(text: string): NetworkAttachment {
  if (!/\w+=\w+(,\w+=\w+)*/.test(text)) return { ...NO_ATTACHMENT, target: text };
  let made: NetworkAttachment = { ...NO_ATTACHMENT, target: '' };
  for (const field of splitCsv(text)) {
    const equals = field.indexOf('=');
    const key = field.slice(0, equals).trim().toLowerCase();
    if (equals < 0 || key === '') throw invalid(`invalid field ${field}`);
    made = withField(
      made,
      key,
      field
        .slice(equals + 1)
        .trim()
        .toLowerCase(),
    );
  }
  if (made.target === '') throw invalid('network name/id is not specified');
  return made;
}

function withField(made: NetworkAttachment, key: string, value: string): NetworkAttachment {
  switch (key) {
    case 'name':
      return { ...made, target: value };
    case 'alias':
      return { ...made, aliases: [...made.aliases, value] };
    case 'driver-opt':
      return { ...made, driverOpts: { ...made.driverOpts, ...driverOption(value) } };
    case 'ip':
      return { ...made, ip: value };
    case 'ip6':
      return { ...made, ip6: value };
    case 'mac-address':
      return { ...made, mac: value };
    case 'link-local-ip':
      return { ...made, linkLocal: [...made.linkLocal, value] };
    case 'gw-priority':
      return { ...made, priority: priority(value) };
    default:
      throw invalid(`invalid field key ${key}`);
  }
}

function priority(value: string): number {
  try {
    return parseInteger(value);
  } catch {
    throw invalid(`invalid gw-priority (${value}): invalid syntax`);
  }
}

function driverOption(text: string): Record<string, string> {
  const equals = text.indexOf('=');
  if (equals <= 0) throw invalid('invalid key value pair format in driver options');
  return { [text.slice(0, equals).trim()]: text.slice(equals + 1).trim() };
}

/** Go's net.ParseMAC: 6, 8 or 20 bytes, by colons, hyphens or dots. */
export function isMac(text: string): boolean {
  const separator = /^[0-9a-fA-F]{2}([:-])/.exec(text)?.[1] ?? '.';
  const digits = separator === '.' ? 4 : 2;
  const parts = text.split(separator);
  const hex = new RegExp(`^[0-9a-fA-F]{${digits}}$`);
  return parts.every((part) => hex.test(part)) && [6, 8, 20].includes((parts.length * digits) / 2);
}

export function isUserDefined(target: string): boolean {
  return !['default', 'bridge', 'host', 'none'].includes(target) && !/^container(:|$)/.test(target);
}

/** The older flags, which speak about the first network. */
export type OlderFlags = Pick<
  NetworkAttachment,
  'aliases' | 'links' | 'ip' | 'ip6' | 'mac' | 'linkLocal'
>;

/** EndpointsConfig of the create body. */
export function planEndpoints(
  networks: readonly NetworkAttachment[],
  older: OlderFlags,
): Record<string, object> {
  const wanted = networks.length === 0 ? [NO_ATTACHMENT] : networks;
  const endpoints: Record<string, object> = {};
  for (const [index, network] of wanted.entries()) {
    const endpoint = endpointOf(index === 0 ? withOlder(network, older) : network);
    if (network.target in endpoints) {
      throw invalid(`network ${JSON.stringify(network.target)} is specified multiple times`);
    }
    // An explicit `--network host` alone with nothing more to say is NetworkMode alone.
    const silent = networks.length === 1 && !isUserDefined(network.target) && isPlain(endpoint);
    if (!silent) endpoints[network.target] = endpoint;
  }
  const own = wanted.filter(({ target }) => isUserDefined(target)).length;
  if (own > 0 && own < wanted.length) {
    const what = 'cannot attach both user-defined and non-user-defined network-modes';
    throw invalid(`conflicting options: ${what}`);
  }
  return endpoints;
}

function withOlder(network: NetworkAttachment, older: OlderFlags): NetworkAttachment {
  const conflicts: readonly (readonly [keyof OlderFlags, string])[] = [
    ['aliases', '--network-alias and per-network alias'],
    ['links', '--link and per-network links'],
    ['ip', '--ip and per-network IPv4 address'],
    ['ip6', '--ip6 and per-network IPv6 address'],
    ['mac', '--mac-address and per-network MAC address'],
    ['linkLocal', '--link-local-ip and per-network link-local IP addresses'],
  ];
  const made: Record<string, unknown> = { ...network };
  for (const [key, what] of conflicts) {
    if (older[key].length === 0) continue;
    if (network[key].length > 0) {
      throw invalid(`conflicting options: cannot specify both ${what}`);
    }
    // Links outside user-defined networks are HostConfig.Links alone.
    if (key !== 'links' || isUserDefined(network.target)) made[key] = older[key];
  }
  return made as unknown as NetworkAttachment;
}

function isPlain(endpoint: object): boolean {
  return Object.values(endpoint).every((value) => value === null || value === '' || value === 0);
}

/** What the engine fills in, as the docker CLI sends it. */
export const UNCONNECTED = {
  NetworkID: '',
  EndpointID: '',
  Gateway: '',
  IPAddress: '',
  IPPrefixLen: 0,
  IPv6Gateway: '',
  GlobalIPv6Address: '',
  GlobalIPv6PrefixLen: 0,
  DNSNames: null,
} as const;

function endpointOf(network: NetworkAttachment): object {
  if (network.target.trim() === '') throw invalid('no name set for network');
  if (network.mac !== '' && !isMac(network.mac.trim())) {
    throw invalid(`${network.mac} is not a valid mac address`);
  }
  if (!isUserDefined(network.target)) {
    if (network.aliases.length > 0) {
      throw invalid('network-scoped aliases are only supported for user-defined networks');
    }
    if (network.links.length > 0) {
      throw invalid('links are only supported for user-defined networks');
    }
  }
  const ipam = {
    ...(network.ip === '' ? {} : { IPv4Address: network.ip }),
    ...(network.ip6 === '' ? {} : { IPv6Address: network.ip6 }),
    ...(network.linkLocal.length === 0 ? {} : { LinkLocalIPs: network.linkLocal }),
  };
  return {
    IPAMConfig: Object.keys(ipam).length === 0 ? null : ipam,
    Links: network.links.length === 0 ? null : network.links,
    Aliases: network.aliases.length === 0 ? null : network.aliases,
    MacAddress: network.mac,
    DriverOpts: Object.keys(network.driverOpts).length === 0 ? null : network.driverOpts,
    GwPriority: network.priority,
    ...UNCONNECTED,
  };
}
