// --link on the default bridge: the older way to find another container there, by names in
// /etc/hosts and variables. On a network of a user the embedded DNS knows links.
import { EngineError } from '#base/error.ts';
import { Undo } from '#base/undo.ts';
import type { Endpoint } from '#network/engine.ts';
import { DEFAULT_NETWORK } from '#network/mode.ts';
import { parseLink } from '#network/names/check.ts';
import type { HostsLink } from '#network/names/hosts.ts';
import type { Deps } from './deps.ts';
import { changeLinkedHosts } from './files.ts';
import { isRunning } from './guard.ts';
import { parsePorts, portKeys } from './publish.ts';
import type { ContainerRecord } from './record.ts';
import type { HostConfig } from './spec.ts';

/** The other container stays the same one whatever it is called later. */
export type Link = { readonly container: string; readonly alias: string };

type LinkDeps = Pick<Deps, 'store' | 'networks'>;

/** 400 as in Docker: a client takes 404 here for a missing image. */
export function settleLinks(deps: LinkDeps, host: HostConfig): readonly Link[] {
  return host.links.map((text) => {
    const { container, alias } = parseLink(text);
    let other = deps.store.find(container);
    if (other === undefined) {
      const text = `could not get container for ${container}: No such container: ${container}`;
      throw new EngineError('invalid_argument', text);
    }
    while (other.spec.host.networkMode.startsWith('container:')) {
      other = deps.store.get(other.spec.host.networkMode.slice('container:'.length));
    }
    if (other.spec.host.networkMode === 'host') {
      throw new EngineError(
        'invalid_argument',
        "conflicting options: host type networking can't be used with links. This would result " +
          'in undefined behavior',
      );
    }
    return { container: other.id, alias };
  });
}

type Linked = { readonly alias: string; readonly other: ContainerRecord; readonly end: Endpoint };

/** What a container is linked to, as it is now; `strict`: each must run on the default bridge. */
function linkedTo(deps: LinkDeps, record: ContainerRecord, strict: boolean): readonly Linked[] {
  if (!Object.hasOwn(record.spec.networking, DEFAULT_NETWORK)) return [];
  return (record.links ?? []).flatMap(({ container, alias }) => {
    const other = deps.store.find(container);
    // Removed since; Docker forgets the link, too.
    if (other === undefined) return [];
    const end = isRunning(other.state) ? bridgeEndpoint(deps, other.id) : undefined;
    if (end !== undefined) return [{ alias, other, end }];
    if (!strict) return [];
    if (!isRunning(other.state)) {
      const name = `/${other.name} AS /${record.name}/${alias}`;
      throw new EngineError('conflict', `Cannot link to a non running container: ${name}`);
    }
    const text = `Cannot link to /${other.name}, as it does not belong to the default network`;
    throw new EngineError('conflict', text);
  });
}

function bridgeEndpoint(deps: LinkDeps, id: string): Endpoint | undefined {
  const sandbox = deps.networks.sandbox(id);
  return sandbox?.endpoints.find(({ networkName }) => networkName === DEFAULT_NETWORK);
}

export type LinkEffects = { readonly hosts: readonly HostsLink[]; readonly env: readonly string[] };

export const NO_LINKS: LinkEffects = { hosts: [], env: [] };

/** What links put into a container that starts. */
export function linkEffects(deps: LinkDeps, record: ContainerRecord): LinkEffects {
  const linked = linkedTo(deps, record, true);
  return {
    hosts: linked.map(hostsLinkOf),
    env: linked.flatMap((link) => variables(record.name, link)),
  };
}

/** For an exec: what of it is still so. */
export function linkVariables(deps: LinkDeps, record: ContainerRecord): readonly string[] {
  return linkedTo(deps, record, false).flatMap((link) => variables(record.name, link));
}

function hostsLinkOf({ alias, other, end }: Linked): HostsLink {
  return {
    alias,
    name: other.name,
    hostname: other.merged.hostname,
    addresses: [end.ip, end.ip6].filter((address) => address !== undefined),
  };
}

/** DB_PORT, DB_PORT_6379_TCP_ADDR, DB_NAME, DB_ENV_X ...: as since Docker's first days. */
function variables(parent: string, { alias, other, end }: Linked): readonly string[] {
  const name = alias.toUpperCase().replaceAll('-', '_');
  const ip = end.ip ?? '';
  const ports = portKeys(other.merged.exposedPorts).map(parsePorts).toSorted(byProtocol);
  const env: string[] = [];
  for (const [index, { first, protocol }] of ports.entries()) {
    const url = `${protocol}://${ip}:${first}`;
    if (index === 0) env.push(`${name}_PORT=${url}`);
    const prefix = `${name}_PORT_${first}_${protocol.toUpperCase()}`;
    env.push(
      `${prefix}=${url}`,
      `${prefix}_ADDR=${ip}`,
      `${prefix}_PORT=${first}`,
      `${prefix}_PROTO=${protocol}`,
    );
  }
  env.push(`${name}_NAME=/${parent}/${alias}`);
  for (const variable of other.merged.env) {
    if (!/^(HOME|PATH)=/.test(variable)) env.push(`${name}_ENV_${variable}`);
  }
  return env;
}

type Ports = ReturnType<typeof parsePorts>;

/** tcp first. */
function byProtocol(a: Ports, b: Ports): number {
  const rank = { tcp: 0, sctp: 1, udp: 2 };
  return rank[a.protocol] - rank[b.protocol] || a.first - b.first;
}

/** Who is linked to a container finds it at its new addresses, as far as that can be told. */
export function tellLinked(
  deps: Pick<Deps, 'store' | 'networks' | 'report'>,
  record: ContainerRecord,
): void {
  const end = bridgeEndpoint(deps, record.id);
  if (end === undefined) return;
  for (const parent of deps.store.list()) {
    if (!isRunning(parent.state)) continue;
    for (const { container, alias } of parent.links ?? []) {
      if (container !== record.id) continue;
      try {
        changeLinkedHosts(deps, parent, hostsLinkOf({ alias, other: record, end }));
      } catch (error) {
        deps.report(`tell container ${parent.id} the address of ${record.name}`, error);
      }
    }
  }
}

/** `docker rm --link parent/alias`: only the link goes. */
export async function removeLink(deps: Deps, ref: string): Promise<void> {
  const path = ref.replace(/^\//, '');
  const at = path.indexOf('/');
  if (at === -1) {
    const text = 'Conflict, cannot remove the default link name of the container';
    throw new EngineError('conflict', text);
  }
  const [parentName, alias] = [path.slice(0, at), path.slice(at + 1)];
  const { id } = deps.store.get(parentName);
  using _lock = await deps.locks.acquire(id);
  const parent = deps.store.get(id);
  const links = (parent.links ?? []).filter((link) => link.alias !== alias);
  if (links.length === (parent.links ?? []).length) {
    throw new EngineError('not_found', `No such container: ${ref}`);
  }
  await using undo = new Undo(deps.report);
  const to = (list: readonly Link[]) => list.map(({ container }) => container);
  await deps.networks.relink(id, to(links));
  undo.add('link it again', () => deps.networks.relink(id, to(parent.links ?? [])));
  await deps.store.put({ ...parent, links }, { durable: true });
  undo.commit();
}
