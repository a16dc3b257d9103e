// history: the steps that made an image.
import { formatSize } from '#base/bytes.ts';
import { formatTime } from '#base/clock.ts';
import { transferPlatform } from '#client/platform.ts';
import type { ImageHistoryEntry } from '#wire/image.ts';
import type { Context } from '../command.ts';
import { ago } from '../duration.ts';
import { imagePath } from '../each.ts';
import { ellipsis } from '../format/container.ts';
import { shortImageId } from '../format/image.ts';
import { type Listing, renderList, type Row } from '../format/list.ts';

const CREATED_BY_WIDTH = 45;

const HISTORY: Listing = {
  headers: {
    ID: 'IMAGE',
    CreatedSince: 'CREATED',
    CreatedAt: 'CREATED AT',
    CreatedBy: 'CREATED BY',
    Size: 'SIZE',
    Comment: 'COMMENT',
  },
  table: '{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}',
  quiet: '{{.ID}}',
};

export async function run({ flags, args, client }: Context): Promise<number> {
  const path = `${imagePath(args[0] ?? '')}/history`;
  const query = { platform: transferPlatform(flags.string('platform')) };
  const entries = await client.json<ImageHistoryEntry[]>('GET', path, { query });
  const human = flags.bool('human', true);
  const noTrunc = flags.bool('no-trunc');
  const rows = entries.map((entry) => row(entry, human, noTrunc));
  const options = { format: flags.string('format'), quiet: flags.bool('quiet') };
  const listing = human
    ? HISTORY
    : { ...HISTORY, headers: { ...HISTORY.headers, CreatedSince: 'CREATED AT' } };
  process.stdout.write(renderList(rows, listing, options));
  return 0;
}

function row(entry: ImageHistoryEntry, human: boolean, noTrunc: boolean): Row {
  const by = entry.CreatedBy.replaceAll('\t', ' ');
  const at = formatTime(BigInt(entry.Created) * 1_000_000_000n);
  const since = entry.Created <= 0 ? 'N/A' : ago(entry.Created);
  return {
    ID: noTrunc || entry.Id === '<missing>' ? entry.Id : shortImageId(entry.Id),
    CreatedSince: human ? since : at,
    CreatedAt: entry.Created <= 0 ? 'N/A' : at,
    CreatedBy: noTrunc ? by : ellipsis(by, CREATED_BY_WIDTH),
    Size: human ? formatSize(entry.Size) : String(entry.Size),
    Comment: entry.Comment,
  };
}
