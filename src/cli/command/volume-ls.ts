// volume ls: volumes by name, as a table or as --format says.
import type { VolumeList } from '#wire/volume.ts';
import type { Context } from '../command.ts';
import { renderList } from '../format/list.ts';
import { VOLUMES, volumeFormat, volumeRows } from '../format/volume.ts';
import { filterText } from '../prune.ts';

export async function run({ flags, client }: Context): Promise<number> {
  const query = { filters: filterText(flags.filters('filter')) };
  const { Volumes: volumes } = await client.json<VolumeList>('GET', '/volumes', { query });
  const quiet = flags.bool('quiet');
  const format = volumeFormat(flags.string('format'), quiet);
  process.stdout.write(renderList(volumeRows(volumes), VOLUMES, { format, quiet }));
  return 0;
}
