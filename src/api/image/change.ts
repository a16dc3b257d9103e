// POST /images/{name}/tag, DELETE /images/{name}, POST /images/prune.
import { parseReference } from '#base/reference.ts';
import type { Removed } from '#image/remove.ts';
import type { ImageDeleteItem, ImagePruneReply } from '#wire/image.ts';
import { type Exchange, sendEmpty, sendJson } from '../exchange.ts';
import { boolFilter, parseFilters } from '../filters.ts';
import { untilOf } from './list.ts';
import { platformsSince } from './platform.ts';
import { withTag } from './transfer.ts';

const PRUNE_FILTERS = ['dangling', 'label', 'label!', 'until'];

export async function tagImage(exchange: Exchange): Promise<void> {
  const { deps, params, query } = exchange;
  const repo = query.text('repo');
  // Alone: with a tag what looks like an id would pass for a name.
  parseReference(repo);
  const name = withTag(repo, query.text('tag'));
  await deps.images.tag(params['name'] ?? '', name);
  sendEmpty(exchange, 201);
}

export async function deleteImage(exchange: Exchange): Promise<void> {
  const { deps, params, query } = exchange;
  const name = params['name'] ?? '';
  // An image here has one platform: of another one there is nothing to remove.
  for (const platform of platformsSince('1.50', exchange)) deps.images.resolve(name, platform);
  const removed = await deps.images.remove(name, {
    force: query.bool('force'),
    prune: !query.bool('noprune'),
  });
  sendJson(exchange, 200, removed.map(renderRemoved));
}

export async function pruneImages(exchange: Exchange): Promise<void> {
  const { deps, query, signal } = exchange;
  const filters = parseFilters(query.text('filters'), PRUNE_FILTERS);
  const { removed, bytes } = await deps.images.prune({
    signal,
    all: boolFilter(filters, 'dangling') === false,
    until: untilOf(filters),
    labels: filters.get('label') ?? [],
    notLabels: filters.get('label!') ?? [],
  });
  const reply: ImagePruneReply = {
    ImagesDeleted: removed.length > 0 ? removed.map(renderRemoved) : null,
    SpaceReclaimed: bytes,
  };
  sendJson(exchange, 200, reply);
}

function renderRemoved(item: Removed): ImageDeleteItem {
  return 'untagged' in item ? { Untagged: item.untagged } : { Deleted: item.deleted };
}
