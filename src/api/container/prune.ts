// POST /containers/prune.
import type { ContainerPruneReply } from '#wire/container.ts';
import { type Exchange, sendJson } from '../exchange.ts';
import { parseFilters } from '../filters.ts';

const PRUNE_FILTERS = ['label', 'label!', 'until'];

export async function pruneContainers(exchange: Exchange): Promise<void> {
  const filters = parseFilters(exchange.query.text('filters'), PRUNE_FILTERS);
  const { deleted, spaceReclaimed } = await exchange.deps.containers.prune(filters);
  const reply: ContainerPruneReply = {
    ContainersDeleted: deleted.length > 0 ? deleted : null,
    SpaceReclaimed: spaceReclaimed,
  };
  sendJson(exchange, 200, reply);
}
