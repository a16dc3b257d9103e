// ps: containers as a table, or as --format says.
import type { ContainerSummary } from '#wire/container.ts';
import type { Context } from '../command.ts';
import { CONTAINERS, containerRow } from '../format/container.ts';
import { renderList } from '../format/list.ts';

export async function run({ flags, client }: Context): Promise<number> {
  const filters = flags.filters('filter');
  const last = flags.bool('latest') ? 1 : flags.number('last', -1);
  const format = flags.string('format');
  const size = flags.bool('size') || /\.Size\b|json \.\s*\}/.test(format);
  const list = await client.json<ContainerSummary[]>('GET', '/containers/json', {
    query: {
      all: flags.bool('all') || last > 0,
      limit: last > 0 ? last : undefined,
      size,
      filters: Object.keys(filters).length === 0 ? undefined : JSON.stringify(filters),
    },
  });
  const noTrunc = flags.bool('no-trunc');
  const listing = flags.bool('size')
    ? { ...CONTAINERS, table: `${CONTAINERS.table}\t{{.Size}}` }
    : CONTAINERS;
  const rows = list.map((container) => containerRow(container, noTrunc));
  process.stdout.write(renderList(rows, listing, { format, quiet: flags.bool('quiet') }));
  return 0;
}
