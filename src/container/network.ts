// The network of a container over its life: opened before its program runs, given back after its
// end. Decided here is which namespace the process joins; what is inside is networks' business.
import { isEngineError, messageOf, EngineError } from '#base/error.ts';
import type { Undo } from '#base/undo.ts';
import type { EndpointWish, Sandbox, SandboxRequest } from '#network/engine.ts';
import { DEFAULT_NETWORK, parseNetworkMode } from '#network/mode.ts';
import type { NamespaceMode } from '#runtime/box.ts';
import type { Deps, Settings } from './deps.ts';
import type { FindNetwork } from './endpoint.ts';
import { type NamespaceFacts, pathOf } from './namespace.ts';
import { portWishes } from './publish.ts';
import type { ContainerRecord } from './record.ts';

export type NetworkSource =
  | { readonly kind: 'host' }
  | { readonly kind: 'join'; readonly container: string }
  /** Without a request there is nothing but lo inside, and nothing to be opened. */
  | { readonly kind: 'own'; readonly request: SandboxRequest | undefined };

type NetworkSettings = Pick<Settings, 'noBridge'>;

/** Pure. */
export function sourceOf(record: ContainerRecord, settings: NetworkSettings): NetworkSource {
  const mode = parseNetworkMode(record.spec.host.networkMode, settings.noBridge);
  if (mode.mode === 'host') return { kind: 'host' };
  if (mode.mode === 'container') return { kind: 'join', container: mode.container };
  const endpoints = connections(record, settings);
  return {
    kind: 'own',
    request: endpoints.length === 0 ? undefined : requestOf(record, endpoints, undefined),
  };
}

/** Whether a start of it connects to any network. */
export function opensNetwork(record: ContainerRecord, settings: NetworkSettings): boolean {
  const { mode } = parseNetworkMode(record.spec.host.networkMode, settings.noBridge);
  if (mode === 'host' || mode === 'container') return false;
  return connections(record, settings).length > 0;
}

/** The networks that a start connects to, in their order. */
export function connections(
  record: Pick<ContainerRecord, 'spec'>,
  settings: NetworkSettings,
): readonly EndpointWish[] {
  return Object.values(record.spec.networking).filter(
    ({ network }) =>
      network !== 'none' &&
      network !== 'host' &&
      !(network === DEFAULT_NETWORK && settings.noBridge),
  );
}

export function requestOf(
  record: ContainerRecord,
  endpoints: readonly EndpointWish[],
  adopt: string | undefined,
): SandboxRequest {
  const { host } = record.spec;
  return {
    containerId: record.id,
    containerName: record.name,
    hostname: record.merged.hostname,
    adopt,
    endpoints,
    ports: portWishes(record.merged.exposedPorts, host),
    links: {
      to: (record.links ?? []).map(({ container }) => container),
      exposed: [...new Set([...record.merged.exposedPorts, ...Object.keys(host.portBindings)])],
    },
    rate: host.netRate,
    dns: dnsOf(host),
  };
}

export function dnsOf(host: ContainerRecord['spec']['host']): SandboxRequest['dns'] {
  const given = (list: readonly string[]): readonly string[] | undefined =>
    list.length === 0 ? undefined : list;
  return {
    servers: given(host.dns),
    search: given(host.dnsSearch),
    options: given(host.dnsOptions),
  };
}

/**
 * Begins at once. Whatever fails later, the undo stack gives the network back, also one that is
 * still being opened.
 */
export function openNetwork(
  deps: Pick<Deps, 'networks'>,
  request: SandboxRequest,
  undo: Undo,
): Promise<Sandbox> {
  const opening = deps.networks.open(request).catch((error: unknown) => {
    throw notSetUp(error);
  });
  // A start that fails before it waits for this is the one error to be told.
  const settled = opening.then(
    () => true,
    () => false,
  );
  undo.add('close the network', async () => {
    if (await settled) await deps.networks.close(request.containerId);
  });
  return opening;
}

/** As dockerd 28 says it. */
function notSetUp(error: unknown): unknown {
  if (!isEngineError(error)) return error;
  const text = `failed to set up container networking: ${messageOf(error)}`;
  return new EngineError(error.code, text, { cause: error, facts: error.facts });
}

/** Who shares another container's network has its name, too, and its files (as dockerd). */
export function withHostname(
  deps: Pick<Deps, 'store'>,
  record: ContainerRecord,
  source: NetworkSource,
): ContainerRecord {
  if (source.kind !== 'join' || record.spec.host.utsMode === 'host') return record;
  const { hostname } = deps.store.get(source.container).merged;
  return { ...record, merged: { ...record.merged, hostname } };
}

/** The namespace of network of the process to be made. */
export function networkNamespace(
  source: NetworkSource,
  facts: Pick<NamespaceFacts, 'join'> & { readonly path: string | undefined },
): NamespaceMode {
  switch (source.kind) {
    case 'host':
      return { mode: 'host' };
    case 'join':
      return pathOf(facts.join(source.container, 'net'), 'net');
    case 'own':
      if (facts.path === undefined) return { mode: 'private' };
      return { mode: 'path', path: facts.path, shared: true };
    default:
      return source satisfies never;
  }
}

/** On host and none nothing is opened, but events tell of them as of every network (as dockerd). */
export function tellPlainNetworks(
  deps: Pick<Deps, 'networks' | 'events'>,
  record: ContainerRecord,
  action: 'connect' | 'disconnect',
): void {
  const find = networkFinder(deps);
  for (const name of ['host', 'none']) {
    const network = Object.hasOwn(record.spec.networking, name) ? find(name) : undefined;
    if (network === undefined) continue;
    const attributes = { container: record.id, name, type: network.driver };
    deps.events.publish({ type: 'network', action, actor: { id: network.id, attributes } });
  }
}

export function networkFinder(deps: Pick<Deps, 'networks'>): FindNetwork {
  return (ref) => {
    try {
      return deps.networks.record(ref);
    } catch (error) {
      // Networks may be made after their containers; an ambiguous name is told at the start.
      if (isEngineError(error, 'not_found') || isEngineError(error, 'invalid_argument')) {
        return undefined;
      }
      throw error;
    }
  };
}
