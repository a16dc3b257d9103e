// network ls: networks by name, as a table or as --format says.
import type { NetworkInspect } from '#wire/network.ts';
import type { Context } from '../command.ts';
import { renderList } from '../format/list.ts';
import { NETWORKS, networkFormat, networkRows } from '../format/network.ts';
import { filterText } from '../prune.ts';

export async function run({ flags, client }: Context): Promise<number> {
  const query = { filters: filterText(flags.filters('filter')) };
  const networks = await client.json<NetworkInspect[]>('GET', '/networks', { query });
  const quiet = flags.bool('quiet');
  const rows = networkRows(networks, flags.bool('no-trunc'));
  const format = networkFormat(flags.string('format'), quiet);
  process.stdout.write(renderList(rows, NETWORKS, { format, quiet }));
  return 0;
}
