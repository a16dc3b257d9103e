// GET /images/search.
import { EngineError } from '#base/error.ts';
import type { SearchResult } from '#wire/image.ts';
import { type Exchange, sendJson } from '../exchange.ts';
import { boolFilter, type Filters, invalidFilter, parseFilters } from '../filters.ts';
import { askRegistry } from '../status.ts';
import { registryAuth } from './auth.ts';

const SEARCH_FILTERS = ['is-automated', 'is-official', 'stars'];
const LIMIT_DEFAULT = 25;
const LIMIT_MAX = 100;
const HUB = 'docker.io';

export async function searchImages(exchange: Exchange): Promise<void> {
  const { deps, query, request, signal } = exchange;
  const filters = parseFilters(query.text('filters'), SEARCH_FILTERS);
  const limit = query.int('limit') || LIMIT_DEFAULT;
  if (limit < 1 || limit > LIMIT_MAX) {
    const text = `limit ${limit} is outside the range of [1, ${LIMIT_MAX}]`;
    throw new EngineError('invalid_argument', text);
  }
  const official = boolFilter(filters, 'is-official');
  const stars = leastStars(filters);
  const wish = { ...splitTerm(query.text('term')), limit, auth: registryAuth(request) };
  // Docker Hub has no automated builds any more.
  const none = boolFilter(filters, 'is-automated') === true;
  const found = none ? [] : await askRegistry(() => deps.images.search(wish, { signal }));
  const results: readonly SearchResult[] = found
    .filter((each) => official === undefined || each.official === official)
    .filter((each) => each.stars >= stars)
    .map((each) => ({
      star_count: each.stars,
      is_official: each.official,
      name: each.name,
      is_automated: false,
      description: each.description,
    }));
  sendJson(exchange, 200, results);
}

function leastStars(filters: Filters): number {
  const wanted = (filters.get('stars') ?? []).map((text) => {
    if (!/^[+-]?\d{1,9}$/.test(text)) throw invalidFilter('stars', text);
    return Number(text);
  });
  return Math.max(0, ...wanted);
}

/** "reg.test/term" is for that registry, everything else for Docker Hub. */
function splitTerm(term: string): { readonly host: string; readonly term: string } {
  if (term.includes('://')) {
    const text = `invalid repository name: repository name (${term.slice(0, 200)})`;
    throw new EngineError('invalid_argument', `${text} should not have a scheme`);
  }
  const slash = term.indexOf('/');
  const host = slash < 0 ? '' : term.slice(0, slash);
  if (host === 'localhost' || /[.:]/.test(host)) return { host, term: term.slice(slash + 1) };
  return { host: HUB, term: term.replace(/^library\//, '') };
}
