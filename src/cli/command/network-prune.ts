// network prune: removes the networks that no container is on.
import type { Context } from '../command.ts';
import { askToPrune, pruneNetworks } from '../prune.ts';

export async function run({ flags, client }: Context): Promise<number> {
  const warning = 'This will remove all custom networks not used by at least one container.';
  await askToPrune(flags.bool('force'), warning);
  await pruneNetworks(client, flags.filters('filter'));
  return 0;
}
