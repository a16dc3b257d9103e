// container prune: removes every container that is not running.
import type { Context } from '../command.ts';
import { askToPrune, pruneContainers, reportSpace } from '../prune.ts';

export async function run({ flags, client }: Context): Promise<number> {
  await askToPrune(flags.bool('force'), 'This will remove all stopped containers.');
  reportSpace(await pruneContainers(client, flags.filters('filter')));
  return 0;
}
