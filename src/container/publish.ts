// Which ports of a container are published, and how: --expose, -p and -P as wishes of the network,
// and a change of them while it runs. Pure.
import { EngineError } from '#base/error.ts';
import { readIp } from '#base/ip-address.ts';
import type { PortBinding, PortProtocol, PortWish } from '#network/engine.ts';
import type { HostConfig } from './spec.ts';

export type PortBindings = HostConfig['portBindings'];

type Binding = PortBindings[string][number];

type Ports = { readonly first: number; readonly last: number; readonly protocol: PortProtocol };

/** All wishes of one container together; -p 1-65535 is one less. */
export const PORT_WISHES_MAX = 65_536;

/** Each port of each protocol, once. */
const EXPOSED_PORTS_MAX = 3 * 65_536;

/** "80/tcp", "80", "8000-8010/udp". */
export function parsePorts(text: string): Ports {
  const ports = readPorts(text);
  if (ports !== undefined) return ports;
  const quoted = JSON.stringify(text.slice(0, 100));
  throw new EngineError('invalid_argument', `invalid port specification: ${quoted}`);
}

export function readPorts(text: string): Ports | undefined {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (match === null || first > 65_535 || last > 65_535 || first > last) return undefined;
  return { first, last, protocol: (match[3] ?? 'tcp') as PortProtocol };
}

/** Single ports of a list that may have ranges, each once: "80/tcp". */
export function portKeys(exposed: readonly string[]): readonly string[] {
  const keys = new Set<string>();
  let count = 0;
  for (const text of exposed) {
    const { first, last, protocol } = parsePorts(text);
    count += last - first + 1;
    if (count > EXPOSED_PORTS_MAX) {
      throw new EngineError('limit_exceeded', `more than ${EXPOSED_PORTS_MAX} exposed ports`);
    }
    for (let port = first; port <= last; port += 1) keys.add(`${port}/${protocol}`);
  }
  return [...keys];
}

/** What a start asks for: the bindings that are named, and with -P all that is exposed. */
export function portWishes(
  exposed: readonly string[],
  host: Pick<HostConfig, 'portBindings' | 'publishAllPorts'>,
): readonly PortWish[] {
  const wishes = wishesOf(host.portBindings);
  const named = new Set(wishes.map(keyOf));
  if (host.publishAllPorts) {
    for (const key of portKeys(exposed)) {
      if (named.has(key)) continue;
      const { first, protocol } = parsePorts(key);
      wishes.push({ port: first, protocol, hostIp: '', hostPort: undefined });
    }
  }
  checkCount(wishes.length);
  return wishes;
}

function checkCount(count: number): void {
  if (count <= PORT_WISHES_MAX) return;
  throw new EngineError('limit_exceeded', `more than ${PORT_WISHES_MAX} published ports`);
}

/** That one more start may publish all of it; without parsing again what was parsed before. */
export function checkWishCount(
  exposed: readonly string[],
  { portBindings, publishAllPorts }: Pick<HostConfig, 'portBindings' | 'publishAllPorts'>,
): void {
  let count = 0;
  for (const list of Object.values(portBindings)) count += list.length;
  if (publishAllPorts) {
    count += portKeys(exposed).filter((key) => !Object.hasOwn(portBindings, key)).length;
  }
  checkCount(count);
}

export function wishesOf(bindings: PortBindings): PortWish[] {
  return Object.entries(bindings).flatMap(([key, list]) => {
    const { first, protocol } = parsePorts(key);
    return list.map((binding) => ({ port: first, protocol, ...parseBinding(binding) }));
  });
}

function parseBinding({ hostIp, hostPort }: Binding) {
  if (hostIp !== '' && readIp(hostIp) === undefined) {
    throw new EngineError('invalid_argument', `invalid IP address: ${hostIp.slice(0, 100)}`);
  }
  if (hostPort === '') return { hostIp, hostPort: undefined };
  const { first, last } = parsePorts(hostPort);
  // Port 0 of the host is no port: any free one.
  return { hostIp, hostPort: last === 0 ? undefined : { first, last } };
}

export function keyOf({ port, protocol }: Pick<PortWish, 'port' | 'protocol'>): string {
  return `${port}/${protocol}`;
}

/** The bindings that a withdrawal means; "" as address or port means each. */
export function matching(
  published: readonly PortBinding[],
  withdrawn: PortBindings,
): readonly PortBinding[] {
  const found = new Set<PortBinding>();
  for (const [key, list] of Object.entries(withdrawn)) {
    const ports = new Set(portKeys([key]));
    const wanted = list.length === 0 ? [{ hostIp: '', hostPort: '' }] : list;
    for (const wish of wanted) {
      const matches = published.filter(
        (each) => ports.has(keyOf(each)) && means(wish, each.hostIp, String(each.hostPort)),
      );
      if (matches.length === 0) throw notPublished(key, wish);
      for (const match of matches) found.add(match);
    }
  }
  return [...found];
}

function means(wish: Binding, hostIp: string, hostPort: string): boolean {
  const samePort = wish.hostPort === '' || wish.hostPort === hostPort;
  return samePort && (wish.hostIp === '' || wish.hostIp === hostIp);
}

function notPublished(key: string, { hostIp, hostPort }: Binding): EngineError {
  const at =
    hostIp === '' && hostPort === '' ? '' : ` at ${hostIp || '0.0.0.0'}:${hostPort || '*'}`;
  return new EngineError('not_found', `port ${key} is not published${at}`);
}

/**
 * What HostConfig.PortBindings says after a change. `removed` are bindings as they are now: a wish
 * for any free port, or for every address, has become one or two of them. Port 0 is that of a
 * container that does not run, where no free one is chosen yet.
 */
export function changedBindings(
  before: PortBindings,
  removed: readonly PortBinding[],
  added: PortBindings,
): PortBindings {
  const after: Record<string, PortBindings[string]> = {};
  for (const [key, list] of Object.entries(before)) {
    const gone = removed
      .filter((each) => keyOf(each) === portKeys([key])[0])
      .flatMap((each) => wishesFor(each, list));
    after[key] = list.filter((wish) => !gone.includes(wish));
  }
  for (const [key, list] of Object.entries(added)) {
    const name = portKeys([key])[0] ?? key;
    after[name] = [...(after[name] ?? []), ...list];
  }
  return Object.fromEntries(Object.entries(after).filter(([, list]) => list.length > 0));
}

/** Those that name the port most closely, because a free port may be that of another wish, too. */
function wishesFor(binding: PortBinding, list: readonly Binding[]): readonly Binding[] {
  const wishes = list.filter((wish) => isWishOf(wish, binding));
  const closest = Math.min(...wishes.map(choiceOf));
  return wishes.filter((wish) => choiceOf(wish) === closest);
}

function rangeOf(wish: Binding): { readonly first: number; readonly last: number } {
  return parseBinding(wish).hostPort ?? { first: 0, last: 65_535 };
}

function choiceOf(wish: Binding): number {
  const { first, last } = rangeOf(wish);
  return last - first;
}

function isWishOf(wish: Binding, binding: PortBinding): boolean {
  const anyAddress = binding.hostIp === '0.0.0.0' || binding.hostIp === '::';
  const sameAddress = wish.hostIp === binding.hostIp || (wish.hostIp === '' && anyAddress);
  if (!sameAddress) return false;
  // Nearly every wish, and there may be thousands.
  const exact = Number(wish.hostPort);
  if (exact > 0) return exact === binding.hostPort;
  const { first, last } = rangeOf(wish);
  return first <= binding.hostPort && binding.hostPort <= last;
}
