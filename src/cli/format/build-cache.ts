// The build cache as `system df` shows it. Titles, texts, order and what counts are docker's.
import { formatSize } from '#base/bytes.ts';
import type { BuildCacheRecord } from '#wire/build.ts';
import { ago } from '../duration.ts';
import type { Listing, Row } from './list.ts';
import { goTime } from './network.ts';

export const BUILD_CACHE: Listing = {
  headers: {
    ID: 'CACHE ID',
    CacheType: 'CACHE TYPE',
    Size: 'SIZE',
    CreatedSince: 'CREATED',
    LastUsedSince: 'LAST USED',
    UsageCount: 'USAGE',
    Shared: 'SHARED',
  },
  table:
    '{{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t{{.UsageCount}}\t{{.Shared}}',
  quiet: '{{.ID}}',
};

const ID_WIDTH = 12;

/** What an image has, too, is told with the images. */
export function cacheBytes(records: readonly BuildCacheRecord[]): number {
  return records.reduce((sum, { Shared: shared, Size: size }) => sum + (shared ? 0 : size), 0);
}

/** Those that were never used come first, then the one that was not for the longest time. */
export function cacheRows(records: readonly BuildCacheRecord[], noTrunc: boolean): Row[] {
  const key = ({ ID: id, LastUsedAt: used }: BuildCacheRecord): string => `${used ?? ''} ${id}`;
  return records
    .toSorted((a, b) => (key(a) < key(b) ? -1 : 1))
    .map((record) => cacheRow(record, noTrunc));
}

function cacheRow(record: BuildCacheRecord, noTrunc: boolean): Row {
  const { CreatedAt: created, ID: id, InUse: inUse, LastUsedAt: used } = record;
  return {
    CacheType: record.Type,
    CreatedAt: goTime(created),
    CreatedSince: since(created),
    Description: record.Description,
    ID: `${noTrunc ? id : id.slice(0, ID_WIDTH)}${inUse ? '*' : ''}`,
    InUse: String(inUse),
    LastUsedAt: used === null ? '' : goTime(used),
    LastUsedSince: used === null ? '' : since(used),
    Parent: '',
    Shared: String(record.Shared),
    Size: formatSize(record.Size),
    UsageCount: String(record.UsageCount),
  };
}

function since(time: string): string {
  return ago(Date.parse(time) / 1000);
}
