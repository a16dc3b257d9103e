// The query of POST /build -> BuildRequest. docker's classic client, compose, dockerode, docker-py and
// testcontainers all send it so.
import type { IncomingMessage } from 'node:http';
import { EngineError } from '#base/error.ts';
import type { BuildRequest } from '#build/request.ts';
import type { HostConfig } from '#container/spec.ts';
import type { RegistryAuth } from '#image/registry/registry.ts';
import { Fields } from '../decode.ts';
import { parseAuth } from '../image/auth.ts';
import { parseJson } from '../json.ts';
import type { Query } from '../query.ts';
import { parseContexts, type WishedContexts } from './contexts.ts';

/** A few registries' credentials. */
const AUTH_LENGTH_MAX = 256 * 1024;
/** Docker Hub's name in clients' files. */
const HUB = 'https://index.docker.io/v1/';

export type ParsedBuild = {
  readonly request: Omit<BuildRequest, 'contexts'>;
  readonly contexts: WishedContexts;
  /** "" = the body; "client-session" belongs to buildkit. */
  readonly remote: string;
  readonly quiet: boolean;
  /** Ours: events as they are, instead of the classic stream. */
  readonly events: boolean;
};

export function parseBuild(query: Query, http: IncomingMessage): ParsedBuild {
  const version = query.text('version');
  if (version !== '' && version !== '1') {
    throw new EngineError(
      'invalid_argument',
      'BuildKit builds are not served here: use DOCKER_BUILDKIT=0, which understands the same language',
    );
  }
  const auths = parseAuths(http);
  const own = parseOwn(http);
  return {
    contexts: own.contexts,
    events: own.events,
    remote: query.text('remote'),
    quiet: query.bool('q'),
    request: {
      dockerfile: query.text('dockerfile') || 'Dockerfile',
      tags: query.all('t').filter((tag) => tag !== ''),
      target: query.text('target'),
      args: stringMap(query, 'buildargs'),
      labels: stringMap(query, 'labels'),
      noCache: query.bool('nocache'),
      cacheFrom: stringList(query, 'cachefrom'),
      pull: query.bool('pull'),
      squash: query.bool('squash'),
      platform: query.text('platform'),
      networkMode: query.text('networkmode'),
      extraHosts: query
        .all('extrahosts')
        .flatMap((text) =>
          text.startsWith('[') ? stringListOf(text, 'extrahosts') : text.split(','),
        )
        .filter((host) => host !== ''),
      host: parseHost(query),
      auth: (registry) =>
        auths.get(registry === 'docker.io' ? HUB : registry) ?? auths.get(registry),
      checkOnly: own.checkOnly,
      secrets: own.secrets,
      agents: own.agents,
      keepContainers: query.has('rm') && !query.bool('rm') && !query.bool('forcerm'),
    },
  };
}

function parseHost(query: Query): Partial<HostConfig> {
  const number = (name: string): number => query.int(name) ?? 0;
  const ulimits = query.text('ulimits');
  const shm = number('shmsize');
  return {
    memory: number('memory'),
    memorySwap: number('memswap'),
    cpuShares: number('cpushares'),
    cpuPeriod: number('cpuperiod'),
    cpuQuota: number('cpuquota'),
    cpusetCpus: query.text('cpusetcpus'),
    cpusetMems: query.text('cpusetmems'),
    cgroupParent: query.text('cgroupparent'),
    ...(shm > 0 ? { shmSize: shm } : {}),
    ...(ulimits === '' ? {} : { ulimits: parseUlimits(ulimits) }),
  };
}

function parseUlimits(text: string): HostConfig['ulimits'] {
  const list = parseJson(text);
  if (!Array.isArray(list)) throw wrong('ulimits');
  return list.map((item: unknown) => {
    const fields = new Fields('ulimits', item);
    return { name: fields.string('Name'), soft: fields.int('Soft'), hard: fields.int('Hard') };
  });
}

/** `{"NAME":"value","UNSET":null}`; what is null was not given at the client. */
function stringMap(query: Query, name: string): Readonly<Record<string, string>> {
  const text = query.text(name);
  if (text === '') return {};
  const raw = parseJson(text);
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) throw wrong(name);
  const entries = Object.entries(raw).filter(([, value]) => value !== null);
  if (entries.some(([, value]) => typeof value !== 'string')) throw wrong(name);
  return Object.fromEntries(entries as [string, string][]);
}

function stringList(query: Query, name: string): readonly string[] {
  const text = query.text(name);
  return text === '' || text === 'null' ? [] : stringListOf(text, name);
}

function stringListOf(text: string, name: string): readonly string[] {
  const list = parseJson(text);
  if (!Array.isArray(list) || list.some((item) => typeof item !== 'string')) throw wrong(name);
  return list as string[];
}

function wrong(name: string): EngineError {
  return new EngineError(
    'invalid_argument',
    `error reading build parameter ${name}: it is no JSON of strings`,
  );
}

/** X-Registry-Config: base64 of {registry: credentials}; keys of old are URLs, whose host counts. */
function parseAuths(http: IncomingMessage): ReadonlyMap<string, RegistryAuth> {
  const header = http.headers['x-registry-config'];
  const auths = new Map<string, RegistryAuth>();
  if (typeof header !== 'string' || header === '' || header.length > AUTH_LENGTH_MAX) return auths;
  let raw: unknown;
  try {
    raw = parseJson(Buffer.from(header, 'base64').toString());
  } catch {
    return auths; // as dockerd: who cannot be read is nobody
  }
  if (typeof raw !== 'object' || raw === null) return auths;
  for (const [registry, value] of Object.entries(raw)) {
    const auth = parseAuth(new Fields('AuthConfig', value));
    auths.set(registry, auth);
    const host = registry.replace(/^https?:\/\//, '').split('/', 1)[0] ?? '';
    if (!Object.hasOwn(raw, host)) auths.set(host, auth);
  }
  return auths;
}

type Own = Pick<BuildRequest, 'agents' | 'checkOnly' | 'secrets'> &
  Pick<ParsedBuild, 'contexts' | 'events'>;

/** X-Coracle-Build, of our own command: what the classic API has no place for. Never logged. */
function parseOwn(http: IncomingMessage): Own {
  const header = http.headers['x-coracle-build'];
  if (typeof header !== 'string') {
    const none = { contexts: new Map(), secrets: new Map() };
    return { ...none, agents: new Set(), checkOnly: false, events: false };
  }
  const raw = new Fields('X-Coracle-Build', parseJson(Buffer.from(header, 'base64').toString()));
  const contents = new Map<string, Uint8Array>();
  // Names of secrets are as they are written; fields of Docker's JSON are of any case.
  for (const [id, value] of Object.entries(raw.get('Secrets') ?? {})) {
    contents.set(id, Buffer.from(String(value), 'base64'));
  }
  return {
    agents: new Set(raw.strings('Ssh')),
    contexts: parseContexts(raw.get('Contexts')),
    checkOnly: raw.bool('Check'),
    events: raw.bool('Events'),
    secrets: contents,
  };
}
