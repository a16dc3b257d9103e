// image prune: removes images without a name, or all that no container uses.
import type { Context } from '../command.ts';
import { askToPrune, pruneImages, reportSpace } from '../prune.ts';
import { brokenOffDownloads } from '../reclaimable.ts';

export async function run({ flags, client }: Context): Promise<number> {
  const all = flags.bool('all');
  const what = all
    ? 'This will remove all images without at least one container associated to them.'
    : 'This will remove all dangling images.';
  const force = flags.bool('force');
  const downloads = force ? undefined : await brokenOffDownloads(client);
  await askToPrune(force, downloads === undefined ? what : `${what}\nAlso ${downloads}.`);
  reportSpace(await pruneImages(client, flags.filters('filter'), all));
  return 0;
}
