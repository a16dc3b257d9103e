// What a container may wish of a network, checked before anything is made. Texts are Docker's: it
// collects all faults of an endpoint under one heading.
import { EngineError } from '#base/error.ts';
import { parseCidr, readIp } from '#base/ip-address.ts';
import { checkInterfaceName } from '#kernel/netlink/message.ts';
import { OPTION } from './driver/bridge/options.ts';
import type { EndpointWish, NetworkRecord } from './engine.ts';

const ENDPOINT_SYSCTLS = 'com.docker.network.endpoint.sysctls';
const ENDPOINT_IFNAME = 'com.docker.network.endpoint.ifname';
export const SYSCTLS_PER_ENDPOINT_MAX = 64;
export const ALIASES_PER_ENDPOINT_MAX = 128;
const LINK_LOCAL_MAX = 16;

/** The default bridge has no names, and its addresses are nobody's choice. */
export const isUserDefined = (record: NetworkRecord): boolean =>
  record.driver !== 'host' &&
  record.driver !== 'null' &&
  record.options[OPTION.defaultBridge] !== 'true';

export type EndpointSysctl = {
  /** With slashes, for the interface: "net/ipv4/conf/eth0/log_martians". */
  readonly key: string;
  readonly value: string;
};

/** "net.ipv4.conf.IFNAME.forwarding=1,...", for an interface of this name. */
export function parseEndpointSysctls(
  driverOpts: EndpointWish['driverOpts'],
  name: string,
): readonly EndpointSysctl[] {
  const text = driverOpts[ENDPOINT_SYSCTLS] ?? '';
  if (text === '') return [];
  const items = text.split(',');
  if (items.length > SYSCTLS_PER_ENDPOINT_MAX) {
    throw invalid(`more than ${SYSCTLS_PER_ENDPOINT_MAX} sysctls in ${ENDPOINT_SYSCTLS}`);
  }
  return items.map((item) => {
    const at = item.indexOf('=');
    if (at < 1) throw invalid(`expected sysctl '${item}' to have format name=value`);
    const parts = item.slice(0, at).split('.');
    const [net, family, kind, placeholder, setting] = parts;
    const isForm =
      parts.length === 5 &&
      net === 'net' &&
      placeholder === 'IFNAME' &&
      [family, kind, setting].every((part) => /^[a-z0-9_]+$/.test(part ?? ''));
    if (!isForm) throw invalid(`expected sysctl '${item}' to have format net.X.Y.IFNAME.Z`);
    return { key: [net, family, kind, name, setting].join('/'), value: item.slice(at + 1) };
  });
}

/** The name that the user gives the interface; undefined = eth0 and so on. */
export function parseInterfaceName(driverOpts: EndpointWish['driverOpts']): string | undefined {
  const name = driverOpts[ENDPOINT_IFNAME] ?? '';
  if (name === '') return undefined;
  checkInterfaceName(name);
  if (name === 'lo') throw invalid('interface name "lo" is the loopback interface\'s');
  return name;
}

const invalid = (message: string): EngineError => new EngineError('invalid_argument', message);

function staticFault(record: NetworkRecord, ip: string): readonly string[] {
  const rule = 'user specified IP address is supported';
  const { family } = readIp(ip) ?? { family: 4 };
  const subnets = record.ipam.subnets.filter(
    ({ subnet }) => parseCidr(subnet).address.family === family,
  );
  if (subnets.some(({ userConfigured }) => userConfigured)) return [];
  return [`${rule} only when connecting to networks with user configured subnets`];
}

function addressFaults(record: NetworkRecord, wish: EndpointWish): readonly string[] {
  const faults: string[] = [];
  const given = [
    [wish.ip, 4],
    [wish.ip6, 6],
  ] as const;
  for (const [ip, family] of given) {
    if (ip === undefined) continue;
    if (readIp(ip)?.family !== family) faults.push(`invalid IPv${family} address: ${ip}`);
    else if (isUserDefined(record)) faults.push(...staticFault(record, ip));
  }
  for (const ip of wish.linkLocalIps) {
    const text = readIp(ip) === undefined ? undefined : ip;
    const isLinkLocal = text !== undefined && /^(169\.254\.|fe[89ab][0-9a-f]:)/i.test(text);
    if (!isLinkLocal) faults.push(`invalid link-local IP address: ${ip}`);
  }
  return faults;
}

/** Throws one error with all that is wrong. */
export function checkWish(record: NetworkRecord, wish: EndpointWish): void {
  const faults: string[] = [];
  if (!isUserDefined(record)) {
    if (wish.ip !== undefined || wish.ip6 !== undefined) {
      faults.push('user specified IP address is supported on user defined networks only');
    }
    if (wish.aliases.length > 0) {
      faults.push('network-scoped alias is supported only for containers in user defined networks');
    }
  }
  faults.push(...addressFaults(record, wish));
  if (wish.aliases.length > ALIASES_PER_ENDPOINT_MAX) {
    faults.push(`more than ${ALIASES_PER_ENDPOINT_MAX} network-scoped aliases`);
  }
  if (wish.linkLocalIps.length > LINK_LOCAL_MAX) {
    faults.push(`more than ${LINK_LOCAL_MAX} link-local IP addresses`);
  }
  if (faults.length > 0) throw invalid(`invalid endpoint settings:\n${faults.join('\n')}`);
  parseEndpointSysctls(wish.driverOpts, 'IFNAME');
  parseInterfaceName(wish.driverOpts);
}
