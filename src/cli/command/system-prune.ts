// system prune: stopped containers, then images.
import type { Context } from '../command.ts';
import { askToPrune, pruneContainers, pruneImages, reportSpace } from '../prune.ts';

export async function run({ flags, client }: Context): Promise<number> {
  const all = flags.bool('all');
  const images = all
    ? 'all images without at least one container associated to them'
    : 'all dangling images';
  const warning = `This will remove:\n  - all stopped containers\n  - ${images}\n`;
  await askToPrune(flags.bool('force'), warning);
  const filters = flags.filters('filter');
  const containers = await pruneContainers(client, filters);
  reportSpace(containers + (await pruneImages(client, filters, all)));
  return 0;
}
