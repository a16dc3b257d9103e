// Where a registry is: from the domain in an image's name and the configuration to the URLs that
// are tried, in order. No I/O, so a name is never looked up here: `insecure` compares what was
// written, as somebody who can forge DNS answers must not be able to turn TLS off.
import { EngineError } from '#base/error.ts';
import { contains, isLoopback, readCidr, readIp } from '#base/ip-address.ts';
import type { RegistryConfig } from './registry.ts';

export const HUB = 'docker.io';
/** Of old: `docker login` without a server sends the URL of its index. */
const HUB_NAMES: readonly string[] = [HUB, 'index.docker.io', 'registry-1.docker.io'];
const HUB_ORIGIN = 'https://registry-1.docker.io';

export type Endpoint = {
  /** "https://registry-1.docker.io", "http://[::1]:5000" */
  readonly origin: string;
  /** False: the certificate is not looked at. */
  readonly verify: boolean;
};

/** One registry or mirror, and how it may be reached. */
export type Source = {
  /** HOST[:PORT] of the URL, where certificates are looked for by. */
  readonly host: string;
  /** In order: an insecure registry is tried without verification and then without TLS. */
  readonly candidates: readonly Endpoint[];
  /** "hub/": goes before the repository's path. */
  readonly prefix: string;
  /** The domain that a mirror stands for. */
  readonly mirrorOf: string | undefined;
};

type Policy = Pick<RegistryConfig, 'insecure' | 'mirrors' | 'blocked'>;

/** Splits "host:port" and "[::1]:port"; the port is '' where there is none. */
export function splitHost(host: string): { readonly name: string; readonly port: string } {
  const match = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(host);
  return { name: (match?.[1] ?? host).toLowerCase(), port: match?.[2] ?? '' };
}

/** True for loopback, and for what the configuration names by host[:port], address or CIDR. */
export function isInsecure(host: string, insecure: readonly string[]): boolean {
  const { name } = splitHost(host);
  const address = readIp(name.replace(/^\[(.*)\]$/, '$1'));
  if (name === 'localhost' || (address !== undefined && isLoopback(address))) return true;
  return insecure.some((entry) => {
    const prefix = readCidr(entry);
    if (prefix === undefined) return entry.toLowerCase() === host.toLowerCase();
    return address !== undefined && contains(prefix, address);
  });
}

/** A name without a port is every port of that host, "*.example.com" everything below it. */
export function isBlocked(host: string, blocked: readonly string[]): boolean {
  const { name, port } = splitHost(host);
  const names = HUB_NAMES.includes(name) ? HUB_NAMES : [name];
  return blocked.some((entry) => {
    const other = splitHost(entry);
    if (other.port !== '' && other.port !== port) return false;
    if (!other.name.startsWith('*.')) return names.includes(other.name);
    return names.some((each) => each.endsWith(other.name.slice(1)));
  });
}

export function refuseBlocked(host: string, blocked: readonly string[]): void {
  if (!isBlocked(host, blocked)) return;
  throw new EngineError('forbidden', blockedWords(host), { facts: { registry: host } });
}

export const blockedWords = (host: string): string =>
  `registry ${host} is blocked by the configuration of this engine`;

/** The registry itself, without mirrors. */
export function upstreamOf(domain: string, insecure: readonly string[]): Source {
  const plain = { prefix: '', mirrorOf: undefined };
  if (HUB_NAMES.includes(domain)) {
    const candidates = [{ origin: HUB_ORIGIN, verify: true }];
    return { host: 'registry-1.docker.io', candidates, ...plain };
  }
  const candidates = candidatesOf('https:', domain, insecure);
  return { host: domain, candidates, ...plain };
}

/** What is read from, in order: the mirrors, then the registry itself. */
export function readSources(
  domain: string,
  { insecure, mirrors }: Pick<Policy, 'insecure' | 'mirrors'>,
): readonly Source[] {
  const known = Object.hasOwn(mirrors, domain) ? domain : '*';
  const urls = Object.hasOwn(mirrors, known) ? (mirrors[known] ?? []) : [];
  const before = urls.map((text) => mirrorSource(text, domain, insecure));
  return [...before, upstreamOf(domain, insecure)];
}

/** Its path goes before that of the repository. */
function mirrorSource(text: string, domain: string, insecure: readonly string[]): Source {
  const url = new URL(text);
  const path = url.pathname.replace(/^\/+|\/+$/g, '');
  return {
    host: url.host,
    candidates: candidatesOf(url.protocol, url.host, insecure),
    prefix: path === '' ? '' : `${path}/`,
    mirrorOf: domain,
  };
}

function candidatesOf(scheme: string, host: string, insecure: readonly string[]): Endpoint[] {
  const http = { origin: `http://${host}`, verify: false };
  if (scheme === 'http:') return [http];
  const origin = `https://${host}`;
  if (!isInsecure(host, insecure)) return [{ origin, verify: true }];
  return [{ origin, verify: false }, http];
}

/** `docker login SERVER`, or the serveraddress of X-Registry-Auth, as the domain of a name. */
export function domainOfServer(address: string): string {
  const host = address.replace(/^https?:\/\//, '').replace(/\/.*$/s, '');
  if (host === '' || HUB_NAMES.includes(host.toLowerCase())) return HUB;
  // The grammar of the domain in a name; anything else would end up in a URL.
  if (/^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::\d+)?$/.test(host)) {
    return host;
  }
  throw new EngineError(
    'invalid_argument',
    `invalid registry address ${JSON.stringify(address)}: it is HOST[:PORT]`,
  );
}
