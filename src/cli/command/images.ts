// images: what is in the store.
import type { ImageSummary } from '#wire/image.ts';
import type { Context } from '../command.ts';
import { imageListing, imageRows } from '../format/image.ts';
import { renderList } from '../format/list.ts';
import { filterText } from '../prune.ts';

export async function run({ flags, args, client }: Context): Promise<number> {
  const filters = { ...flags.filters('filter') };
  const reference = args[0];
  if (reference !== undefined) filters['reference'] = { [reference]: true };
  const images = await client.json<ImageSummary[]>('GET', '/images/json', {
    query: { all: flags.bool('all'), filters: filterText(filters) },
  });
  const format = flags.string('format');
  const digests = flags.bool('digests');
  const showDigests = digests || /\.Digest\b/.test(format);
  const rows = images
    .toSorted((a, b) => b.Created - a.Created)
    .flatMap((image) => imageRows(image, flags.bool('no-trunc'), showDigests));
  const options = { format, quiet: flags.bool('quiet') };
  process.stdout.write(renderList(rows, imageListing(digests), options));
  return 0;
}
