// system prune: stopped containers, networks that no container is on, volumes without a name if
// that is wanted, images, then the build cache.
import { CliError, type Context } from '../command.ts';
import {
  askToPrune,
  pruneBuildCache,
  pruneContainers,
  pruneImages,
  pruneNetworks,
  pruneVolumes,
  reportSpace,
} from '../prune.ts';
import { reclaimable } from '../reclaimable.ts';

const NOTHING_TOLD = { containers: '', images: '', downloads: undefined };

export async function run({ flags, client }: Context): Promise<number> {
  const all = flags.bool('all');
  const images = all
    ? 'all images without at least one container associated to them'
    : 'all dangling images';
  const volumes = flags.bool('volumes');
  const force = flags.bool('force');
  const filters = flags.filters('filter');
  if (volumes && 'until' in filters) {
    throw new CliError(1, 'ERROR: The "until" filter is not supported with "--volumes"');
  }
  // What a filter leaves out, only the engine knows.
  const told = !force && Object.keys(filters).length === 0;
  const free = told ? await reclaimable(client, all) : NOTHING_TOLD;
  const what = [
    `all stopped containers${free.containers}`,
    'all networks not used by at least one container',
    ...(volumes ? ['all anonymous volumes not used by at least one container'] : []),
    `${images}${free.images}`,
    ...(free.downloads === undefined ? [] : [free.downloads]),
    all ? 'all build cache' : 'unused build cache',
  ];
  const warning = `This will remove:\n${what.map((each) => `  - ${each}\n`).join('')}`;
  await askToPrune(force, warning);
  let freed = await pruneContainers(client, filters);
  await pruneNetworks(client, filters);
  if (volumes) freed += await pruneVolumes(client, filters, false);
  freed += await pruneImages(client, filters, all);
  freed += await pruneBuildCache(client, filters, { all });
  reportSpace(freed);
  return 0;
}
