// image prune: removes images without a name, or all that no container uses.
import type { Context } from '../command.ts';
import { askToPrune, pruneImages, reportSpace } from '../prune.ts';

export async function run({ flags, client }: Context): Promise<number> {
  const all = flags.bool('all');
  const what = all
    ? 'This will remove all images without at least one container associated to them.'
    : 'This will remove all dangling images.';
  await askToPrune(flags.bool('force'), what);
  reportSpace(await pruneImages(client, flags.filters('filter'), all));
  return 0;
}
