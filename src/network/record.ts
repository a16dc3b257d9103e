// Records of networks and sandboxes as text. Replaced whole, never edited; one that cannot be read
// is `corrupt` and stands for itself only. What a record says is trusted to be what this daemon
// wrote, but for what becomes part of a path or an interface's name.
import { EngineError } from '#base/error.ts';
import { isFullId } from '#base/id.ts';
import { checkInterfaceName } from '#kernel/netlink/message.ts';
import type { ContainerLinks, NetworkRecord, Sandbox } from './engine.ts';
import { NO_LINKS } from './link.ts';

export const RECORD_VERSION = 1;
const DRIVERS: readonly string[] = ['bridge', 'host', 'null', 'macvlan', 'ipvlan'];

const corrupt = (message: string, cause?: unknown): EngineError =>
  new EngineError('corrupt', message, cause === undefined ? {} : { cause });

type Raw = Readonly<Record<string, unknown>>;

function object(value: unknown, what: string): Raw {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw corrupt(`${what} is no object`);
  }
  return value as Raw;
}

function list(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw corrupt(`${what} is no list`);
  return value;
}

function text(raw: Raw, key: string): string {
  const value = raw[key];
  if (typeof value !== 'string') throw corrupt(`its ${key} is no text`);
  return value;
}

function parse(content: string): Raw {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (error) {
    throw corrupt('it is not JSON', error);
  }
  const raw = object(value, 'the record');
  if (raw['version'] !== RECORD_VERSION) {
    throw corrupt(`its version ${String(raw['version'])} is not ${RECORD_VERSION}`);
  }
  return raw;
}

/** bigints become decimal strings; JSON has no integers beyond 2^53. */
export function encodeNetwork(record: NetworkRecord): string {
  return JSON.stringify({ ...record, createdAt: record.createdAt.toString() });
}

export function decodeNetwork(content: string, id: string): NetworkRecord {
  const raw = parse(content);
  if (raw['id'] !== id || !isFullId(id)) throw corrupt('its id is not that of its file');
  if (text(raw, 'name') === '') throw corrupt('it has no name');
  if (!DRIVERS.includes(text(raw, 'driver'))) {
    throw corrupt(`its driver ${text(raw, 'driver')} is unknown`);
  }
  const ipam = object(raw['ipam'], 'ipam');
  for (const subnet of list(ipam['subnets'], 'ipam.subnets')) {
    text(object(subnet, 'a subnet'), 'subnet');
  }
  for (const key of ['options', 'labels'] as const) object(raw[key], key);
  const createdAt = text(raw, 'createdAt');
  if (!/^\d{1,20}$/.test(createdAt)) throw corrupt('its createdAt is no number');
  return { ...(raw as unknown as NetworkRecord), createdAt: BigInt(createdAt) };
}

export function encodeSandbox(sandbox: Sandbox): string {
  return JSON.stringify(sandbox);
}

/** `path`: where its namespace is pinned, which the record must agree with. */
export function decodeSandbox(content: string, path: string): Sandbox {
  const raw = parse(content);
  if (!isFullId(text(raw, 'containerId'))) throw corrupt('its container has no id');
  if (raw['path'] !== path) throw corrupt('its path is not the one beside it');
  for (const one of list(raw['endpoints'], 'endpoints')) checkEndpoint(object(one, 'an endpoint'));
  list(raw['ports'], 'ports');
  object(raw['dns'], 'dns');
  // Earlier versions have none.
  const links = raw['links'] === undefined ? NO_LINKS : checkLinks(object(raw['links'], 'links'));
  const waiting = list(raw['waiting'] ?? [], 'waiting') as Sandbox['waiting'];
  return { ...(raw as unknown as Sandbox), links, waiting };
}

function checkLinks(raw: Raw): ContainerLinks {
  for (const key of ['to', 'exposed'] as const) list(raw[key], `links.${key}`);
  return raw as unknown as ContainerLinks;
}

function checkEndpoint(raw: Raw): void {
  if (!isFullId(text(raw, 'id'))) throw corrupt('an endpoint has no id');
  if (!isFullId(text(raw, 'networkId'))) throw corrupt('an endpoint has no network');
  checkInterfaceName(text(raw, 'interface'));
  object(raw['wish'], 'wish');
  list(raw['dnsNames'], 'dnsNames');
}
