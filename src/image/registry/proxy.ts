// Which proxy a request takes, by the rules of Go's httpproxy package, which dockerd has:
// HTTP_PROXY, HTTPS_PROXY and NO_PROXY, also in lower case; loopback never takes one.
import { EngineError } from '#base/error.ts';
import { contains, type IpAddress, isLoopback, readCidr, readIp } from '#base/ip-address.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const SCHEMES: readonly string[] = ['http:', 'https:', 'socks5:'];

/** The proxy's URL, or undefined for a direct connection. */
export function proxyFor(url: URL, environment: Environment): URL | undefined {
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const text = settingOf(environment, name);
  if (text === '' || isDirect(url, settingOf(environment, 'NO_PROXY'))) return undefined;
  const proxy = URL.parse(/^[a-z0-9+.-]+:\/\//i.test(text) ? text : `http://${text}`);
  if (proxy !== null && SCHEMES.includes(proxy.protocol)) return proxy;
  // The value may have a password.
  throw new EngineError('invalid_argument', `invalid proxy: ${name} is no URL of a proxy`);
}

function settingOf(environment: Environment, name: string): string {
  return (environment[name] || environment[name.toLowerCase()] || '').trim();
}

function isDirect(url: URL, noProxy: string): boolean {
  const host = url.hostname.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  const address = readIp(host);
  if (host === 'localhost' || (address !== undefined && isLoopback(address))) return true;
  return noProxy.split(/[\s,]+/).some((entry) => {
    if (entry === '') return false;
    if (entry === '*') return true;
    const prefix = readCidr(entry);
    if (prefix !== undefined) return address !== undefined && contains(prefix, address);
    const [, name = '', only = ''] = /^(.*?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
    // An IPv6 address without a port has colons of its own.
    const whole = readIp(entry);
    if (whole !== undefined) return isSame(whole, address);
    if (only !== '' && only !== port) return false;
    const domain = name.replace(/^\*\./, '.').replace(/^\[(.*)\]$/, '$1');
    const listed = readIp(domain);
    if (listed !== undefined) return isSame(listed, address);
    if (domain.startsWith('.')) return host.endsWith(domain);
    return host === domain || (address === undefined && host.endsWith(`.${domain}`));
  });
}

/** An address of IPv6 has many texts. */
function isSame(one: IpAddress, other: IpAddress | undefined): boolean {
  return one.family === other?.family && one.value === other.value;
}
