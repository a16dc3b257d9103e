// What a container wishes of its networks: from its spec to the wishes of a start, and what is
// refused whatever the network is. Pure; texts are Docker's.
import { EngineError } from '#base/error.ts';
import { contains, parseCidr, readIp } from '#base/ip-address.ts';
import type { EndpointWish, NetworkRecord } from '#network/engine.ts';
import { isUserDefined, type NetworkMode, parseNetworkMode } from '#network/mode.ts';
import { checkAliases, parseLink } from '#network/names/check.ts';
import type { ContainerSpec } from './spec.ts';

export type Networking = ContainerSpec['networking'];

export const PLAIN_WISH: Omit<EndpointWish, 'network'> = {
  aliases: [],
  links: [],
  ip: undefined,
  ip6: undefined,
  linkLocalIps: [],
  mac: undefined,
  driverOpts: {},
  gwPriority: 0,
};

/** The record of a network by name or id; undefined = there is none. */
export type FindNetwork = (ref: string) => NetworkRecord | undefined;

/**
 * The networks of a new container by name: those that it lists, or that of its mode, which comes
 * first. A network that is not there yet keeps the name that it was given.
 */
export function settleNetworking(
  spec: Pick<ContainerSpec, 'host' | 'networking' | 'config'>,
  find: FindNetwork,
): Networking {
  const mode = parseNetworkMode(spec.host.networkMode);
  if (mode.mode === 'container' || spec.config.networkDisabled) return {};
  const own = mode.mode === 'network' ? mode.network : mode.mode;
  const nameOf = (ref: string): string => find(ref)?.name ?? ref;
  const main = nameOf(own);
  const given = Object.values(spec.networking);
  const wishes = given.length > 0 ? given : [{ ...PLAIN_WISH, network: own }];
  const isMain = (wish: EndpointWish): boolean => nameOf(wish.network) === main;
  const ordered = [...wishes.filter(isMain), ...wishes.filter((wish) => !isMain(wish))];
  const settled = new Map<string, EndpointWish>();
  for (const wish of ordered) {
    const network = nameOf(wish.network);
    if (settled.has(network)) {
      throw invalid(`network ${network} is named twice: ${wish.network} is the same one`);
    }
    settled.set(network, { ...wish, network });
  }
  return Object.fromEntries(settled);
}

/** What is wrong with the wishes of a new container; undefined = nothing. */
export function checkNetworking(networking: Networking, find: FindNetwork): void {
  for (const wish of Object.values(networking)) checkNames(wish);
  const faults = Object.entries(networking).flatMap(([name, wish]) => {
    const own = faultsOf(wish, find(name));
    return own.length === 0
      ? []
      : [`invalid config for network ${name}: invalid endpoint settings:\n${joined(own)}`];
  });
  if (faults.length > 0) throw invalid(joined(faults));
}

/** Host, none and another container's network exclude every other one (moby's runconfig). */
export function checkTogether(networks: readonly string[], mode: NetworkMode): void {
  if (mode.mode === 'container' && networks.length > 0) throw invalid(SHARED);
  if (networks.includes('host') && mode.mode !== 'host') {
    throw invalid(
      'cannot connect container to host network - container must be created in host network mode',
    );
  }
  if (networks.length < 2) return;
  if (networks.includes('host')) throw invalid(SHARED);
  if (networks.includes('none')) {
    throw invalid(
      'container cannot be connected to multiple networks with one of the networks in private ' +
        '(none) mode',
    );
  }
}

const SHARED =
  'container sharing network namespace with another container or host cannot be connected to any ' +
  'other network';

/** Of one more network of a container. */
export function checkEndpoint(wish: EndpointWish, network: NetworkRecord | undefined): void {
  checkNames(wish);
  const faults = faultsOf(wish, network);
  if (faults.length > 0) throw invalid(`invalid endpoint settings:\n${joined(faults)}`);
}

function checkNames(wish: EndpointWish): void {
  checkAliases(wish.aliases);
  for (const link of wish.links) parseLink(link);
}

function faultsOf(wish: EndpointWish, network: NetworkRecord | undefined): readonly string[] {
  const faults: string[] = [];
  const name = network?.name ?? wish.network;
  if (!isUserDefined(name)) {
    if (wish.ip !== undefined || wish.ip6 !== undefined) {
      faults.push('user specified IP address is supported on user defined networks only');
    }
    if (wish.aliases.length > 0) {
      faults.push('network-scoped alias is supported only for containers in user defined networks');
    }
  }
  if (wish.ip !== undefined && !isAddress(wish.ip, 4)) {
    faults.push(`invalid IPv4 address: ${wish.ip}`);
  }
  if (wish.ip6 !== undefined && !isAddress(wish.ip6, 6)) {
    faults.push(`invalid IPv6 address: ${wish.ip6}`);
  }
  for (const address of wish.linkLocalIps) {
    if (!isAddress(address, undefined)) faults.push(`invalid link-local IP address: ${address}`);
  }
  if (faults.length > 0) return faults;
  if (network !== undefined && isUserDefined(name)) {
    faults.push(...outOfRange(wish.ip, network), ...outOfRange(wish.ip6, network));
  }
  if (wish.mac !== undefined && !isMac(wish.mac)) faults.push(`invalid MAC address ${wish.mac}`);
  return faults;
}

function outOfRange(ip: string | undefined, network: NetworkRecord): readonly string[] {
  const address = ip === undefined ? undefined : readIp(ip);
  if (address === undefined) return [];
  const subnets = network.ipam.subnets
    .filter((subnet) => subnet.userConfigured)
    .map((subnet) => parseCidr(subnet.subnet))
    .filter((subnet) => subnet.address.family === address.family);
  if (subnets.length === 0) {
    return [
      'user specified IP address is supported only when connecting to networks with user ' +
        'configured subnets',
    ];
  }
  if (subnets.some((subnet) => contains(subnet, address))) return [];
  return [`no configured subnet or ip-range contain the IP address ${ip}`];
}

function isAddress(text: string, family: 4 | 6 | undefined): boolean {
  const address = readIp(text);
  if (address === undefined || address.value === 0n) return false;
  return family === undefined || address.family === family;
}

/** 6 bytes by colons, hyphens or dots, as Go's net.ParseMAC reads them. */
const MACS = [
  /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i,
  /^[0-9a-f]{2}(?:-[0-9a-f]{2}){5}$/i,
  /^[0-9a-f]{4}(?:\.[0-9a-f]{4}){2}$/i,
];

function isMac(text: string): boolean {
  return MACS.some((pattern) => pattern.test(text));
}

/** As moby's multierror joins them. */
function joined(texts: readonly string[]): string {
  if (texts.length === 1) return texts[0] ?? '';
  return `* ${texts.map((text) => text.replaceAll('\n', '\n\t')).join('\n* ')}`;
}

function invalid(text: string): EngineError {
  return new EngineError('invalid_argument', text);
}
