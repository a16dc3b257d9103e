// Ports of a container, published, moved and withdrawn while it runs, which Docker cannot; kept in
// HostConfig.PortBindings, so that its next start publishes the same.
import { EngineError } from '#base/error.ts';
import { Undo } from '#base/undo.ts';
import type { PortBinding, PortTraffic } from '#network/engine.ts';
import { changeBack } from '#network/port/change-back.ts';
import type { Deps } from './deps.ts';
import { publish } from './event.ts';
import { guard, isRunning } from './guard.ts';
import { opensNetwork } from './network.ts';
import {
  changedBindings,
  checkWishCount,
  keyOf,
  matching,
  type PortBindings,
  portKeys,
  wishesOf,
} from './publish.ts';
import type { ContainerRecord } from './record.ts';
import type { HostConfig } from './spec.ts';

export type PortChange = { readonly add: PortBindings; readonly remove: PortBindings };

export async function changePorts(deps: Deps, ref: string, change: PortChange): Promise<void> {
  const { id } = deps.store.get(ref);
  using _lock = await deps.locks.acquire(id);
  const record = deps.store.get(id);
  guard(record, 'update', ref);
  if (!opensNetwork(record, deps.settings)) {
    const { networkMode } = record.spec.host;
    const text = `cannot publish ports of a container with network mode ${networkMode}`;
    throw new EngineError('invalid_argument', text);
  }
  const add = wishesOf(change.add);
  const sandbox = isRunning(record.state) ? deps.networks.sandbox(id) : undefined;
  const before = settled(record);
  // Of a container that does not run, the wishes themselves are withdrawn.
  const remove = matching(sandbox?.ports ?? asBindings(before), change.remove);
  const host = changedHost(record, change, changedBindings(before, remove, change.add));
  checkWishCount(record.merged.exposedPorts, host);
  await using undo = new Undo(deps.report);
  if (sandbox !== undefined) {
    const { ports } = await deps.networks.changePorts(id, { add, remove });
    undo.add('publish as before', () => takeBack(deps, id, sandbox.ports, ports));
  }
  const updated = { ...record, spec: { ...record.spec, host } };
  await deps.store.put(updated, { durable: true });
  undo.commit();
  publish(deps, updated, 'update', attributesOf(change));
}

async function takeBack(
  deps: Pick<Deps, 'networks'>,
  id: string,
  before: readonly PortBinding[],
  after: readonly PortBinding[],
): Promise<void> {
  await deps.networks.changePorts(id, changeBack(before, after));
}

/** What -P publishes is by name from now on, if one of it may be withdrawn. */
function settled(record: ContainerRecord): PortBindings {
  const { host } = record.spec;
  const all: Record<string, PortBindings[string]> = { ...host.portBindings };
  if (host.publishAllPorts) {
    for (const key of portKeys(record.merged.exposedPorts)) {
      all[key] ??= [{ hostIp: '', hostPort: '' }];
    }
  }
  return all;
}

/** -P stays as long as nothing of it is withdrawn. */
function changedHost(
  record: ContainerRecord,
  change: PortChange,
  portBindings: PortBindings,
): HostConfig {
  const { host } = record.spec;
  if (!host.publishAllPorts || Object.keys(change.remove).length > 0) {
    return { ...host, portBindings, publishAllPorts: false };
  }
  return { ...host, portBindings: changedBindings(host.portBindings, [], change.add) };
}

function asBindings(bindings: PortBindings) {
  return wishesOf(bindings).map(({ port, protocol, hostIp, hostPort }) => ({
    port,
    protocol,
    hostIp: hostIp === '' ? '0.0.0.0' : hostIp,
    hostPort: hostPort?.first ?? 0,
  }));
}

/** "published": "80/tcp 127.0.0.1:8080", as `docker events` shows it. */
function attributesOf(change: PortChange): Readonly<Record<string, string>> {
  const text = (bindings: PortBindings): string =>
    Object.entries(bindings)
      .flatMap(([key, list]) =>
        list.length === 0
          ? [key]
          : list.map(({ hostIp, hostPort }) => `${key} ${hostIp}:${hostPort}`),
      )
      .join(', ');
  const { add, remove } = change;
  return {
    ...(Object.keys(add).length === 0 ? {} : { published: text(add) }),
    ...(Object.keys(remove).length === 0 ? {} : { withdrawn: text(remove) }),
  };
}

/** With what went through each port since it was published. */
export async function portTraffic(deps: Deps, ref: string): Promise<readonly PortTraffic[]> {
  const record = deps.store.get(ref);
  if (!isRunning(record.state) || deps.networks.sandbox(record.id) === undefined) return [];
  const traffic = await deps.networks.traffic(record.id);
  return traffic.toSorted((a, b) => a.port - b.port || keyOf(a).localeCompare(keyOf(b)));
}
