// GET /containers/json.
import { isEngineError } from '#base/error.ts';
import type { ContainerView } from '#container/engine.ts';
import { type Exchange, sendJson } from '../exchange.ts';
import { type Filters, parseFilters } from '../filters.ts';
import { summaries } from './render-summary.ts';
import { LIST_FILTERS, selectContainers } from './select.ts';

export async function listContainers(exchange: Exchange): Promise<void> {
  const { deps, query, version } = exchange;
  const filters = withLegacy(parseFilters(query.text('filters'), LIST_FILTERS), exchange);
  const limit = query.int('limit') ?? 0;
  const views = deps.containers.list();
  const find = (ref: string): ContainerView => deps.containers.inspect(ref);
  const networks = deps.networks.records();
  const selection = {
    all: query.bool('all'),
    limit: Math.max(0, limit),
    filters,
    ancestors: imageIds(exchange, filters.get('ancestor') ?? []),
    networks,
  };
  const selected = selectContainers(views, selection, find);
  const options = { networks, version, size: query.bool('size') };
  sendJson(exchange, 200, await summaries(deps, selected, options));
}

/** since and before were parameters of their own before they were filters. */
function withLegacy(filters: Filters, { query }: Exchange): Filters {
  const merged = new Map(filters);
  for (const key of ['since', 'before']) {
    const value = query.text(key);
    if (value !== '') merged.set(key, [...(merged.get(key) ?? []), value]);
  }
  return merged;
}

/** An unknown image has no containers; that is not an error. */
function imageIds({ deps }: Exchange, refs: readonly string[]): ReadonlySet<string> {
  const ids = new Set<string>();
  for (const ref of refs) {
    try {
      ids.add(deps.images.resolve(ref).id);
    } catch (error) {
      if (!isEngineError(error, 'not_found') && !isEngineError(error, 'invalid_argument'))
        throw error;
    }
  }
  return ids;
}
