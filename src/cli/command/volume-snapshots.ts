// volume snapshots: what there is to roll back to, the newest last.
import { formatBinarySize } from '#base/bytes.ts';
import type { VolumeSnapshot } from '#wire/volume.ts';
import type { Context } from '../command.ts';
import { type Listing, renderList } from '../format/list.ts';
import { copyPath } from '../volume.ts';

const SNAPSHOTS: Listing = {
  headers: { Name: 'SNAPSHOT', CreatedAt: 'CREATED AT', Size: 'SIZE LIMIT' },
  table: '{{.Name}}\t{{.CreatedAt}}\t{{.Size}}',
  quiet: '{{.Name}}',
};

export async function run({ flags, args, client }: Context): Promise<number> {
  const path = copyPath(args[0] ?? '', 'snapshots');
  const snapshots = await client.json<VolumeSnapshot[]>('GET', path);
  if (flags.bool('json')) {
    process.stdout.write(`${JSON.stringify(snapshots, null, 2)}\n`);
    return 0;
  }
  const rows = snapshots.map(({ Size: size, ...rest }) => ({
    ...rest,
    Size: size === null ? '-' : formatBinarySize(size),
  }));
  const [format, quiet] = [flags.string('format'), flags.bool('quiet')];
  process.stdout.write(renderList(rows, SNAPSHOTS, { format, quiet }));
  return 0;
}
