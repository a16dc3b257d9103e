// The text of a container's /etc/hosts, line for line as Docker writes it: the host's loopback
// names, --add-host and links, then the container itself by each of its addresses. Pure.
import { isIP } from 'node:net';
import { EngineError } from '#base/error.ts';
import { checkDnsName } from './check.ts';

const LOCALHOST_4 = '127.0.0.1\tlocalhost';
const LOCALHOST_6 = [
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::\tip6-localnet',
  'ff00::\tip6-mcastprefix',
  'ff02::1\tip6-allnodes',
  'ff02::2\tip6-allrouters',
];
/** What --add-host writes for the address of the host, whatever that is (opts/hosts.go). */
const HOST_GATEWAY = 'host-gateway';

export type ExtraHost = {
  readonly name: string;
  /** An address, or "host-gateway". */
  readonly address: string;
};

/** A container of the default bridge that another one was linked to. */
export type HostsLink = {
  readonly alias: string;
  /** Without the slash. */
  readonly name: string;
  readonly hostname: string;
  readonly addresses: readonly string[];
};

export type OwnHost = {
  readonly hostname: string;
  readonly domainname: string;
  /** Of its endpoints; empty without a network. */
  readonly addresses: readonly string[];
};

export type HostsRequest = OwnHost & {
  readonly extraHosts: readonly ExtraHost[];
  readonly links: readonly HostsLink[];
  /** --host-gateway-ip, or the gateways of the default bridge; empty where there is neither. */
  readonly hostGateway: readonly string[];
  /** The host's own text, for a container that shares its network. */
  readonly base?: string;
  /** False where a sysctl turns IPv6 off. */
  readonly ipv6?: boolean;
};

/** "name:address"; the address may be IPv6, bare or in brackets. */
export function parseExtraHost(entry: string): ExtraHost {
  const at = entry.indexOf(':');
  const name = entry.slice(0, at);
  const address = entry.slice(at + 1).replace(/^\[(.*)\]$/, '$1');
  if (at < 1) throw new EngineError('invalid_argument', `bad format for add-host: "${entry}"`);
  checkDnsName('name in add-host', name);
  if (address !== HOST_GATEWAY && isIP(address) === 0) {
    throw new EngineError('invalid_argument', `invalid IP address in add-host: "${address}"`);
  }
  return { name, address };
}

/** The full name and the bare one, whether a user gave it as one or split it (sandbox.go). */
function ownNames({ hostname, domainname }: OwnHost): string {
  const full = domainname === '' ? hostname : `${hostname}.${domainname}`;
  const dot = full.indexOf('.');
  return dot < 0 ? full : `${full} ${full.slice(0, dot)}`;
}

/** The lines by which a container knows itself; a live connect adds them, a disconnect removes. */
export function ownLines(own: OwnHost): readonly string[] {
  const names = ownNames(own);
  return own.addresses.map((address) => `${address}\t${names}`);
}

function extraLines(request: HostsRequest): readonly string[] {
  return request.extraHosts.flatMap(({ name, address }) => {
    if (address !== HOST_GATEWAY) return [`${address}\t${name}`];
    if (request.hostGateway.length === 0) {
      throw new EngineError('invalid_argument', 'unable to derive the IP value for host-gateway');
    }
    return request.hostGateway.map((gateway) => `${gateway}\t${name}`);
  });
}

export function linkLines({ alias, name, hostname, addresses }: HostsLink): readonly string[] {
  const names = [alias, hostname, ...(alias === name ? [] : [name])].join(' ');
  return addresses.map((address) => `${address}\t${names}`);
}

export function hostsText(request: HostsRequest): string {
  const base = request.base?.trimEnd().split('\n') ?? [
    LOCALHOST_4,
    ...(request.ipv6 === false ? [] : LOCALHOST_6),
  ];
  const lines = [
    ...base,
    ...extraLines(request),
    ...request.links.flatMap(linkLines),
    ...ownLines(request),
  ];
  return `${lines.join('\n')}\n`;
}

/** A running container's file after a change; what its programs wrote into it stays. */
export function changeHosts(
  text: string,
  change: { readonly remove: readonly string[]; readonly add: readonly string[] },
): string {
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n');
  const kept = lines.filter((line) => !change.remove.includes(line));
  return `${[...kept, ...change.add].join('\n')}\n`;
}
