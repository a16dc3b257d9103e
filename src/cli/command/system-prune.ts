// system prune: stopped containers, then networks that no container is on, then images.
import type { Context } from '../command.ts';
import { askToPrune, pruneContainers, pruneImages, pruneNetworks, reportSpace } from '../prune.ts';
import { reclaimable } from '../reclaimable.ts';

export async function run({ flags, client }: Context): Promise<number> {
  const all = flags.bool('all');
  const images = all
    ? 'all images without at least one container associated to them'
    : 'all dangling images';
  const force = flags.bool('force');
  const filters = flags.filters('filter');
  // What a filter leaves out, only the engine knows.
  const told = !force && Object.keys(filters).length === 0;
  const free = told ? await reclaimable(client, all) : { containers: '', images: '' };
  const what = [
    `all stopped containers${free.containers}`,
    'all networks not used by at least one container',
    `${images}${free.images}`,
  ];
  const warning = `This will remove:\n${what.map((each) => `  - ${each}\n`).join('')}`;
  await askToPrune(force, warning);
  const containers = await pruneContainers(client, filters);
  await pruneNetworks(client, filters);
  reportSpace(containers + (await pruneImages(client, filters, all)));
  return 0;
}
