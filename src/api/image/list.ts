// GET /images/json, /images/{name}/json, /images/{name}/history.
import { now, parseTime, parseUnixTime } from '#base/clock.ts';
import { EngineError } from '#base/error.ts';
import type { ListOptions } from '#image/list.ts';
import { type Exchange, sendJson } from '../exchange.ts';
import { boolFilter, type Filters, invalidFilter, parseFilters } from '../filters.ts';
import { platformSince } from './platform.ts';
import { withSharedSize } from './shared-size.ts';
import { renderHistory, renderImage, summarizeImages } from './render-image.ts';

const LIST_FILTERS = ['before', 'dangling', 'label', 'reference', 'since', 'until'];

export function listImages(exchange: Exchange): void {
  const { deps, query, version } = exchange;
  const filters = parseFilters(query.text('filters'), LIST_FILTERS);
  const options: ListOptions = {
    all: query.bool('all'),
    dangling: boolFilter(filters, 'dangling'),
    references: filters.get('reference') ?? [],
    labels: filters.get('label') ?? [],
    before: filters.get('before')?.[0],
    since: filters.get('since')?.[0],
    until: untilOf(filters),
  };
  const images = deps.images.list(options);
  const shared = query.bool('shared-size');
  const list = summarizeImages(images, version);
  sendJson(exchange, 200, shared ? withSharedSize(deps.images, images, list) : list);
}

/** A moment, or how long ago: "24h", "1h30m", "2026-01-02", seconds since 1970. */
export function untilOf(filters: Filters): bigint | undefined {
  const text = filters.get('until')?.[0];
  if (text === undefined) return undefined;
  const time = parseUnixTime(text) ?? parseTime(text) ?? parseTime(`${text}T00:00:00Z`);
  if (time !== undefined) return time;
  const ago = durationOf(text);
  if (ago === undefined) throw invalidFilter('until', text);
  return now() - ago;
}

const UNITS: Readonly<Record<string, bigint>> = {
  h: 3_600_000_000_000n,
  m: 60_000_000_000n,
  s: 1_000_000_000n,
  ms: 1_000_000n,
};

/** Go's time.ParseDuration for whole numbers: "1h30m". */
function durationOf(text: string): bigint | undefined {
  if (!/^(\d{1,9}(h|ms|m|s)){1,4}$/.test(text)) return undefined;
  let sum = 0n;
  for (const [, amount, unit] of text.matchAll(/(\d+)(h|ms|m|s)/g)) {
    sum += BigInt(amount ?? '0') * (UNITS[unit ?? ''] ?? 0n);
  }
  return sum;
}

export function inspectImage(exchange: Exchange): void {
  const { deps, params, query, version } = exchange;
  const platform = platformSince('1.49', exchange);
  if (platform !== undefined && query.bool('manifests')) {
    const text = 'conflicting options: manifests and platform options cannot both be set';
    throw new EngineError('invalid_argument', text);
  }
  const image = deps.images.resolve(params['name'] ?? '', platform);
  sendJson(exchange, 200, renderImage(image, { version, driver: deps.facts.driver }));
}

export function imageHistory(exchange: Exchange): void {
  const { deps, params } = exchange;
  const platform = platformSince('1.48', exchange);
  sendJson(exchange, 200, renderHistory(deps.images.history(params['name'] ?? '', platform)));
}
