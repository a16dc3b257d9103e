// snapshot ls: what a container can be rolled back to, the newest last.
import { formatSize } from '#base/bytes.ts';
import type { SnapshotSummary } from '#wire/snapshot.ts';
import type { Context } from '../command.ts';
import { type Listing, renderList } from '../format/list.ts';
import { snapshotsPath } from '../snapshot.ts';

const SNAPSHOTS: Listing = {
  headers: { Name: 'SNAPSHOT', CreatedAt: 'CREATED AT', Copied: 'COPIED', Shared: 'SHARED' },
  table: '{{.Name}}\t{{.CreatedAt}}\t{{.Copied}}\t{{.Shared}}',
  quiet: '{{.Name}}',
};

export async function run({ flags, args, client }: Context): Promise<number> {
  const found = await client.json<SnapshotSummary[]>('GET', snapshotsPath(args[0] ?? ''));
  if (flags.bool('json')) {
    process.stdout.write(`${JSON.stringify(found, null, 2)}\n`);
    return 0;
  }
  const rows = found.map(({ Name, CreatedAt, BytesCopied, BytesShared }) => ({
    Name,
    CreatedAt,
    Copied: formatSize(BytesCopied),
    Shared: formatSize(BytesShared),
  }));
  const [format, quiet] = [flags.string('format'), flags.bool('quiet')];
  process.stdout.write(renderList(rows, SNAPSHOTS, { format, quiet }));
  return 0;
}
