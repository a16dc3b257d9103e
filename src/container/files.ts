// The three files that a container gets of its own: hosts, hostname, resolv.conf. Text is made
// purely; it is written anew at every start, as dockerd does.
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { EngineError } from '#base/error.ts';
import type { HostConfig } from './spec.ts';

const LOCALHOST = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::\tip6-localnet',
  'ff00::\tip6-mcastprefix',
  'ff02::1\tip6-allnodes',
  'ff02::2\tip6-allrouters',
];
/** systemd-resolved's stub lists its upstreams here (systemd-resolved.service(8)). */
const RESOLVED_UPSTREAMS = '/run/systemd/resolve/resolv.conf';
const RESOLV_CONF = '/etc/resolv.conf';
const FALLBACK_SERVERS = ['8.8.8.8', '8.8.4.4'];

/** `base`: the host's own text, for a container that shares its network. */
export function hostsText(hostname: string, extraHosts: readonly string[], base?: string): string {
  const lines = base === undefined ? [...LOCALHOST] : base.trimEnd().split('\n');
  for (const entry of extraHosts) {
    const { name, address } = parseExtraHost(entry);
    lines.push(`${address}\t${name}`);
  }
  // Without a network there is no address of its own; the name still resolves to itself.
  if (base === undefined) lines.push(`127.0.1.1\t${hostname}`);
  return `${lines.join('\n')}\n`;
}

/** "name:address"; the address may be IPv6, bare or in brackets. */
export function parseExtraHost(entry: string): { readonly name: string; readonly address: string } {
  const at = entry.indexOf(':');
  const name = entry.slice(0, at);
  const address = entry.slice(at + 1).replace(/^\[(.*)\]$/, '$1');
  if (at < 1 || !/^[^\s\0]+$/.test(name)) {
    throw new EngineError('invalid_argument', `bad format for add-host: "${entry}"`);
  }
  if (address === 'host-gateway') {
    throw new EngineError('invalid_argument', 'unable to derive the IP value for host-gateway');
  }
  if (isIP(address) === 0) {
    throw new EngineError('invalid_argument', `invalid IP address in add-host: "${address}"`);
  }
  return { name, address };
}

export function resolvConfText(
  host: Pick<HostConfig, 'dns' | 'dnsOptions' | 'dnsSearch'>,
  hostText: string,
): string {
  const lines = hostText.split('\n').map((line) => line.trim());
  const of = (key: string): string[] =>
    lines.filter((line) => line.startsWith(`${key} `)).map((line) => line.slice(key.length + 1));
  let servers = host.dns.length > 0 ? [...host.dns] : of('nameserver');
  if (host.dns.length === 0 && servers.length === 0) servers = FALLBACK_SERVERS;
  const search =
    host.dnsSearch.length > 0
      ? host.dnsSearch.filter((domain) => domain !== '.').join(' ')
      : (of('search').at(-1) ?? '');
  const options =
    host.dnsOptions.length > 0 ? host.dnsOptions.join(' ') : (of('options').at(-1) ?? '');
  return [
    ...servers.map((server) => `nameserver ${server}`),
    ...(search === '' ? [] : [`search ${search}`]),
    ...(options === '' ? [] : [`options ${options}`]),
    '',
  ].join('\n');
}

export async function readHostHosts(): Promise<string> {
  return readFile('/etc/hosts', 'utf8').catch(() => LOCALHOST.join('\n'));
}

/** The host's resolver settings, past the stub of systemd-resolved; "" when there are none. */
export async function readHostResolvConf(): Promise<string> {
  const text = await readFile(RESOLV_CONF, 'utf8').catch(() => '');
  const stub = /^nameserver 127\.0\.0\.53\s*$/m.test(text);
  if (!stub) return text;
  return readFile(RESOLVED_UPSTREAMS, 'utf8').catch(() => text);
}
