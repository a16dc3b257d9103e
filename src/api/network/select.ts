// Which networks a list shows and a prune takes.
import { now, parseMoment } from '#base/clock.ts';
import { EngineError } from '#base/error.ts';
import type { NetworkView } from '#network/engine.ts';
import { matchPattern } from '../container/match-pattern.ts';
import { boolFilter, type Filters, invalidFilter, matchLabels } from '../filters.ts';

export const LIST_FILTERS = ['dangling', 'driver', 'id', 'label', 'name', 'scope', 'type'] as const;
export const PRUNE_FILTERS = ['label', 'label!', 'until'] as const;

export function selectNetworks(
  views: readonly NetworkView[],
  filters: Filters,
): readonly NetworkView[] {
  const any = (key: string, test: (value: string) => boolean): boolean => {
    const values = filters.get(key) ?? [];
    return values.length === 0 || values.some(test);
  };
  for (const type of filters.get('type') ?? []) {
    if (type !== 'custom' && type !== 'builtin') throw invalidFilter('type', type);
  }
  const dangling = boolFilter(filters, 'dangling');
  return views.filter(
    ({ record, predefined, endpoints }) =>
      any('driver', (value) => record.driver === value) &&
      any('id', (value) => matchPattern(value, record.id)) &&
      any('name', (value) => matchPattern(value, record.name)) &&
      any('scope', (value) => value === 'local') &&
      any('type', (value) => (value === 'builtin') === predefined) &&
      matchLabels(record.labels, filters.get('label') ?? []) &&
      (dangling === undefined || dangling === (!predefined && endpoints.length === 0)),
  );
}

export function pruneTest(filters: Filters): (view: NetworkView) => boolean {
  const until = filters.get('until') ?? [];
  if (until.length > 1) {
    throw new EngineError('invalid_argument', 'more than one until filter specified');
  }
  const [text] = until;
  const limit = text === undefined ? now() : parseMoment(text);
  if (limit === undefined) throw invalidFilter('until', text);
  const without = filters.get('label!') ?? [];
  return ({ record }) =>
    record.createdAt <= limit &&
    matchLabels(record.labels, filters.get('label') ?? []) &&
    without.every((label) => !matchLabels(record.labels, [label]));
}
