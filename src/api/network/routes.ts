// The /networks endpoints: none and host can be seen; making networks is a later issue.
import { EngineError } from '#base/error.ts';
import type { NetworkInspect } from '#wire/network.ts';
import { networkNameOf } from '../container/render-network.ts';
import { type Exchange, sendJson } from '../exchange.ts';
import { matchLabels, parseFilters } from '../filters.ts';
import { notImplemented } from '../refuse.ts';
import type { Route } from '../router.ts';
import { PREDEFINED_NETWORKS } from './predefined.ts';

const LIST_FILTERS = ['dangling', 'driver', 'id', 'label', 'name', 'scope', 'type'];

function listNetworks(exchange: Exchange): void {
  const filters = parseFilters(exchange.query.text('filters'), LIST_FILTERS);
  const any = (key: string, test: (value: string) => boolean): boolean => {
    const values = filters.get(key) ?? [];
    return values.length === 0 || values.some(test);
  };
  const found = PREDEFINED_NETWORKS.filter(
    (network) =>
      any('driver', (value) => network.Driver === value) &&
      any('id', (value) => network.Id.startsWith(value)) &&
      any('name', (value) => network.Name.includes(value)) &&
      any('scope', (value) => network.Scope === value) &&
      any('type', (value) => value === 'builtin') &&
      any('dangling', (value) => value === 'false' || value === '0') &&
      matchLabels(network.Labels, filters.get('label') ?? []),
  );
  sendJson(exchange, 200, found);
}

function inspectNetwork(exchange: Exchange): void {
  const network = findNetwork(exchange.params['id'] ?? '');
  const views = exchange.deps.containers.list();
  const members = views.filter(
    (view) =>
      (view.state.status === 'running' || view.state.status === 'paused') &&
      networkNameOf(view.spec.host.networkMode) === network.Name,
  );
  const containers = members.map(({ id, name }) => [
    id,
    { Name: name, EndpointID: '', MacAddress: '', IPv4Address: '', IPv6Address: '' },
  ]);
  sendJson(exchange, 200, { ...network, Containers: Object.fromEntries(containers) });
}

function removeNetwork(exchange: Exchange): void {
  const { Name } = findNetwork(exchange.params['id'] ?? '');
  const text = `${Name} is a pre-defined network and cannot be removed`;
  throw new EngineError('forbidden', text);
}

function findNetwork(ref: string): NetworkInspect {
  const named = PREDEFINED_NETWORKS.find(({ Name, Id }) => Name === ref || Id === ref);
  const byPrefix = PREDEFINED_NETWORKS.filter(({ Id }) => Id.startsWith(ref));
  const found = named ?? (byPrefix.length === 1 ? byPrefix[0] : undefined);
  if (found === undefined) throw new EngineError('not_found', `network ${ref} not found`);
  return found;
}

const networks = notImplemented('making and joining networks');

export const NETWORK_ROUTES: readonly Route[] = [
  { method: 'GET', path: '/networks', handler: listNetworks },
  { method: 'GET', path: '/networks/', handler: listNetworks },
  { method: 'POST', path: '/networks/create', handler: networks },
  {
    method: 'POST',
    path: '/networks/prune',
    handler: (exchange) => sendJson(exchange, 200, { NetworksDeleted: null }),
  },
  { method: 'GET', path: '/networks/{id:.*}', handler: inspectNetwork },
  { method: 'POST', path: '/networks/{id:.*}/connect', handler: networks },
  { method: 'POST', path: '/networks/{id:.*}/disconnect', handler: networks },
  { method: 'DELETE', path: '/networks/{id:.*}', handler: removeNetwork },
];
