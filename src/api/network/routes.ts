// The /networks endpoints.
import { olderThan } from '#wire/version.ts';
import { readJsonBody, readRequiredJson } from '../body.ts';
import { type Exchange, sendEmpty, sendJson } from '../exchange.ts';
import { parseFilters } from '../filters.ts';
import type { Route } from '../router.ts';
import { parseConnect, parseNetworkCreate } from './parse.ts';
import { renderDetailed, renderNetwork } from './render.ts';
import { LIST_FILTERS, PRUNE_FILTERS, pruneTest, selectNetworks } from './select.ts';

function listNetworks(exchange: Exchange): void {
  const { deps, query, version } = exchange;
  const filters = parseFilters(query.text('filters'), LIST_FILTERS);
  const found = selectNetworks(deps.networks.list(), filters);
  // Before 1.28 a list had the containers, too.
  const detailed = olderThan(version, '1.28');
  const containers = () => deps.containers.list();
  const list = found.map((view) =>
    detailed ? renderDetailed(view, containers) : renderNetwork(view),
  );
  sendJson(exchange, 200, list);
}

function inspectNetwork(exchange: Exchange): void {
  const { deps } = exchange;
  const view = deps.networks.inspect(idOf(exchange));
  const detailed = renderDetailed(view, () => deps.containers.list());
  sendJson(exchange, 200, detailed);
}

async function createNetwork(exchange: Exchange): Promise<void> {
  const { deps, request, version } = exchange;
  const body = await readRequiredJson(request, 'CreateRequest');
  const { id, warnings } = await deps.networks.create(parseNetworkCreate(body, version));
  sendJson(exchange, 201, { Id: id, Warning: warnings.join('\n') });
}

async function removeNetwork(exchange: Exchange): Promise<void> {
  await exchange.deps.networks.remove(idOf(exchange));
  sendEmpty(exchange, 204);
}

async function connectContainer(exchange: Exchange): Promise<void> {
  const { deps, request, version } = exchange;
  const body = await readRequiredJson(request, 'ConnectOptions');
  const { container, wish } = parseConnect(body, idOf(exchange), version);
  await deps.containers.connect(container, wish);
  sendEmpty(exchange, 200);
}

async function disconnectContainer(exchange: Exchange): Promise<void> {
  const { deps, request } = exchange;
  const body = await readRequiredJson(request, 'DisconnectOptions');
  const force = body.bool('Force');
  await deps.containers.disconnect(body.string('Container'), idOf(exchange), { force });
  sendEmpty(exchange, 200);
}

async function pruneNetworks(exchange: Exchange): Promise<void> {
  const { deps, query, request } = exchange;
  await readJsonBody(request, 'NetworksPruneRequest');
  const filters = parseFilters(query.text('filters'), PRUNE_FILTERS);
  const deleted = await deps.networks.prune(pruneTest(filters));
  sendJson(exchange, 200, { NetworksDeleted: deleted.length > 0 ? deleted : null });
}

function idOf({ params }: Exchange): string {
  return params['id'] ?? '';
}

export const NETWORK_ROUTES: readonly Route[] = [
  { method: 'GET', path: '/networks', handler: listNetworks },
  { method: 'GET', path: '/networks/', handler: listNetworks },
  { method: 'POST', path: '/networks/create', handler: createNetwork },
  { method: 'POST', path: '/networks/prune', handler: pruneNetworks },
  { method: 'GET', path: '/networks/{id:.*}', handler: inspectNetwork },
  { method: 'POST', path: '/networks/{id:.*}/connect', handler: connectContainer },
  { method: 'POST', path: '/networks/{id:.*}/disconnect', handler: disconnectContainer },
  { method: 'DELETE', path: '/networks/{id:.*}', handler: removeNetwork },
];
