// What of names and resolver settings is let in. They end as lines of /etc/hosts and
// /etc/resolv.conf, where a newline would be a line of the attacker's own, and as labels of DNS.
import { isIP } from 'node:net';
import { EngineError } from '#base/error.ts';
import type { ResolvOverrides } from '../dns/resolv-conf.ts';

/** RFC 1035, 3.1: 255 bytes with the length bytes of the labels. */
export const NAME_LENGTH_MAX = 253;
export const LABEL_LENGTH_MAX = 63;
/** A resolver library reads three; more is room for those who change the file. */
export const DNS_SERVERS_MAX = 32;
export const SEARCH_DOMAINS_MAX = 64;
export const DNS_OPTIONS_MAX = 32;
export const DNS_OPTION_LENGTH_MAX = 128;
/** Of one endpoint. */
export const ALIASES_MAX = 1024;

/** Printable ASCII without space, '#' (a comment in hosts) and ':' (which ends a link's name). */
const NAME = /^[!"$-9;-~]+$/;
const CONTAINER = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/;
const OPTION = /^[A-Za-z0-9][A-Za-z0-9_.:-]*$/;

const refuse = (message: string): EngineError => new EngineError('invalid_argument', message);

/** Long texts of an attacker do not belong into answers and logs whole. */
function quote(text: string): string {
  const shown = text.length > NAME_LENGTH_MAX ? `${text.slice(0, NAME_LENGTH_MAX)}...` : text;
  return JSON.stringify(shown);
}

function faultOf(name: string): string | undefined {
  if (name === '') return 'it is empty';
  if (!NAME.test(name)) return 'only printable characters without spaces, # and : are allowed';
  // Programs would take it for a flag.
  if (name.startsWith('-')) return 'it must not begin with a dash';
  if (name.length > NAME_LENGTH_MAX) return `it is longer than ${NAME_LENGTH_MAX} characters`;
  const labels = (name.endsWith('.') ? name.slice(0, -1) : name).split('.');
  if (labels.some((label) => label === '')) return 'it has an empty label between dots';
  if (labels.some((label) => label.length > LABEL_LENGTH_MAX)) {
    return `a label between dots is longer than ${LABEL_LENGTH_MAX} characters`;
  }
  return undefined;
}

/** `what`: "network alias", "hostname", ... */
export function checkDnsName(what: string, name: string): void {
  const fault = faultOf(name);
  if (fault !== undefined) throw refuse(`invalid ${what} ${quote(name)}: ${fault}`);
}

export function checkAliases(aliases: readonly string[]): void {
  if (aliases.length > ALIASES_MAX) {
    throw refuse(`too many network aliases: ${aliases.length} (at most ${ALIASES_MAX})`);
  }
  for (const alias of aliases) checkDnsName('network alias', alias);
}

/** "container:alias" or "container", with Docker's text for one that is neither. */
export function parseLink(text: string): { readonly container: string; readonly alias: string } {
  const [container = '', alias = container, ...rest] = text.split(':');
  if (text === '') throw refuse('empty string specified for links');
  if (container === '' || alias === '' || rest.length > 0) {
    throw refuse(`bad format for links: ${quote(text).slice(1, -1)}`);
  }
  // "/web:/other/db" is how Docker shows links in inspect, and what clients give back.
  const link = { container: container.replace(/^\//, ''), alias: alias.replace(/^.*\//, '') };
  if (!CONTAINER.test(link.container)) {
    throw refuse(`invalid link ${quote(text)}: it must begin with the name or id of a container`);
  }
  checkDnsName('link alias', link.alias);
  return link;
}

function atMost(what: string, given: readonly string[], max: number): void {
  if (given.length > max) throw refuse(`too many ${what}: ${given.length} (at most ${max})`);
}

/** --dns, --dns-search, --dns-option, of a container or of the daemon. */
export function checkDns({ servers = [], search = [], options = [] }: ResolvOverrides): void {
  atMost('DNS servers', servers, DNS_SERVERS_MAX);
  for (const server of servers) {
    if (isIP(server) === 0) {
      throw refuse(`invalid DNS server ${quote(server)}: it must be an IPv4 or IPv6 address`);
    }
  }
  atMost('DNS search domains', search, SEARCH_DOMAINS_MAX);
  for (const domain of search) {
    if (domain !== '.' && domain !== '') checkDnsName('DNS search domain', domain);
  }
  atMost('DNS options', options, DNS_OPTIONS_MAX);
  for (const option of options) {
    if (option.length > DNS_OPTION_LENGTH_MAX || !OPTION.test(option)) {
      throw refuse(`invalid DNS option ${quote(option)}: it must be like ndots:2 or edns0`);
    }
  }
}
