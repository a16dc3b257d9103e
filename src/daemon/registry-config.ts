// The daemon's flags and keys about registries: dockerd's (`registry-mirrors`,
// `insecure-registries`, `max-concurrent-downloads` ...) with dockerd's texts, and ours: a mirror
// for any host, registries that are never asked, a cap on downloads, where certificates are. Pure.
import { parseSize } from '#base/bytes.ts';
import { EngineError, messageOf } from '#base/error.ts';
import { parseCidr } from '#base/ip-address.ts';
import type { RegistryConfig } from '#image/registry/registry.ts';
import type { Info } from '#wire/system.ts';

/** dockerd's own defaults. */
const DOWNLOADS_DEFAULT = 3;
const UPLOADS_DEFAULT = 5;
const ATTEMPTS_DEFAULT = 5;
/** Each transfer holds a connection, a buffer and a file. */
export const TRANSFERS_MAX = 100;
export const ATTEMPTS_MAX = 100;
/** Slower than this, no manifest would come before its time limit. */
export const DOWNLOAD_RATE_MIN = 1024;

export const DOCKER_HUB = 'docker.io';
export const CERTS_DIRECTORIES: readonly string[] = ['/etc/coracle/certs.d', '/etc/docker/certs.d'];

const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?$/;
const PORT_MAX = 65_535;

type Values = ReadonlyMap<string, unknown>;

const invalid = (message: string): EngineError => new EngineError('invalid_argument', message);

export function makeRegistryConfig(values: Values): RegistryConfig {
  const texts = (key: string): readonly string[] =>
    (values.get(key) as readonly string[] | undefined) ?? [];
  const text = (key: string): string => String(values.get(key) ?? '');
  const directory = text('certs-dir');
  return {
    insecure: texts('insecure-registries').map(parseInsecure),
    mirrors: parseMirrors(texts('registry-mirrors')),
    blocked: texts('block-registries').map(parseBlocked),
    certsDirectories: directory === '' ? CERTS_DIRECTORIES : [directory],
    downloadsMax: count(values, 'max-concurrent-downloads', DOWNLOADS_DEFAULT, TRANSFERS_MAX),
    uploadsMax: count(values, 'max-concurrent-uploads', UPLOADS_DEFAULT, TRANSFERS_MAX),
    attemptsMax: count(values, 'max-download-attempts', ATTEMPTS_DEFAULT, ATTEMPTS_MAX),
    downloadRate: parseDownloadRate(text('download-rate')),
  };
}

/** 0 is the default, as dockerd has it. */
function count(values: Values, key: string, fallback: number, max: number): number {
  const value = Number(values.get(key) ?? 0);
  if (Number.isSafeInteger(value) && value >= 0 && value <= max) return value || fallback;
  throw invalid(
    `invalid ${key.replaceAll('-', ' ')}: ${String(values.get(key))} is not 1 to ${max}`,
  );
}

function parseInsecure(text: string): string {
  if (text.includes('://')) throw invalid(`insecure registry ${text} should not contain '://'`);
  if (text.includes('/')) {
    try {
      parseCidr(text);
    } catch (error) {
      throw invalid(`insecure registry ${text} is not valid: ${messageOf(error)}`);
    }
    return text;
  }
  if (isHost(text)) return text.toLowerCase();
  throw invalid(`insecure registry ${text} is not valid: invalid host ${JSON.stringify(text)}`);
}

function isHost(text: string): boolean {
  const match = HOST.exec(text);
  return match !== null && Number(match[1] ?? 0) <= PORT_MAX;
}

/** "registry.example", "registry.example:5000" or "*.example". */
function parseBlocked(text: string): string {
  const host = text.startsWith('*.') ? text.slice(2) : text;
  if (!isHost(host)) {
    throw invalid(
      `invalid blocked registry ${JSON.stringify(text)}: it is HOST[:PORT] or *.DOMAIN`,
    );
  }
  return normalHost(text);
}

/** Docker Hub has several names; references have the first. */
function normalHost(host: string): string {
  const lower = host.toLowerCase();
  return ['index.docker.io', 'registry-1.docker.io'].includes(lower) ? DOCKER_HUB : lower;
}

/** "URL" is for Docker Hub, as dockerd has it; "HOST=URL" for that host, "*=URL" for every one. */
function parseMirrors(list: readonly string[]): RegistryConfig['mirrors'] {
  const mirrors: Record<string, string[]> = {};
  for (const text of list) {
    const at = /^[^/=]+=/.exec(text)?.[0].length ?? 0;
    const host = at === 0 ? DOCKER_HUB : text.slice(0, at - 1);
    if (host !== '*' && !isHost(host)) {
      throw invalid(`invalid mirror: ${JSON.stringify(host)} is no registry, in ${quote(text)}`);
    }
    const url = parseMirror(text.slice(at));
    const known = mirrors[normalHost(host)] ?? [];
    if (known.includes(url)) throw invalid(`invalid mirror: ${quote(text)} is there twice`);
    mirrors[normalHost(host)] = [...known, url];
  }
  return mirrors;
}

const quote = (text: string): string => JSON.stringify(text);

function parseMirror(text: string): string {
  if (!/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(text)) {
    const use = "must use either 'https://' or 'http://'";
    throw invalid(`invalid mirror: no scheme specified for ${quote(text)}: ${use}`);
  }
  const url = URL.parse(text);
  if (url === null) throw invalid(`invalid mirror: ${quote(text)} is not a valid URI`);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    const scheme = quote(url.protocol.slice(0, -1));
    const use = "must use either 'https://' or 'http://'";
    throw invalid(`invalid mirror: unsupported scheme ${scheme} in ${quote(text)}: ${use}`);
  }
  if (url.username !== '' || url.password !== '') {
    throw invalid('invalid mirror: username/password not allowed in URI');
  }
  if (url.search !== '' || url.hash !== '') {
    throw invalid(`invalid mirror: query or fragment at end of the URI ${quote(text)}`);
  }
  return text.endsWith('/') ? text : `${text}/`;
}

/** "10mb" are 10 MiB a second. */
function parseDownloadRate(text: string): number {
  if (text === '' || text === '0') return 0;
  try {
    const bytes = parseSize(text.replace(/(?:ps|\/s)$/i, ''));
    if (bytes >= DOWNLOAD_RATE_MIN) return bytes;
  } catch {
    // Said below, with how it is written.
  }
  throw invalid(`invalid download-rate ${quote(text)}: it is bytes a second from 1k, as "10mb"`);
}

/** Loopback is where registries of tests and tunnels are. */
const ALWAYS_INSECURE = ['::1/128', '127.0.0.0/8'];

/** What /info says of it. */
export function registryFacts(config: RegistryConfig): Info['RegistryConfig'] {
  const isRange = (text: string): boolean => text.includes('/');
  const mirrorsOf = (host: string): readonly string[] => config.mirrors[host] ?? [];
  const hosts = config.insecure.filter((text) => !isRange(text));
  const names = new Set([DOCKER_HUB, ...hosts, ...Object.keys(config.mirrors)]);
  const entries = [...names].map((name) => {
    const secure = !hosts.includes(name);
    const official = name === DOCKER_HUB;
    const index = { Name: name, Mirrors: mirrorsOf(name), Secure: secure, Official: official };
    return [name, index] as const;
  });
  return {
    IndexConfigs: Object.fromEntries(entries),
    InsecureRegistryCIDRs: [...ALWAYS_INSECURE, ...config.insecure.filter(isRange)],
    Mirrors: mirrorsOf(DOCKER_HUB),
  };
}
